// Graphs as schedules: an order in which a walk makes the steps of a graph, and the cheapest such order.
//
// Every order that respects (program order | reads-from) builds the graph; they differ in how often the worker changes
// and in how many accesses find something newer than what the graph says they take.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <queue>
#include <unordered_map>
#include <vector>

#include "walk.hpp"

namespace explorer {

// What a person has to keep in mind to follow a schedule, the hardest first.
struct Cost {
    int stale = 0;     // accesses that took, or were put below, something older than the newest
    int switches = 0;  // steps made by another worker than the step before
    int chosen = 0;    // what the environment need not have done: time-outs, failures for no reason
    int steps = 0;
    friend auto operator<=>(const Cost&, const Cost&) = default;
};

struct Ordered {
    std::vector<Step> steps;
    Cost cost;
};

// The orders of the first events of each worker, as many as `needed` says; they must be closed under reads-from. Where
// one worker makes a step more, which is no event of the graph (it is the access that fails), that is the last.
class Linearization {
public:
    Linearization(const Graph& graph, int workers, const View& needed, int last_worker = -1)
        : graph_(&graph), workers_(workers), needed_(needed), last_worker_(last_worker) {
        for (int worker = 0; worker < workers; ++worker) {
            for (std::int16_t index = 0; index < needed.seen[static_cast<unsigned>(worker)]; ++index) {
                const Event& event = graph[{static_cast<std::int16_t>(worker), index}];
                total_.steps += !event.exclusive;
                total_.chosen += event.spurious || (event.kind == Kind::choice && event.value != 0);
            }
        }
        total_.steps += last_worker >= 0;
    }
    static View all_of(const Graph& graph, int workers) {
        View all;
        for (int worker = 0; worker < workers; ++worker)
            all.seen[static_cast<unsigned>(worker)] = static_cast<std::int16_t>(graph.size(worker));
        return all;
    }

    // Each worker goes on for as long as what it reads from is there; the leftmost follows.
    std::vector<Step> any() const {
        std::vector<Step> steps;
        View added;
        int worker = 0;
        while (!complete(added)) {
            for (int tried = 0; tried < workers_ && !ready(added, worker); ++tried) worker = (worker + 1) % workers_;
            while (ready(added, worker)) make_step(added, worker, &steps);
        }
        return steps;
    }

    // The order of the caller, who knows all of it.
    std::vector<Step> along(const std::vector<EventId>& order) const {
        std::vector<Step> steps;
        View added;
        for (const EventId id : order) {
            if (!(*graph_)[id].exclusive) make_step(added, id.worker, &steps);
        }
        return steps;
    }

    // The cheapest order, if it costs less than `bound` and is found among `most_states` states.
    //
    // A* over the sets of events that are there and the worker that went last. A load that is ready is made at once:
    // it stands in nobody's way, and does not get fresher by waiting. So workers change only before a store, or where
    // they cannot go on.
    std::optional<Ordered> cheapest(const Cost& bound, std::size_t most_states = 200'000) {
        states_.clear();
        best_.clear();
        open_ = {};
        reach({{}, -1, -1, total_}, bound);
        while (!open_.empty()) {
            const auto [least, at] = open_.top();
            open_.pop();
            const State state = states_[static_cast<std::size_t>(at)];
            if (complete(state.added)) {
                std::vector<Step> steps = path(at);
                if (last_worker_ >= 0) steps.push_back({last_worker_, 0});
                return Ordered{std::move(steps), least};
            }
            if (best_.at({state.added, state.worker}) < state.cost) continue;
            if (states_.size() > most_states) return std::nullopt;
            for (int worker = 0; worker < workers_; ++worker) {
                if (!ready(state.added, worker)) continue;
                State next{state.added, worker, at, state.cost};
                next.cost.switches += state.worker >= 0 && worker != state.worker;
                do next.cost.stale += make_step(next.added, worker, nullptr);
                while (ready(next.added, worker) && !may_hinder(next.added, worker));
                reach(next, bound);
            }
        }
        return std::nullopt;
    }

private:
    struct State {
        View added;
        int worker;  // that went last
        int parent;
        Cost cost;
    };
    struct Key {
        View added;
        int worker;
        friend bool operator==(const Key& left, const Key& right) {
            return left.worker == right.worker && left.added.seen == right.added.seen;
        }
    };
    struct Hash {
        std::size_t operator()(const Key& key) const {
            std::uint64_t hash = static_cast<std::uint64_t>(key.worker);
            for (const std::int16_t count : key.added.seen)
                hash = (hash ^ static_cast<std::uint16_t>(count)) * 0x9e3779b97f4a7c15U;
            return hash ^ (hash >> 32);
        }
    };
    struct Open {
        Cost least;  // of any order that begins so
        int state;
        // the cheapest first; among equals the one found last, which has come furthest
        friend bool operator<(const Open& left, const Open& right) {
            if (const auto order = left.least <=> right.least; order != 0) return order > 0;
            return left.state < right.state;
        }
    };

    EventId next(const View& added, int worker) const {
        return {static_cast<std::int16_t>(worker), added.seen[static_cast<unsigned>(worker)]};
    }
    bool left(const View& added, int worker) const {
        return added.seen[static_cast<unsigned>(worker)] < needed_.seen[static_cast<unsigned>(worker)];
    }
    bool complete(const View& added) const {
        for (int worker = 0; worker < workers_; ++worker) {
            if (left(added, worker)) return false;
        }
        return true;
    }
    bool ready(const View& added, int worker) const {
        if (!left(added, worker)) return false;
        const Event& event = (*graph_)[next(added, worker)];
        return !event.is_read() || added.contains(event.source);
    }
    bool may_hinder(const View& added, int worker) const {
        const Event& event = (*graph_)[next(added, worker)];
        return event.is_write() || event.updates();
    }
    int newer(const View& added, Location location, int position) const {
        int count = 0;
        for (const EventId store : graph_->stores(location))
            count += added.contains(store) && graph_->position(store) > position;
        return count;
    }

    // Add the worker's next event, or both halves of its read-modify-write. Did it take something old?
    bool make_step(View& added, int worker, std::vector<Step>* steps) const {
        const EventId id = next(added, worker);
        const Event& event = (*graph_)[id];
        int choice = 0;
        bool stale = false;
        if (event.is_read()) {
            choice = newer(added, event.location, graph_->position(event.source));
            stale = choice > 0;
            if (event.weak) choice = choice * 2 + event.spurious;
        } else if (event.is_write() && event.placed) {
            choice = newer(added, event.location, event.position);
            stale = choice > 0;
        } else if (event.kind == Kind::choice) {
            choice = static_cast<int>(event.value);
        }
        added.include(id);
        if (left(added, worker) && (*graph_)[next(added, worker)].exclusive) added.include(next(added, worker));
        if (steps != nullptr) steps->push_back({worker, choice});
        return stale;
    }

    void reach(const State& state, const Cost& bound) {
        Cost least = state.cost;
        int others = 0;  // must have a turn yet
        for (int worker = 0; worker < workers_; ++worker)
            others += worker != state.worker && (left(state.added, worker) || worker == last_worker_);
        least.switches += others + (others > 0 && state.worker == last_worker_ && state.worker >= 0) - (state.worker < 0);
        if (least >= bound) return;
        const auto [known, fresh] = best_.try_emplace({state.added, state.worker}, state.cost);
        if (!fresh && known->second <= state.cost) return;
        known->second = state.cost;
        states_.push_back(state);
        open_.push({least, static_cast<int>(states_.size()) - 1});
    }

    std::vector<Step> path(int at) const {
        std::vector<int> states;
        for (; at >= 0; at = states_[static_cast<std::size_t>(at)].parent) states.push_back(at);
        std::vector<Step> steps;
        View added;
        for (std::size_t index = states.size() - 1; index-- > 0;) {
            const State& state = states_[static_cast<std::size_t>(states[index])];
            const auto worker = static_cast<unsigned>(state.worker);
            while (added.seen[worker] < state.added.seen[worker]) make_step(added, state.worker, &steps);
        }
        return steps;
    }

    const Graph* graph_;
    int workers_;
    View needed_;
    int last_worker_;
    Cost total_;  // what is the same for every order
    std::vector<State> states_;
    std::unordered_map<Key, Cost, Hash> best_;
    std::priority_queue<Open> open_;
};

}  // namespace explorer
