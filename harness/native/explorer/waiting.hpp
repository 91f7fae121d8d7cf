// When a retry loop waits: what its rounds read and wrote, and whether going round again could make a difference.
//
// A round that only read is a wait for what it read to change. So is a round with side effects of its own (take a lock,
// find no room, give it back) that went exactly as the round before it: going round once more shows nobody anything
// new. A round that read elsewhere than the one before walks through memory and waits for nothing.
#pragma once

#include "graph.hpp"

namespace explorer {

inline bool is_own(EventId store, int worker) {
    return !store.is_initial() && store.worker == worker;
}

inline bool only_read(const Graph& graph, int worker, int begin) {
    for (int index = begin; index < graph.size(worker); ++index) {
        if (graph[{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(index)}].is_write()) return false;
    }
    return true;
}

// Did the round from `begin` on do what the one from `previous` on did, and read the same but for its own stores?
inline bool repeats(const Graph& graph, int worker, int previous, int begin) {
    const int length = begin - previous;
    if (previous < 0 || graph.size(worker) - begin != length) return false;
    for (int offset = 0; offset < length; ++offset) {
        const Event& before = graph[{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(previous + offset)}];
        const Event& now = graph[{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(begin + offset)}];
        if (before.kind != now.kind || before.location != now.location || before.value != now.value) return false;
        if (now.kind == Kind::choice) return false;  // the environment may choose otherwise
        if (now.is_read() && now.source != before.source && !is_own(now.source, worker)) return false;
    }
    return true;
}

inline bool reads_elsewhere(const Graph& graph, int worker, int previous, int begin) {
    if (previous < 0) return false;
    if (graph.size(worker) - begin != begin - previous) return true;
    for (int index = begin; index < graph.size(worker); ++index) {
        const Event& before =
            graph[{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(index - begin + previous)}];
        const Event& now = graph[{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(index)}];
        if (before.location != now.location) return true;
    }
    return false;
}

// Is going round again pointless until another worker has stored something?
inline bool waits(const Graph& graph, int worker, int previous, int begin) {
    if (only_read(graph, worker, begin)) return !reads_elsewhere(graph, worker, previous, begin);
    return repeats(graph, worker, previous, begin);
}

// Does the worker know, of all that it has read since `begin`, the newest that others stored?
inline bool knows_newest(const Graph& graph, int worker, int begin) {
    for (int index = begin; index < graph.size(worker); ++index) {
        const Event& event = graph[{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(index)}];
        if (event.spurious || event.kind == Kind::choice) return false;
        if (!event.is_read()) continue;
        for (int newer = graph.position(event.source) + 1; newer <= graph.newest(event.location); ++newer) {
            if (!is_own(graph.store_at(event.location, newer), worker)) return false;
        }
    }
    return true;
}

}  // namespace explorer
