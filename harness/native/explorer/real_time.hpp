// Real time under sequential consistency: every order of calls in time that one execution graph allows.
//
// A graph stands for all interleavings of its events that keep program order | rf | mo | rb. They agree in every value
// and differ in which calls were over before which began, since accesses of different words commute in memory, but not
// in a history (Herlihy & Wing 1990: a precedes b if a's response comes before b's invocation). So a history is judged
// in each of those orders. Only the strongest matter: what is explained in an order is explained in a weaker one. They
// are found by letting calls respond as early and begin as late as they can:
//
//   - a call may respond once every call that has an event before its last event has begun;
//   - whoever can respond without anybody beginning does so at once;
//   - else some call is chosen to respond next, and exactly those begin that it needs; of two choices of which one needs
//     a part of what the other does, the greater is never stronger.
//
// docs/decisions/0012-every-real-time-order.md compares this with invocations and responses as events of the graph.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "interleaving.hpp"

namespace explorer {

// The events of one call: [begin, end) of a worker's row. A call that never returned has no response.
struct Interval {
    int worker = 0;
    int begin = 0;
    int end = 0;
    bool returned = false;
};

class RealTime {
public:
    static constexpr std::size_t most_intervals = 32;
    using Before = std::array<std::uint32_t, most_intervals>;  // of each interval: bit set of those that precede it

    // Visit every strongest order of these intervals, which stand worker by worker in program order, until visit(before)
    // is false; then false.
    template <class Visit>
    bool every(const Graph& graph, std::span<const Interval> intervals, Visit visit) {
        prepare(graph, intervals);
        responses_.clear();
        Before before{};
        return from({}, before, visit);
    }

    // The interleaving in which the order visited last is that of the steps.
    std::vector<EventId> steps() const {
        std::vector<EventId> steps;
        View taken;
        const auto take = [&](const View* up_to) {
            for (const EventId id : order_) {
                if (taken.contains(id) || (up_to != nullptr && !up_to->contains(id))) continue;
                steps.push_back(id);
                taken.include(id);
            }
        };
        for (const int response : responses_) {
            const Interval& interval = intervals_[static_cast<std::size_t>(response)];
            if (interval.end > interval.begin) take(&past_[flat(interval.worker, interval.end - 1)]);
        }
        take(nullptr);
        return steps;
    }

private:
    using Numbers = std::array<int, max_workers>;

    struct State {
        Numbers begun{};
        Numbers responded{};
        std::uint32_t over = 0;  // bit set of the intervals that have responded
    };

    std::size_t flat(int worker, int index) const {
        return static_cast<std::size_t>(rows_[static_cast<unsigned>(worker)] + index);
    }

    void prepare(const Graph& graph, std::span<const Interval> intervals) {
        intervals_.assign(intervals.begin(), intervals.end());
        order_ = interleaving_.of(graph);
        int events = 0;
        for (int worker = 0; worker < max_workers; ++worker) {
            rows_[static_cast<unsigned>(worker)] = events;
            events += graph.size(worker);
        }
        trace_past(graph, static_cast<std::size_t>(events));
        first_.fill(0);
        count_.fill(0);
        for (std::size_t at = intervals_.size(); at-- > 0;) {
            first_[static_cast<unsigned>(intervals_[at].worker)] = static_cast<int>(at);
            ++count_[static_cast<unsigned>(intervals_[at].worker)];
        }
        needs_.assign(intervals_.size(), Numbers{});
        for (std::size_t at = 0; at < intervals_.size(); ++at) {
            const Interval& interval = intervals_[at];
            if (interval.end == interval.begin) continue;
            const View& past = past_[flat(interval.worker, interval.end - 1)];
            for (std::size_t other = 0; other < intervals_.size(); ++other) {
                const auto [worker, begin, end, returned] = intervals_[other];
                const auto of = static_cast<unsigned>(worker);
                if (worker != interval.worker && end > begin && begin < past.seen[of])
                    needs_[at][of] = static_cast<int>(other) - first_[of] + 1;
            }
        }
    }

    // What precedes each event in (program order | rf | mo | rb)+, itself included, along one interleaving.
    void trace_past(const Graph& graph, std::size_t events) {
        past_.assign(events, View{});
        stored_.assign(graph.locations(), View{});
        read_.assign(graph.locations(), View{});
        for (const EventId id : order_) {
            View& past = past_[flat(id.worker, id.index)];
            if (id.index > 0) past = past_[flat(id.worker, id.index - 1)];
            past.include(id);
            const Event& event = graph[id];
            if (event.is_read()) {
                past.join(stored_[event.location]);
                read_[event.location].join(past);
            } else if (event.is_write() && event.placed) {
                past.join(stored_[event.location]);
                past.join(read_[event.location]);
                stored_[event.location] = past;
            }
        }
    }

    bool empty(int at) const {
        const Interval& interval = intervals_[static_cast<std::size_t>(at)];
        return interval.end == interval.begin;
    }
    // The interval of a worker that is to respond next; -1 if none ever will.
    int next(const State& state, int worker) const {
        const auto of = static_cast<unsigned>(worker);
        if (state.responded[of] == count_[of]) return -1;
        const int at = first_[of] + state.responded[of];
        return intervals_[static_cast<std::size_t>(at)].returned ? at : -1;
    }

    void begin(State& state, int worker, Before& before) const {
        const auto of = static_cast<unsigned>(worker);
        before[static_cast<std::size_t>(first_[of] + state.begun[of]++)] = state.over;
    }
    void respond(State& state, int worker, int at) {
        ++state.responded[static_cast<unsigned>(worker)];
        state.over |= std::uint32_t{1} << at;
        responses_.push_back(at);
    }

    // The workers whose next call has to begin before interval `at` can respond, as a bit set; -1: not yet possible.
    int to_begin(const State& state, int worker, int at) const {
        int workers = state.begun[static_cast<unsigned>(worker)] == state.responded[static_cast<unsigned>(worker)]
                          ? 1 << worker
                          : 0;
        const Numbers& needs = needs_[static_cast<std::size_t>(at)];
        for (int other = 0; other < max_workers; ++other) {
            const auto of = static_cast<unsigned>(other);
            if (needs[of] > state.responded[of] + 1) return -1;
            if (needs[of] > state.begun[of]) workers |= 1 << other;
        }
        return workers;
    }

    template <class Visit>
    bool from(State state, Before& before, Visit& visit) {
        const std::size_t depth = responses_.size();
        respond_freely(state, before);
        std::array<int, max_workers> choices;
        choices.fill(-1);
        bool any = false;
        for (int worker = 0; worker < max_workers; ++worker) {
            const int at = next(state, worker);
            if (at < 0) continue;
            choices[static_cast<unsigned>(worker)] = to_begin(state, worker, at);
            any = any || choices[static_cast<unsigned>(worker)] >= 0;
        }
        bool go_on = true;
        if (!any) {
            go_on = leaf(state, before, visit);
        } else {
            for (int worker = 0; worker < max_workers && go_on; ++worker) {
                const int set = choices[static_cast<unsigned>(worker)];
                if (set < 0 || dominated(choices, worker)) continue;
                State then = state;
                for (int other = 0; other < max_workers; ++other)
                    if ((set >> other & 1) != 0) begin(then, other, before);
                respond(then, worker, next(state, worker));
                go_on = from(then, before, visit);
                if (go_on) responses_.pop_back();
            }
        }
        if (go_on) responses_.resize(depth);
        return go_on;
    }

    void respond_freely(State& state, Before& before) {
        for (bool progress = true; progress;) {
            progress = false;
            for (int worker = 0; worker < max_workers; ++worker) {
                const int at = next(state, worker);
                if (at < 0) continue;
                if (empty(at))
                    begin(state, worker, before);  // takes no time, so whenever it comes
                else if (to_begin(state, worker, at) != 0)
                    continue;
                respond(state, worker, at);
                progress = true;
            }
        }
    }

    static bool dominated(const std::array<int, max_workers>& choices, int worker) {
        const int set = choices[static_cast<unsigned>(worker)];
        for (int other = 0; other < max_workers; ++other) {
            const int smaller = choices[static_cast<unsigned>(other)];
            if (other == worker || smaller < 0 || (smaller & ~set) != 0) continue;
            if (smaller != set || other < worker) return true;
        }
        return false;
    }

    // Nobody will respond any more; what never returns begins last.
    template <class Visit>
    bool leaf(State state, Before& before, Visit& visit) const {
        for (int worker = 0; worker < max_workers; ++worker) {
            const auto of = static_cast<unsigned>(worker);
            if (state.responded[of] < count_[of] && state.begun[of] == state.responded[of])
                begin(state, worker, before);
        }
        return visit(static_cast<const Before&>(before));
    }

    Interleaving interleaving_;
    std::vector<Interval> intervals_;
    std::vector<EventId> order_;
    std::vector<View> past_, stored_, read_;
    std::vector<Numbers> needs_;  // of each interval: how many of every other worker must have begun before its end
    std::vector<int> responses_;
    Numbers rows_{}, first_{}, count_{};
};

}  // namespace explorer
