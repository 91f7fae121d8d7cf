// Is there an order of operations that a sequential specification accepts? The search of Wing, Gong and Lowe.
//
// The search takes a call whose step the specification accepts, of those that stand before the first return of a call
// that it did not take; where there is none, it goes back (Wing & Gong, "Testing and verifying concurrent objects",
// 1993). A configuration, the set of operations taken and the state, is entered once (Lowe, "Testing for
// linearizability", 2017); it is compared exactly. Of the set only the words from the first operation not taken to the
// last one taken are kept: memory grows with concurrency, not with length.
//
// Two rules keep it on the way. The call that has to return first is tried first, which is most often right. And an
// operation that only observes is taken where it can be, with no alternative: from any place in an order that is found
// it can be moved here, since the others find the same states without it.
//
// States and kinds of operations are numbers. What follows a state by a kind of operation is asked for once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace harness::checks {

using Number = std::int32_t;

inline constexpr Number kNobody = -1;
inline constexpr Number kImpossible = -1;

// Parallel by operation, but for `events`.
struct OrderQuestion {
    std::span<const Number> events;        // in the order of time: i is the call of operation i, count + i its return
    std::span<const Number> kinds;         // equal ones are one to the specification
    std::span<const std::uint8_t> pending; // may be taken at any time after its call, or never; it has no return
    std::span<const std::uint8_t> observes; // it changes no state, whatever it finds
    std::span<const Number> needs_from;    // count + 1 places in `needs`
    std::span<const Number> needs;         // operations that must have been taken before
    std::span<const Number> bars_from;     // count + 1 places in `bars`
    std::span<const Number> bars;          // operations after which this one cannot be taken any more

    std::size_t count() const { return kinds.size(); }
};

struct OrderFound {
    bool decided = false;
    bool linearizable = false;
    std::vector<Number> order;  // of the linearization, or of the longest prefix of one
    Number stuck = kNobody;     // cannot follow any such prefix
    std::uint64_t steps = 0;    // that were tried
};

// Answers of the specification, by state and kind.
class StepTable {
public:
    static constexpr Number kUnknown = -2;

    Number get(Number state, Number kind) const { return entries_[slot(key(state, kind))].after; }

    void put(Number state, Number kind, Number after) {
        if (2 * (size_ + 1) > entries_.size()) grow();
        entries_[slot(key(state, kind))] = {key(state, kind), after};
        ++size_;
    }

private:
    struct Entry {
        std::uint64_t key = 0;
        Number after = kUnknown;
    };

    static std::uint64_t key(Number state, Number kind) {
        return static_cast<std::uint64_t>(static_cast<std::uint32_t>(state)) << 32 | static_cast<std::uint32_t>(kind);
    }

    std::size_t slot(std::uint64_t key) const {
        std::size_t place = static_cast<std::size_t>(key * 0x9e3779b97f4a7c15U >> 20) & (entries_.size() - 1);
        const std::size_t mask = entries_.size() - 1;
        while (entries_[place].after != kUnknown && entries_[place].key != key) place = (place + 1) & mask;
        return place;
    }

    void grow() {
        std::vector<Entry> old(2 * entries_.size());
        old.swap(entries_);
        for (const Entry& entry : old)
            if (entry.after != kUnknown) entries_[slot(entry.key)] = entry;
    }

    std::vector<Entry> entries_ = std::vector<Entry>(1024);
    std::size_t size_ = 0;
};

// Sequences of words, each once.
class WordsSeen {
public:
    std::size_t size() const { return size_; }
    std::size_t words() const { return arena_.size(); }

    void clear() {
        arena_.clear();
        size_ = 0;
        std::fill(slots_.begin(), slots_.end(), 0);
    }

    // True if it is new.
    bool insert(std::span<const std::uint64_t> words) {
        if (2 * (size_ + 1) > slots_.size()) grow();
        const std::size_t place = find(words);
        if (slots_[place] != 0) return false;
        slots_[place] = arena_.size() + 1;
        arena_.push_back(words.size());
        arena_.insert(arena_.end(), words.begin(), words.end());
        ++size_;
        return true;
    }

private:
    static std::uint64_t hash(std::span<const std::uint64_t> words) {
        std::uint64_t mixed = 0x9e3779b97f4a7c15U;
        for (const std::uint64_t word : words) {
            mixed = (mixed ^ word) * 0xff51afd7ed558ccdU;
            mixed ^= mixed >> 32;
        }
        return mixed;
    }

    std::span<const std::uint64_t> at(std::size_t slot) const {
        return {arena_.data() + slot, static_cast<std::size_t>(arena_[slot - 1])};
    }

    std::size_t find(std::span<const std::uint64_t> words) const {
        const std::size_t mask = slots_.size() - 1;
        std::size_t place = static_cast<std::size_t>(hash(words)) & mask;
        while (slots_[place] != 0 && !std::ranges::equal(at(slots_[place]), words)) place = (place + 1) & mask;
        return place;
    }

    void grow() {
        std::vector<std::size_t> old(2 * slots_.size());
        old.swap(slots_);
        for (const std::size_t slot : old)
            if (slot != 0) slots_[find(at(slot))] = slot;
    }

    std::vector<std::uint64_t> arena_;  // each with its length before it
    std::vector<std::size_t> slots_ = std::vector<std::size_t>(1024);  // where its words begin; 0: free
    std::size_t size_ = 0;
};

// ask(state, operation): the state after it, or kImpossible; it may throw.
// go_on(): called now and then; false ends the search undecided.
template <class Ask, class GoOn>
class OrderSearch {
public:
    // most_words: of configurations that are remembered; then all are forgotten, which costs time but no exactness.
    // most_steps: so many are tried; then it ends undecided.
    OrderSearch(const OrderQuestion& question, Ask ask, GoOn go_on, std::size_t most_words, std::uint64_t most_steps)
        : question_(question), ask_(std::move(ask)), go_on_(std::move(go_on)), most_words_(most_words),
          most_steps_(most_steps),
          following_(2 * question.count() + 2), previous_(2 * question.count() + 2),
          place_(2 * question.count() + 2), rank_(question.count()), is_bar_(question.count()),
          taken_(question.count() / 64 + 1) {
        Number last_call = 0, last_return = 0, calls = 0;
        for (std::size_t place = 0; place < question.events.size(); ++place) {
            const Number event = question.events[place];
            const Number entry = event + 1;  // 0 is the head of the list of calls
            place_[at(entry)] = place;
            if (event < count()) {
                join(last_call, entry);
                last_call = entry;
                rank_[at(event)] = calls++;
            } else {
                join(last_return == 0 ? returns() : last_return, entry);
                last_return = entry;
            }
        }
        join(last_call, 0);
        join(last_return == 0 ? returns() : last_return, returns());
        place_[at(returns())] = question.events.size();
        for (const Number one : question.bars) is_bar_[at(one)] = true;
        must_ = static_cast<std::size_t>(std::ranges::count(question.pending, 0));
    }

    OrderFound run() {
        OrderFound found;
        std::size_t kept = 0;  // so much of the longest prefix is the beginning of the path
        look(found);
        while (must_ > 0) {
            if (choices_.size() > ours_.begin) {
                const Number operation = choices_.back();
                choices_.pop_back();
                if (!go_on(found)) return found;
                const Number after = step(operation, found);
                if (after == kImpossible || !allowed(operation)) continue;
                if (after == state_ && question_.pending[at(operation)]) continue;  // nothing would depend on it
                if (take(operation, after)) look(found);
                continue;
            }
            if (!ours_.all) {
                gather();
                continue;
            }
            // no call before the first return can come next
            if (path_.size() > found.order.size() || found.stuck == kNobody) {
                found.order.resize(kept);
                for (std::size_t i = kept; i < path_.size(); ++i) found.order.push_back(path_[i].operation);
                kept = path_.size();
                found.stuck = first_to_return();
            }
            if (path_.empty()) {
                found.decided = true;
                return found;
            }
            give_back();
            kept = std::min(kept, path_.size());
        }
        found.decided = found.linearizable = true;
        found.stuck = kNobody;
        found.order.clear();
        for (const Taken& one : path_) found.order.push_back(one.operation);
        return found;
    }

private:
    static constexpr std::uint64_t kBetween = 1024;
    static constexpr int kGlance = 64;

    // What is left to try of a configuration: from `begin` on in `choices_`, the last first; are these all that there are?
    struct Choices {
        std::size_t begin = 0;
        bool all = false;
    };

    struct Taken {
        Number operation, state, first, end;  // and what was before it
        Choices choices;
    };

    static std::size_t at(Number index) { return static_cast<std::size_t>(index); }
    Number count() const { return static_cast<Number>(question_.count()); }

    bool is_taken(Number operation) const {
        const std::size_t place = at(rank_[at(operation)]);
        return taken_[place / 64] >> place % 64 & 1;
    }

    Number returns() const { return 2 * count() + 1; }  // the head of the list of returns
    Number first_to_return() const { return following_[at(returns())] - count() - 1; }

    bool go_on(const OrderFound& found) {
        if (found.steps >= most_steps_) return false;
        if (found.steps < next_look_) return true;
        next_look_ = found.steps + kBetween;
        return go_on_();
    }

    Number step(Number operation, OrderFound& found) {
        ++found.steps;
        const Number kind = question_.kinds[at(operation)];
        Number after = table_.get(state_, kind);
        if (after == StepTable::kUnknown) {
            after = ask_(state_, operation);
            table_.put(state_, kind, after);
        }
        return after;
    }

    // The first choices of a configuration: an operation that only observes, or the one that has to return first. Of many
    // only some are looked at, for that is done in every configuration.
    void look(OrderFound& found) {
        ours_ = {choices_.size(), false};
        if (must_ == 0) return;
        const std::size_t until = place_[at(following_[at(returns())])];
        Number entry = following_[0];
        for (int seen = 0; seen < kGlance && entry != 0 && place_[at(entry)] < until; ++seen) {
            const Number operation = entry - 1;
            if (may_be_moved(operation) && step(operation, found) != kImpossible && allowed(operation)) {
                choices_.push_back(operation);
                ours_.all = true;
                return;
            }
            entry = following_[at(entry)];
        }
        choices_.push_back(first_to_return());
    }

    // It changes nothing for anybody, wherever it stands.
    bool may_be_moved(Number operation) const {
        return question_.observes[at(operation)] && !question_.pending[at(operation)] && !is_bar_[at(operation)];
    }

    // The other choices: all calls before the first return, by their own returns.
    void gather() {
        ours_.all = true;
        const Number tried = first_to_return();
        const std::size_t until = place_[at(tried + count() + 1)];
        for (Number entry = following_[0]; entry != 0 && place_[at(entry)] < until; entry = following_[at(entry)])
            if (entry - 1 != tried) choices_.push_back(entry - 1);
        const auto deadline = [this](Number operation) {
            return question_.pending[at(operation)] ? SIZE_MAX : place_[at(operation + count() + 1)];
        };
        std::ranges::stable_sort(choices_.begin() + static_cast<std::ptrdiff_t>(ours_.begin), choices_.end(),
                                 std::ranges::greater{}, deadline);
    }

    bool allowed(Number operation) const {
        const auto taken = [this](Number one) { return is_taken(one); };
        return std::ranges::all_of(of(operation, question_.needs_from, question_.needs), taken) &&
               std::ranges::none_of(of(operation, question_.bars_from, question_.bars), taken);
    }

    static std::span<const Number> of(Number operation, std::span<const Number> from, std::span<const Number> list) {
        const std::size_t begin = at(from[at(operation)]);
        return list.subspan(begin, at(from[at(operation) + 1]) - begin);
    }

    // False if that is where it was before.
    bool take(Number operation, Number after) {
        const Number place = rank_[at(operation)];
        const Taken before{operation, state_, first_, end_, ours_};
        taken_[at(place) / 64] |= std::uint64_t{1} << at(place) % 64;
        end_ = std::max(end_, place + 1);
        while (first_ < end_ && taken_[at(first_) / 64] >> at(first_) % 64 & 1) ++first_;
        state_ = after;
        if (!enter()) {
            put_back(before);
            return false;
        }
        path_.push_back(before);
        unlink(operation + 1);
        if (!question_.pending[at(operation)]) {
            --must_;
            unlink(operation + 1 + count());
        }
        return true;
    }

    // Exactly in the reverse order of taking it.
    void give_back() {
        const Taken one = path_.back();
        path_.pop_back();
        put_back(one);
        if (!question_.pending[at(one.operation)]) {
            ++must_;
            link(one.operation + 1 + count());
        }
        link(one.operation + 1);
        choices_.resize(ours_.begin);
        ours_ = one.choices;
    }

    void put_back(const Taken& one) {
        const std::size_t place = at(rank_[at(one.operation)]);
        taken_[place / 64] &= ~(std::uint64_t{1} << place % 64);
        state_ = one.state;
        first_ = one.first;
        end_ = one.end;
    }

    // All before the first that was not taken, and none from the end on, are taken: what is between tells the set.
    bool enter() {
        if (seen_.words() > most_words_) seen_.clear();
        key_.clear();
        key_.push_back(static_cast<std::uint64_t>(first_) << 32 | static_cast<std::uint32_t>(state_));
        for (std::size_t word = at(first_) / 64; word * 64 < at(end_); ++word) key_.push_back(taken_[word]);
        return seen_.insert(key_);
    }

    void join(Number before, Number after) {
        following_[at(before)] = after;
        previous_[at(after)] = before;
    }

    void unlink(Number entry) {
        following_[at(previous_[at(entry)])] = following_[at(entry)];
        previous_[at(following_[at(entry)])] = previous_[at(entry)];
    }

    void link(Number entry) {
        following_[at(previous_[at(entry)])] = entry;
        previous_[at(following_[at(entry)])] = entry;
    }

    const OrderQuestion& question_;
    Ask ask_;
    GoOn go_on_;
    std::size_t most_words_;
    std::uint64_t most_steps_;
    std::vector<Number> following_, previous_;  // of entries: head of the calls, calls, returns, head of the returns
    std::vector<std::size_t> place_;            // of entries, in the order of time
    std::vector<Number> rank_;                  // of operations, by time of the call
    std::vector<bool> is_bar_;                  // operations after which some other cannot be taken any more
    std::vector<std::uint64_t> taken_;          // by rank
    Number first_ = 0, end_ = 0;                // rank of the first that was not taken; behind the last that was
    Number state_ = 0;
    std::size_t must_ = 0;                      // operations that returned and were not taken
    std::vector<Taken> path_;
    std::vector<Number> choices_;  // of all configurations on the path, and of the one behind it:
    Choices ours_;
    std::uint64_t next_look_ = kBetween;
    StepTable table_;
    WordsSeen seen_;
    std::vector<std::uint64_t> key_;
};

}  // namespace harness::checks
