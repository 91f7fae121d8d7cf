// A search for a linearization of a history as a bounded FIFO queue, event by event.
//
// Just-in-time linearization (Lowe, "Testing for linearizability", 2017): if there is a linearization at all, there is
// one in which every operation takes effect immediately before some operation returns. So a set of configurations is
// carried from return to return; at each one every configuration is closed under the open operations until the one
// that returns has taken effect. Operations that only look take effect as soon as the queue is in the state they saw:
// that costs nothing, and no later moment can be better.
//
// As long as no configuration is dropped the set is complete, and an empty one refutes the history. Where the ranks say
// in which order the values went in, keeping to that order leaves few configurations; it, too, can only prove. A set cut
// to a width (a beam; at width 1 a greedy construction) can only prove, by its certificate: the order in which the
// operations took effect, for others to replay. If a cut set runs empty, the search goes on wider from a checkpoint.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <optional>
#include <queue>
#include <unordered_map>
#include <utility>
#include <vector>

#include "harness/native/checks/queue_history.hpp"

namespace harness::checks {

enum class Answer : std::uint8_t { linearizable, refuted, unknown };

struct Found {
    Answer answer = Answer::unknown;
    std::vector<Index> order;  // the certificate, if linearizable
    Index stuck = kNone;       // else: the operation whose return no configuration reached
    std::uint64_t steps = 0;   // operations that were tried
    std::size_t widest = 0;    // configurations that were held at once
};

class QueueSearch {
public:
    static constexpr std::size_t kComplete = 0;

    // width: configurations kept from return to return, up to `widest` where fewer do not do; or kComplete.
    // ranked: the values of so many lowest ranks go in in the order of their ranks, or the answer is unknown; 0: in any.
    // steps: the budget; afterwards the answer is unknown.
    QueueSearch(const QueueHistory& history, std::size_t width, std::size_t widest, Index ranked, std::uint64_t steps)
        : history_(history), narrow_(width), width_(width), widest_(widest), ranked_(ranked), budget_(steps),
          place_(history.actions.size(), kNotYet), after_(history.actions.size(), kNone),
          removal_(history.costs.size(), kNone), now_(start()) {
        for (Index operation = 0; operation < history.size(); ++operation)
            if (history.before(operation) != kNone) after_[at(history.before(operation))] = operation;
    }

    Found run() {
        Found found;
        for (;;) {
            found.stuck = advance();
            found.steps = steps_;
            found.widest = most_;
            if (found.stuck == kNone) {
                now_.configurations.resize(1);  // any of them
                settle();
                found.answer = Answer::linearizable;
                found.order = std::move(settled_);
                return found;
            }
            if (exhausted_) return found;
            if (width_ == kComplete) {
                if (ranked_ == 0) found.answer = Answer::refuted;
                return found;
            }
            if (width_ >= widest_) return found;
            width_ = std::min(width_ * kWiden, widest_);
            furthest_ = std::max(furthest_, now_.next);
            resume();
        }
    }

private:
    static constexpr std::size_t kSlots = 256;            // operations that may be open at once
    static constexpr Index kNotYet = -1, kClosed = -2;    // places of operations that are not open
    static constexpr std::size_t kBetweenCheckpoints = 128;
    static constexpr std::size_t kWiden = 8;
    static constexpr std::size_t kMostConfigurations = 1 << 14;
    static constexpr std::size_t kMostNodes = 1 << 16;
    static constexpr std::size_t kMostWays = 64;          // from one configuration, while the set is cut
    static constexpr std::uint64_t kFewSteps = 32;        // a closure that is done by then need not look for repetitions

    using Bits = std::array<std::uint64_t, kSlots / 64>;

    struct Configuration {
        Bits done{};               // open operations that took effect, by place
        std::vector<Index> queue;  // values; those before `head` are gone
        std::size_t head = 0;
        std::int64_t used = 0;
        Index written = 0;         // values that went in
        Index in_order = 0;        // of them, those of the ranks that are kept to
        Index trail = kNone;       // last node of its certificate

        bool nothing() const { return head == queue.size(); }
        Index first() const { return queue[head]; }
    };

    struct Node {
        Index parent, operation;
    };

    // All that changes from event to event and must be put back to go on from an earlier one.
    struct State {
        Index next = 0;                         // operation that is called next
        std::vector<Index> open;                // by place; kNone where the place is free
        std::vector<Index> writes, takers, lookers;  // of them; takers: removals that may never have happened
        std::vector<Configuration> configurations;
        std::vector<Node> nodes;
    };

    struct Checkpoint {
        State state;
        std::size_t settled;
    };

    // What tells two configurations apart.
    struct Key {
        Bits done;
        std::vector<Index> queue;
        bool operator==(const Key&) const = default;
    };
    struct KeyHash {
        std::size_t operator()(const Key& key) const {
            std::uint64_t hash = 0x9e3779b97f4a7c15U;
            const auto mix = [&hash](std::uint64_t word) {
                hash = (hash ^ word) * 0xff51afd7ed558ccdU;
                hash ^= hash >> 32;
            };
            for (const std::uint64_t word : key.done) mix(word);
            for (const Index entry : key.queue) mix(static_cast<std::uint64_t>(entry) + 1);
            return hash;
        }
    };
    using Keys = std::unordered_map<Key, bool, KeyHash>;

    static std::size_t at(Index index) { return static_cast<std::size_t>(index); }
    static bool test(const Bits& bits, Index place) { return bits[at(place) / 64] >> at(place) % 64 & 1; }
    static void set(Bits& bits, Index place) { bits[at(place) / 64] |= std::uint64_t{1} << at(place) % 64; }
    static void clear(Bits& bits, Index place) { bits[at(place) / 64] &= ~(std::uint64_t{1} << at(place) % 64); }

    static State start() {
        State state;
        state.configurations.emplace_back();
        return state;
    }

    // ---- events

    // To the end: kNone; or to the operation whose return no configuration reaches.
    Index advance() {
        while (now_.next < history_.size() || !returns_.empty()) {
            const bool returns = !returns_.empty() && (now_.next == history_.size() ||
                                                       returns_.top().first < history_.invoked[at(now_.next)]);
            if (!returns) {
                if (!call(now_.next)) return now_.next;
                ++now_.next;
                continue;
            }
            const Index operation = returns_.top().second;
            returns_.pop();
            if (!close(operation)) return operation;
            if (now_.configurations.size() == 1 || now_.nodes.size() > 2 * live_nodes_ + kMostNodes) settle();
            if (width_ != kComplete && since_checkpoint_++ >= pace()) checkpoint();
        }
        return kNone;
    }

    bool call(Index operation) {
        const auto free = std::find(now_.open.begin(), now_.open.end(), kNone);
        const Index place = static_cast<Index>(free - now_.open.begin());
        if (free == now_.open.end()) {
            if (now_.open.size() == kSlots) {
                exhausted_ = true;
                return false;
            }
            now_.open.push_back(operation);
        } else {
            *free = operation;
        }
        admit(operation, place);
        switch (history_.action(operation)) {
            case Action::write: now_.writes.push_back(operation); break;
            case Action::remove:
                if (history_.optional(operation)) now_.takers.push_back(operation);
                break;
            case Action::take:
            case Action::take_unnamed: now_.takers.push_back(operation); break;
            default:
                now_.lookers.push_back(operation);
                for (Configuration& configuration : now_.configurations) {
                    begin(configuration);
                    look();
                    keep();
                    std::swap(work_, configuration);
                }
        }
        return true;
    }

    void admit(Index operation, Index place) {
        place_[at(operation)] = place;
        if (history_.optional(operation)) return;
        returns_.emplace(history_.returned[at(operation)], operation);
        if (history_.action(operation) == Action::remove) removal_[at(history_.value(operation))] = operation;
    }

    // The operation returns: false if that is impossible, or the budget is spent.
    bool close(Index operation) {
        const Index place = place_[at(operation)];
        std::vector<Configuration>& all = now_.configurations;
        if (!std::all_of(all.begin(), all.end(), [&](const auto& one) { return test(one.done, place); })) {
            reached_.clear();
            keys_.clear();
            target_ = operation;
            for (Configuration& configuration : all) {
                reach(configuration);
                exhausted_ = exhausted_ || steps_ >= budget_ || reached_.size() > kMostConfigurations;
                if (exhausted_) return false;
            }
            if (reached_.empty()) return false;
            if (ranked_ > 0) keep_laziest();
            if (width_ != kComplete && reached_.size() > width_) cut();
            std::swap(all, reached_);
        }
        most_ = std::max(most_, all.size());
        for (Configuration& configuration : all) clear(configuration.done, place);
        now_.open[at(place)] = kNone;
        place_[at(operation)] = kClosed;
        if (history_.action(operation) == Action::write) std::erase(now_.writes, operation);
        else if (history_.looks(operation)) std::erase(now_.lookers, operation);
        else removal_[at(history_.value(operation))] = kNone;
        return true;
    }

    // ---- one configuration, in hand

    void begin(Configuration& configuration) {
        std::swap(work_, configuration);
        trail_.clear();
        start_ = work_.queue.size();
    }

    // What was done in hand becomes part of the certificate.
    void keep() {
        for (const Index operation : trail_) {
            now_.nodes.push_back({work_.trail, operation});
            work_.trail = static_cast<Index>(now_.nodes.size() - 1);
        }
    }

    bool done(Index operation) const {
        const Index place = place_[at(operation)];
        return place == kClosed || (place >= 0 && test(work_.done, place));
    }

    // Does the order of its batch allow it now?
    bool may(Index operation) const {
        Index other = history_.before(operation);
        while (other != kNone && history_.optional(other)) other = history_.before(other);
        if (other != kNone && !done(other)) return false;
        if (history_.optional(operation))  // too late once the one behind it took effect
            for (Index behind = after_[at(operation)]; behind != kNone; behind = after_[at(behind)])
                if (done(behind)) return false;
        return true;
    }

    void mark(Index operation) {
        set(work_.done, place_[at(operation)]);
        trail_.push_back(operation);
        ++steps_;
    }

    // Does the queue look as the operation said?
    bool holds(Index operation) const {
        switch (history_.action(operation)) {
            case Action::peek: return !work_.nothing() && work_.first() == history_.value(operation);
            case Action::empty: return work_.nothing();
            case Action::other: return !work_.nothing() && work_.first() != history_.value(operation);
            default: return work_.used + history_.sizes[at(operation)] > history_.capacity;
        }
    }

    void look() {
        for (bool again = true; again;) {
            again = false;
            for (const Index operation : now_.lookers) {
                if (done(operation) || !holds(operation) || !may(operation)) continue;
                mark(operation);
                again = again || after_[at(operation)] != kNone;  // that one may look now
            }
        }
    }

    void apply(Index operation) {
        if (history_.action(operation) == Action::write) {
            const Index value = history_.value(operation);
            work_.queue.push_back(value);
            ++work_.written;
            work_.in_order += ranked(value);
            work_.used += history_.cost(value);
        } else {
            work_.used -= history_.cost(work_.first());
            ++work_.head;
        }
        mark(operation);
        look();
    }

    // Back to where the trail had this length.
    void undo(std::size_t length) {
        while (trail_.size() > length) {
            const Index operation = trail_.back();
            trail_.pop_back();
            clear(work_.done, place_[at(operation)]);
            if (history_.looks(operation)) continue;
            if (history_.action(operation) == Action::write) {
                work_.queue.pop_back();
                --work_.written;
                work_.in_order -= ranked(history_.value(operation));
                work_.used -= history_.cost(history_.value(operation));
            } else {
                --work_.head;
                work_.used += history_.cost(work_.first());
            }
        }
    }

    bool fits(Index operation) const {
        return work_.used + history_.cost(history_.value(operation)) <= history_.capacity;
    }

    bool ranked(Index value) const { return history_.ranks[at(value)] < ranked_; }

    // May the value go in before all that are not in yet, by the ranks that are kept to, and by what was seen at the
    // head? u before v is forced if some operation that met u there returned before one that met v there was called.
    bool in_turn(Index operation) const {
        const Index mine = history_.value(operation);
        if (ranked(mine) && history_.ranks[at(mine)] != work_.in_order) return false;
        if (!work_.nothing() && history_.first_seen[at(mine)] < history_.last_seen[at(work_.queue.back())]) return false;
        return std::none_of(now_.writes.begin(), now_.writes.end(), [&](Index other) {
            return other != operation &&
                   history_.first_seen[at(history_.value(other))] < history_.last_seen[at(mine)] && !done(other);
        });
    }

    // ---- the closure at a return

    // The ways for the target to take effect from one configuration: all of them, or the likeliest.
    void reach(Configuration& configuration) {
        begin(configuration);
        only_ = width_ == 1;
        ways_ = only_ ? 1 : width_ == kComplete ? std::size_t(-1) : std::min(2 * width_, kMostWays);
        if (width_ != kComplete && pursue_all()) {
            explore();
            if (ways_ > 0) {
                undo(0);
                explore();
            }
        } else {
            explore();
        }
        std::swap(work_, configuration);
    }

    void explore() {
        visited_.clear();
        closure_began_ = steps_;
        descend();
    }

    // Before the moment passes: can those who wait to see something see it now? True if any did.
    bool pursue_all() {
        bool any = false;
        for (const Index operation : now_.lookers) {
            if (operation == target_ || done(operation)) continue;
            const std::size_t length = trail_.size();
            pursue(operation);
            if (done(operation)) any = true;
            else undo(length);
        }
        return any;
    }

    // Straight towards what it said: in the order of the ranks, nothing in between.
    void pursue(Index operation) {
        const Action said = history_.action(operation);
        while (!done(operation)) {
            const bool in = said == Action::full || (said == Action::other && work_.nothing());
            const Index move = in ? next_write() : next_removal();
            if (move == kNone) return;
            apply(move);
        }
    }

    // The open write of the value that is next by rank.
    Index next_write() const {
        for (const Index operation : now_.writes)
            if (history_.ranks[at(history_.value(operation))] == work_.written)
                return !done(operation) && fits(operation) && may(operation) ? operation : kNone;
        return kNone;
    }

    Index next_removal() const {
        const Index removal = work_.nothing() ? kNone : removal_[at(work_.first())];
        return removal != kNone && !done(removal) && may(removal) ? removal : kNone;
    }

    void descend() {
        if (done(target_)) return arrive();
        if (steps_ >= budget_ || (steps_ > closure_began_ + kFewSteps && !visit())) return;
        const std::size_t from = moves_.size(), length = trail_.size();
        list_moves();
        const std::size_t until = moves_.size();
        for (std::size_t i = from; i < until && ways_ > 0; ++i) {
            apply(moves_[i]);
            descend();
            if (ways_ == 0 && only_) break;
            undo(length);
        }
        moves_.resize(from);
    }

    // Appends the open operations that could take effect now, the likeliest first.
    void list_moves() {
        const auto from = static_cast<std::ptrdiff_t>(moves_.size());
        if (const Index removal = next_removal(); removal != kNone) moves_.push_back(removal);
        const auto writes_from = static_cast<std::ptrdiff_t>(moves_.size());
        for (const Index operation : now_.writes)
            if (!done(operation) && fits(operation) && may(operation) && in_turn(operation))
                moves_.push_back(operation);
        std::sort(moves_.begin() + writes_from, moves_.end(), [this](Index a, Index b) {
            return history_.ranks[at(history_.value(a))] < history_.ranks[at(history_.value(b))];
        });
        const Action wanted = history_.action(target_);
        if (wanted == Action::write || wanted == Action::full)  // in rather than out
            std::rotate(moves_.begin() + from, moves_.begin() + writes_from, moves_.end());
        if (work_.nothing()) return;
        Index anybody = kNone;
        for (const Index operation : now_.takers) {
            if (done(operation) || !may(operation)) continue;
            if (history_.action(operation) == Action::remove) {
                if (history_.value(operation) == work_.first()) moves_.push_back(operation);
            } else if (rather(operation, anybody)) {
                anybody = operation;
            }
        }
        if (anybody != kNone) moves_.push_back(anybody);
    }

    // Of those that may have taken the head and did not say what they took, this one rather than the other? Alike, the
    // earliest; else the one that may take less, for whoever waits may take anything later.
    bool rather(Index taker, Index other) const {
        if (history_.removed[at(work_.first())]) return false;
        if (history_.action(taker) == Action::take_unnamed)
            return history_.unnamed[at(work_.first())] &&
                   (other == kNone || history_.action(other) == Action::take);
        return other == kNone;
    }

    // False if this closure was here before: the same operations, and what went in in the same order.
    bool visit() {
        const auto from = work_.queue.begin() + static_cast<std::ptrdiff_t>(start_);
        return visited_.try_emplace(Key{work_.done, {from, work_.queue.end()}}).second;
    }

    void arrive() {
        --ways_;
        if (only_) {  // of one configuration: no need to compare, or to come back
            keep();
            if (work_.head > work_.queue.size() / 2) {
                work_.queue.erase(work_.queue.begin(), work_.queue.begin() + static_cast<std::ptrdiff_t>(work_.head));
                work_.head = 0;
            }
            reached_.push_back(std::move(work_));
            work_ = Configuration{};
            return;
        }
        Key key{work_.done, {work_.queue.begin() + static_cast<std::ptrdiff_t>(work_.head), work_.queue.end()}};
        const auto [entry, fresh] = keys_.try_emplace(std::move(key));
        if (!fresh) return;
        const Index before = work_.trail;
        keep();
        reached_.push_back(
            {work_.done, entry->first.queue, 0, work_.used, work_.written, work_.in_order, std::exchange(work_.trail, before)});
    }

    // Keep those that have seen most of what they must, and did least beyond it.
    void cut() {
        using Score = std::pair<std::size_t, std::size_t>;
        std::vector<std::pair<Score, std::size_t>> order;
        for (std::size_t i = 0; i < reached_.size(); ++i) {
            std::size_t waiting = 0, ahead = 0;
            for (const Index operation : now_.lookers) waiting += !test(reached_[i].done, place_[at(operation)]);
            for (const std::uint64_t word : reached_[i].done) ahead += static_cast<std::size_t>(std::popcount(word));
            order.push_back({{waiting, ahead}, i});
        }
        std::sort(order.begin(), order.end());
        std::vector<Configuration> kept;
        for (std::size_t i = 0; i < width_; ++i) kept.push_back(std::move(reached_[order[i].second]));
        reached_ = std::move(kept);
    }

    // In a fixed order of the values, who has done more than another but seen no more is not needed: the other can do the
    // same later. On its way, what does not fit waits for a removal, and what is not there for a write; one of the two is
    // always possible.
    void keep_laziest() {
        Bits looks{}, fixed{};
        for (const Index operation : now_.open) {
            if (operation == kNone) continue;
            const Action action = history_.action(operation);
            if (history_.looks(operation)) set(looks, place_[at(operation)]);
            else if (action == Action::write ? ranked(history_.value(operation)) : !history_.optional(operation))
                set(fixed, place_[at(operation)]);
        }
        const auto needless = [&](const Configuration& one, const Configuration& other) {
            if (one.in_order != one.written || other.in_order != other.written || one.done == other.done) return false;
            for (std::size_t i = 0; i < looks.size(); ++i) {
                const std::uint64_t more = one.done[i] & ~other.done[i], less = other.done[i] & ~one.done[i];
                if ((less & ~looks[i]) != 0 || (more & ~fixed[i]) != 0) return false;
            }
            return true;
        };
        std::vector<Configuration> kept;
        for (Configuration& one : reached_) {
            if (std::any_of(kept.begin(), kept.end(), [&](const auto& other) { return needless(one, other); })) continue;
            std::erase_if(kept, [&](const auto& other) { return needless(other, one); });
            kept.push_back(std::move(one));
        }
        reached_ = std::move(kept);
    }

    // ---- certificates and checkpoints

    // Move what all certificates share to `settled_`, and forget what none needs.
    void settle() {
        std::vector<Configuration>& all = now_.configurations;
        if (all.size() == 1) {
            const std::size_t from = settled_.size();
            for (Index node = all[0].trail; node != kNone; node = now_.nodes[at(node)].parent)
                settled_.push_back(now_.nodes[at(node)].operation);
            std::reverse(settled_.begin() + static_cast<std::ptrdiff_t>(from), settled_.end());
            all[0].trail = kNone;
            now_.nodes.clear();
        } else {
            std::vector<Index> moved(now_.nodes.size(), kNone);
            for (const Configuration& one : all)
                for (Index node = one.trail; node != kNone && moved[at(node)] == kNone; node = now_.nodes[at(node)].parent)
                    moved[at(node)] = 0;
            std::vector<Node> live;  // parents stand before their children
            for (std::size_t node = 0; node < moved.size(); ++node) {
                if (moved[node] == kNone) continue;
                const Index parent = now_.nodes[node].parent;
                moved[node] = static_cast<Index>(live.size());
                live.push_back({parent == kNone ? kNone : moved[at(parent)], now_.nodes[node].operation});
            }
            for (Configuration& one : all) one.trail = one.trail == kNone ? kNone : moved[at(one.trail)];
            now_.nodes = std::move(live);
        }
        live_nodes_ = now_.nodes.size();
    }

    // A wrong guess may show only when the queue has turned over.
    std::size_t pace() const { return kBetweenCheckpoints + 4 * now_.configurations[0].queue.size(); }

    void checkpoint() {
        since_checkpoint_ = 0;
        if (width_ > narrow_ && now_.next > furthest_ + static_cast<Index>(pace())) width_ = narrow_;
        if (checkpoints_.size() == 2) checkpoints_.erase(checkpoints_.begin());
        checkpoints_.push_back({now_, settled_.size()});
    }

    // Back to the older checkpoint.
    void resume() {
        const Index from = checkpoints_.empty() ? 0 : checkpoints_[0].state.next;
        std::fill(place_.begin() + from, place_.begin() + now_.next, kNotYet);
        std::fill(removal_.begin(), removal_.end(), kNone);
        returns_ = {};
        since_checkpoint_ = 0;
        if (checkpoints_.empty()) {
            now_ = start();
            settled_.clear();
        } else {
            checkpoints_.resize(1);
            now_ = checkpoints_[0].state;
            settled_.resize(checkpoints_[0].settled);
        }
        live_nodes_ = now_.nodes.size();
        for (std::size_t place = 0; place < now_.open.size(); ++place)
            if (now_.open[place] != kNone) admit(now_.open[place], static_cast<Index>(place));
    }

    using Return = std::pair<Time, Index>;

    const QueueHistory& history_;
    std::size_t narrow_, width_, widest_;
    Index ranked_;
    std::uint64_t budget_, steps_ = 0;
    bool exhausted_ = false;
    std::size_t most_ = 1, live_nodes_ = 0, since_checkpoint_ = 0;
    Index furthest_ = 0;

    std::vector<Index> place_;    // of each operation
    std::vector<Index> after_;    // the next of its batch
    std::vector<Index> removal_;  // of each value: the open one that returns
    std::priority_queue<Return, std::vector<Return>, std::greater<>> returns_;
    State now_;
    std::vector<Index> settled_;
    std::vector<Checkpoint> checkpoints_;

    // of the closure at one return
    Index target_ = kNone;
    Configuration work_;
    std::vector<Index> trail_, moves_;
    std::size_t start_ = 0, ways_ = 0;
    bool only_ = false;
    std::uint64_t closure_began_ = 0;
    Keys visited_, keys_;
    std::vector<Configuration> reached_;
};

}  // namespace harness::checks
