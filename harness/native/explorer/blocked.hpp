// Workers that wait for what nobody will do: which of the three it is, and who waits where for what.
//
// The words are those of the literature (Herlihy, Shavit, The Art of Multiprocessor Programming, ch. 2 and 8):
//
//   lost wake-up   a worker sleeps although what it looked at before it fell asleep has changed: it should have been
//                  woken, and whoever changed it has not
//   livelock       a worker goes round a retry loop with stores of its own, each round as the one before
//   deadlock       workers only look, and what they look at stays as it is
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "machine.hpp"
#include "waiting.hpp"

namespace explorer {

// The locations that the worker has read since `begin`, each with its last read, latest first.
inline std::vector<EventId> read_since(const Graph& graph, int worker, int begin) {
    std::vector<EventId> reads;
    for (int index = graph.size(worker) - 1; index >= begin; --index) {
        const EventId id{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(index)};
        const auto same = [&](EventId other) { return graph[other].location == graph[id].location; };
        if (graph[id].is_read() && std::none_of(reads.begin(), reads.end(), same)) reads.push_back(id);
    }
    return reads;
}

// Has another worker stored to one of them after the last look at it?
inline bool have_changed(const Graph& graph, const std::vector<EventId>& reads) {
    return std::any_of(reads.begin(), reads.end(), [&](EventId read) {
        const Location location = graph[read].location;
        for (int newer = graph.position(graph[read].source) + 1; newer <= graph.newest(location); ++newer) {
            if (!is_own(graph.store_at(location, newer), read.worker)) return true;
        }
        return false;
    });
}

inline std::string names_of(const Program& program, const Graph& graph, const std::vector<EventId>& reads) {
    std::string names;
    for (const EventId read : reads) names += (names.empty() ? "" : ", ") + program.name(graph[read].location);
    return names;
}

inline Blocked kind_of(const Machine& machine, const Graph& graph, int worker) {
    const int look = machine.look_begin(worker);
    if (look >= 0 && have_changed(graph, read_since(graph, worker, look))) return Blocked::lost_wakeup;
    return only_read(graph, worker, machine.waits_since(worker), graph.size(worker)) ? Blocked::deadlock : Blocked::livelock;
}

inline const char* blocked_name(Blocked blocked) {
    switch (blocked) {
        case Blocked::lost_wakeup: return "lost wake-up";
        case Blocked::livelock: return "livelock";
        case Blocked::deadlock: return "deadlock";
        default: return "";
    }
}

// The failure of an execution in which all of `waiting` wait for ever; the gravest of their states is its kind.
inline Failure blocked(Machine& machine, const Graph& graph, std::span<const int> waiting) {
    Blocked kind = Blocked::no;
    int worst = waiting.front();
    std::string text;
    for (const int worker : waiting) {
        const Blocked its = kind_of(machine, graph, worker);
        if (its > kind) {
            kind = its;
            worst = worker;
        }
        text += text.empty() ? " " : "; ";
        text += machine.program().describe_worker(worker);
        if (machine.look_begin(worker) >= 0) {
            text += " sleeps at " + place_of(machine.waiting_at(worker)) + ", and nobody will wake it";
            continue;
        }
        text += its == Blocked::livelock ? " goes round at " : " waits at ";
        text += place_of(machine.waiting_at(worker)) + ", and nobody will change " +
                names_of(machine.program(), graph, read_since(graph, worker, machine.waits_since(worker)));
    }
    return {Fault::stuck, blocked_name(kind) + (":" + text), machine.waiting_at(worst), worst, kind};
}

// A worker has gone round a retry loop as often as it may: have others kept it there who go round themselves, each
// because of the other, and does nobody else have anything to do? Then they may do so for ever.
inline std::optional<Failure> kept_going_round(Machine& machine, const Graph& graph, int worker, const Rounds& rounds) {
    if (!repeats_values(graph, worker, rounds)) return std::nullopt;
    unsigned mates = 0;
    for (int index = rounds.previous; index < rounds.end; ++index) {
        const Event& event = event_at(graph, worker, index);
        if (event.is_read() && !event.source.is_initial() && event.source.worker != worker) mates |= 1U << event.source.worker;
    }
    std::string names;
    for (int other = 0; other < machine.workers(); ++other) {
        const State state = machine.state(other);
        if (other == worker || state == State::finished) continue;
        if (state == State::waiting && !could_go_on(machine, graph, other)) continue;
        const bool goes_round = (mates >> other & 1) != 0 && machine.rounds(other) >= 2;
        if (!goes_round || (state != State::suspended && state != State::bounded)) return std::nullopt;
        names += (names.empty() ? "" : " and ") + machine.program().describe_worker(other);
    }
    if (names.empty() || !knows_newest(graph, worker, rounds.begin, mates)) return std::nullopt;
    return Failure{Fault::stuck,
                   std::string(blocked_name(Blocked::livelock)) + ": " + machine.program().describe_worker(worker) +
                       " went round at " + place_of(machine.waiting_at(worker)) + " " + std::to_string(rounds.made) +
                       " times, each as the one before, since " + names + " went round, too; nobody else can act",
                   machine.waiting_at(worker), worker, Blocked::livelock};
}

// How an execution stands in which nobody goes on and somebody has not finished.
struct Standstill {
    bool could_go_on = false;    // somebody, who has read something old: another execution shows it
    std::vector<int> at_bound;   // nobody knows what they would do next
    std::vector<int> for_ever;   // those who wait, or go round as they did, whatever their turns
};

// Of those workers who are `judged`; a bound is one for all.
template <class Judged>
Standstill standstill(Machine& machine, const Graph& graph, Judged judged) {
    Standstill result;
    for (int worker = 0; worker < machine.workers(); ++worker) {
        const State state = machine.state(worker);
        if (state == State::bounded) result.at_bound.push_back(worker);
        if ((state != State::waiting && state != State::bounded) || !judged(worker)) continue;
        if (could_go_on(machine, graph, worker))
            result.could_go_on = true;
        else
            result.for_ever.push_back(worker);
    }
    return result;
}

// Which bound a worker is at, and in which loop.
inline std::string bound_of(const Machine& machine, int worker, int most_rounds) {
    const bool by_accesses = machine.given(worker) >= Machine::max_accesses;
    return (by_accesses ? std::to_string(Machine::max_accesses) + " accesses, the last in the loop at "
                        : std::to_string(most_rounds) + " rounds of the loop at ") +
           place_of(machine.waiting_at(worker));
}

}  // namespace explorer
