// When a retry loop waits: what its rounds read and wrote, and whether going round again could make a difference.
//
// A round that only read is a wait for what it read to change. So is a round with side effects of its own (take a lock,
// find no room, give it back) that went exactly as the round before it: going round once more shows nobody anything
// new. A round that read elsewhere than the one before walks through memory and waits for nothing, unless it came back
// to where the round before that one read (every other time a waiter looks whether the owner is alive, say).
#pragma once

#include "graph.hpp"
#include "machine.hpp"

namespace explorer {

inline bool is_own(EventId store, int worker) {
    return !store.is_initial() && store.worker == worker;
}

inline const Event& event_at(const Graph& graph, int worker, int index) {
    return graph[{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(index)}];
}

inline bool only_read(const Graph& graph, int worker, int begin, int end) {
    for (int index = begin; index < end; ++index) {
        if (event_at(graph, worker, index).is_write()) return false;
    }
    return true;
}

// Did the last round do what the one before did, and read the same values, whoever stored them?
inline bool repeats_values(const Graph& graph, int worker, const Rounds& rounds) {
    const int length = rounds.begin - rounds.previous;
    if (rounds.previous < 0 || rounds.end - rounds.begin != length) return false;
    for (int offset = 0; offset < length; ++offset) {
        const Event& before = event_at(graph, worker, rounds.previous + offset);
        const Event& now = event_at(graph, worker, rounds.begin + offset);
        if (before.kind != now.kind || before.location != now.location || before.value != now.value) return false;
        if (now.kind == Kind::choice) return false;  // the environment may choose otherwise
    }
    return true;
}

// ... and from the same stores, but for its own?
inline bool repeats(const Graph& graph, int worker, const Rounds& rounds) {
    if (!repeats_values(graph, worker, rounds)) return false;
    const int length = rounds.begin - rounds.previous;
    for (int offset = 0; offset < length; ++offset) {
        const Event& before = event_at(graph, worker, rounds.previous + offset);
        const Event& now = event_at(graph, worker, rounds.begin + offset);
        if (now.is_read() && now.source != before.source && !is_own(now.source, worker)) return false;
    }
    return true;
}

// Did the last round access the locations that the `length` events from `former` on did?
inline bool looks_where(const Graph& graph, int worker, int former, int length, const Rounds& rounds) {
    if (rounds.end - rounds.begin != length) return false;
    for (int offset = 0; offset < length; ++offset) {
        if (event_at(graph, worker, former + offset).location !=
            event_at(graph, worker, rounds.begin + offset).location)
            return false;
    }
    return true;
}

// Is going round again pointless until another worker has stored something? Then since which event what the worker has
// read must change; else Driver::go_on.
inline int waits_since(const Graph& graph, int worker, const Rounds& rounds) {
    const auto& [before, previous, begin, end, made] = rounds;
    if (!only_read(graph, worker, begin, end)) return repeats(graph, worker, rounds) ? begin : Driver::go_on;
    if (previous < 0 || looks_where(graph, worker, previous, begin - previous, rounds)) return begin;
    const bool alternates = before >= 0 && only_read(graph, worker, previous, begin) &&
                            looks_where(graph, worker, before, previous - before, rounds);
    return alternates ? previous : Driver::go_on;
}

// Does the worker know, of all that it has read since `begin`, the newest that others stored? `mates`: workers, as
// bits, whose stores are as good as its own.
inline bool knows_newest(const Graph& graph, int worker, int begin, unsigned mates = 0) {
    for (int index = begin; index < graph.size(worker); ++index) {
        const Event& event = graph[{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(index)}];
        if (event.spurious || event.kind == Kind::choice) return false;
        if (!event.is_read()) continue;
        for (int newer = graph.position(event.source) + 1; newer <= graph.newest(event.location); ++newer) {
            const EventId store = graph.store_at(event.location, newer);
            if (!is_own(store, worker) && (mates >> store.worker & 1) == 0) return false;
        }
    }
    return true;
}

// Would the round that began with `begin` go the same once more, if all its reads found the newest?
inline bool would_repeat(const Machine& machine, const Graph& graph, int worker, int begin) {
    for (int index = begin; index < graph.size(worker); ++index) {
        const Event& event = event_at(graph, worker, index);
        if (event.spurious || event.kind == Kind::choice) return false;
        if (!event.is_read() || (is_own(event.source, worker) && event.source.index >= begin)) continue;
        if (event.value != machine.final_value(event.location)) return false;
    }
    return true;
}

// Could a worker that waits, or is at a bound, have gone on, had it read something newer or had the environment chosen
// otherwise? Then it is not stuck: its execution ends here, and another one shows how it goes on. That a sleeper has a
// deadline is a choice made as it falls asleep.
inline bool could_go_on(const Machine& machine, const Graph& graph, int worker) {
    const int asleep = machine.asleep_since(worker);
    for (int index = asleep; index >= 0 && index < graph.size(worker); ++index) {
        if (event_at(graph, worker, index).kind == Kind::choice) return true;
    }
    const int since = machine.waits_since(worker);
    if (machine.is_bounded(worker)) return since < 0 || !would_repeat(machine, graph, worker, since);
    return !knows_newest(graph, worker, since);
}

}  // namespace explorer
