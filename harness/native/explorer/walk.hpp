// A walk: one execution at a time, each step chosen by a strategy. Sampling and replay are walks.
//
// A step is one access of one worker. Its choice is how stale a store a read takes, or how far below the newest a store
// is placed; 0 is the newest. Every graph that the exhaustive driver visits can be built so, in any order that respects
// (program order | reads-from), because no event of RC11 depends on a later one. A choice that the memory model forbids
// falls back to the next newer; the newest is always allowed. Under `sc` a walk is an interleaving: its steps are in real
// time, and every access takes the newest.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "blocked.hpp"
#include "extension.hpp"
#include "waiting.hpp"

namespace explorer {

class Strategy {
public:
    virtual ~Strategy() = default;
    virtual void begin() {}
    // Which of these workers makes its pending access?
    virtual int worker(std::span<const int> enabled, const Machine& machine) = 0;
    // A number below `count`, at least 2.
    virtual int choice(int count) = 0;
    // Has it said all that it has to say? Then whoever is to go on alone does.
    virtual bool is_over() const { return false; }
};

struct Step {
    int worker = 0;
    int choice = 0;
    friend bool operator==(const Step&, const Step&) = default;
};

enum class End : std::uint8_t {
    complete,
    failed,
    cut,       // a worker sleeps until its deadline, which another choice would have let pass
    bounded,   // too many steps, or a worker has gone round, or made accesses, as often as it may
    dead_end,  // the second half of a stale read-modify-write found no place
};

struct WalkOptions {
    Model model = Model::rc11;
    int spurious_failures = 1;
    int rounds = 64;  // of one retry loop, as of the exhaustive driver
    std::size_t steps = 100'000;
    int alone = -1;  // if not negative: where the strategy is over all workers but this one stop for ever
};

class Walk final : public Driver {
public:
    Walk(Program& program, WalkOptions options = {})
        : options_(options), extension_(program, options.model), machine_(program, *this, options.rounds) {
        machine_.use(graph_);
    }

    const Graph& graph() const { return graph_; }
    const std::vector<Step>& steps() const { return steps_; }
    const std::vector<Failure>& failures() const { return failures_; }
    const std::string& bound() const { return bound_; }  // of an execution that ended at one: which, and in which loop
    Machine& machine() { return machine_; }
    std::function<void(EventId, const Operation&)> on_event;  // for the trace
    std::function<bool(Machine&, const Graph&, int)> may_wait;  // of a worker that waits for ever: may it?
    std::function<std::optional<std::string>(const Graph&)>
        judge;  // of a complete execution: why it is wrong, if it is

    End run(Strategy& strategy) {
        begin(strategy);
        while (!over()) {
            const std::span<const int> enabled = this->enabled();
            if (over()) break;
            if (enabled.empty()) {
                finish();
                break;
            }
            if (steps_.size() >= options_.steps) {
                bound_ = std::to_string(options_.steps) + " steps of an execution";
                finish_as(End::bounded);
                break;
            }
            advance(strategy.worker(enabled, machine_));
        }
        return end_;
    }

    // --- step by step ----------------------------------------------------------------------------------------------

    void begin(Strategy& strategy) {
        strategy_ = &strategy;
        strategy.begin();
        graph_.clear();
        steps_.clear();
        failures_.clear();
        end_ = End::complete;
        ended_ = false;
        machine_.forget();
        for (int worker = 0; worker < machine_.workers() && !ended_; ++worker) machine_.resume(worker);
    }
    // Run the workers from their start to where the execution is: they may go on otherwise now.
    void catch_up() {
        machine_.forget();
        for (int worker = 0; worker < machine_.workers() && !ended_; ++worker) {
            do machine_.resume(worker);  // it stops at every pause that was a wait
            while (!ended_ && machine_.consumed(worker) < graph_.size(worker));
        }
    }
    // In how many ways an enabled worker could make its access: 0 is the ordinary one.
    int choices(int worker) {
        const Operation& operation = machine_.pending(worker);
        if (operation.kind == Kind::choice) return static_cast<int>(operation.value);
        if (operation.location == no_location) return 1;
        if (operation.location >= graph_.locations()) return operation.weak ? 2 : 1;
        const bool newest_only = operation.order == Order::plain || options_.model == Model::sc;
        const int newest = graph_.newest(operation.location);
        const int stores = newest_only ? 1 : newest - extension_.oldest(graph_, worker, operation.location) + 1;
        return operation.weak ? stores * 2 : stores;
    }
    bool over() const { return ended_; }
    End end() const { return end_; }
    // The workers that could make a step. A worker in pause() goes on, to its next access, when something that its
    // round read has changed since.
    std::span<const int> enabled() {
        enabled_.clear();
        for (int worker = 0; worker < machine_.workers() && !ended_; ++worker) {
            State state = machine_.state(worker);
            if (stopped(worker)) continue;
            if (state == State::waiting && !knows_newest(graph_, worker, machine_.waits_since(worker)))
                state = machine_.resume(worker);
            if (state == State::suspended) enabled_.push_back(worker);
        }
        return enabled_;
    }
    // An enabled worker makes its access, as the strategy chooses, and goes on to its next.
    void advance(int worker) {
        if (perform(worker, machine_.pending(worker))) machine_.resume(worker);
    }

    // Nobody is enabled: the execution is complete, cut, at a bound, or stuck.
    void finish() {
        const Standstill still = standstill(machine_, graph_, [this](int worker) { return !stopped(worker); });
        const auto may = [this](int worker) { return may_wait && may_wait(machine_, graph_, worker); };
        if (!still.could_go_on && !std::all_of(still.for_ever.begin(), still.for_ever.end(), may)) {
            failed(blocked(machine_, graph_, still.for_ever));
            return;
        }
        if (!still.at_bound.empty()) bound_ = bound_of(machine_, still.at_bound.front(), options_.rounds);
        finish_as(!still.at_bound.empty() ? End::bounded : still.could_go_on ? End::cut : End::complete);
        if (!judge || end_ != End::complete) return;
        const Machine::Completed completed(machine_);
        if (auto wrong = judge(graph_))
            failed({Fault::history, std::move(*wrong), std::source_location::current(), -1});
    }

    // --- Driver ----------------------------------------------------------------------------------------------------

    bool step(int worker, const Operation& operation) override {
        if (!operation.exclusive) return false;  // wait until the strategy picks this worker
        return perform(worker, operation);       // a read-modify-write is one step
    }
    void failed(Failure failure) override {
        failures_.push_back(std::move(failure));
        finish_as(End::failed);
    }
    void at_bound(int worker, const Rounds& rounds) override {
        if (auto livelock = kept_going_round(machine_, graph_, worker, rounds)) machine_.fail(std::move(*livelock));
    }
    int retry(int worker, const Rounds& rounds) override { return waits_since(graph_, worker, rounds); }

private:
    bool stopped(int worker) const {
        return options_.alone >= 0 && options_.alone != worker && strategy_->is_over();
    }
    void finish_as(End end) {
        end_ = end;
        ended_ = true;
    }

    int choose(int count) {
        const int choice = count < 2 ? 0 : strategy_->choice(count);
        return choice < 0 || choice >= count ? 0 : choice;
    }

    bool perform(int worker, const Operation& operation) {
        if (!operation.exclusive) steps_.push_back({worker, 0});
        if (operation.location != no_location) {
            const EventId other = extension_.race(graph_, worker, operation);
            if (!other.is_initial()) {
                failed(race_with(machine_.program(), other, worker, operation));
                return false;
            }
        }
        const EventId id = extension_.add(graph_, worker, operation);
        int choice = 0;
        switch (operation.kind) {
            case Kind::read: choice = read(id); break;
            case Kind::write:
                if (operation.exclusive) {
                    const int place = extension_.exclusive_place(graph_, id);
                    if (place > 0) graph_.place(id, place);
                    if (place < 0 || !extension_.consistent(graph_)) {
                        finish_as(End::dead_end);
                        return false;
                    }
                } else {
                    choice = write(id);
                }
                break;
            case Kind::choice:
                choice = choose(static_cast<int>(operation.value));
                extension_.choose(graph_, id, static_cast<Word>(choice));
                break;
            case Kind::fence: break;
        }
        if (!operation.exclusive) steps_.back().choice = choice;
        if (on_event) on_event(id, operation);
        return true;
    }

    bool takes_newest(const Event& event) const {
        return event.order == Order::plain || options_.model == Model::sc;
    }

    // Choices of a weak compare_exchange come in pairs: even, as it is; odd, failing for no reason.
    int read(EventId id) {
        const Event& event = graph_[id];
        const Location location = event.location;
        const int newest = graph_.newest(location);
        const int oldest = takes_newest(event) ? newest : extension_.oldest_source(graph_, id);
        const int ways = event.weak ? 2 : 1;
        for (int choice = choose((newest - oldest + 1) * ways);; --choice) {
            const int position = newest - choice / ways;
            const EventId source = graph_.store_at(location, position);
            const Word found = extension_.value_of(graph_, source, location);
            const bool spurious = choice % ways != 0;
            if (spurious && !extension_.may_fail_spuriously(graph_, id, found, options_.spurious_failures)) continue;
            graph_[id].spurious = spurious;
            if (graph_[id].would_update(found) && graph_.is_updated(location, position)) continue;
            extension_.read_from(graph_, id, source, spurious);
            if (choice == 0 || extension_.consistent(graph_)) return choice;
        }
    }

    int write(EventId id) {
        const Location location = graph_[id].location;
        const int newest = graph_.newest(location) + 1;
        const int floor = takes_newest(graph_[id]) ? newest : extension_.oldest_source(graph_, id) + 1;
        for (int choice = choose(newest - floor + 1);; --choice) {
            const int position = newest - choice;
            if (!extension_.may_place(graph_, location, position)) continue;
            graph_.place(id, position);
            if (choice == 0 || extension_.consistent(graph_)) return choice;
            graph_.unplace(id);
        }
    }

    WalkOptions options_;
    Extension extension_;
    Machine machine_;
    Graph graph_;
    Strategy* strategy_ = nullptr;
    std::vector<Step> steps_;
    std::vector<Failure> failures_;
    std::string bound_;
    std::vector<int> enabled_;
    End end_ = End::complete;
    bool ended_ = false;
};

}  // namespace explorer
