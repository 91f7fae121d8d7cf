// Is the copy of a message over before its space is written again?
//
// A read copies optimistically, and a copy that met a writer is thrown away: the relaxed words of the payload race with
// nothing, and coherence alone keeps the *value* right. But production copies large payloads with memcpy
// (channel/core/real_memory.hpp), which is no race only if the copy of a read that succeeded happens before every later
// store to the same words. This asks for just that, so it convicts orders on which only the plain copy depends.
#pragma once

#include <optional>
#include <string>

#include "graph.hpp"
#include "program.hpp"

namespace explorer {

// The loads [begin, begin + words) of a worker copied a payload that the call then returned. The reason if some store
// that came later in the modification order does not happen after one of them.
inline std::optional<std::string> unfinished_copy(const Graph& graph, const Program& program, int worker, int begin,
                                                  int words) {
    for (int index = begin; index < begin + words; ++index) {
        const EventId id{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(index)};
        const Event& load = graph[id];
        for (int later = graph.position(load.source) + 1; later <= graph.newest(load.location); ++later) {
            const EventId store = graph.store_at(load.location, later);
            if (graph[store].hb.contains(id)) continue;
            return "worker " + std::string(1, static_cast<char>('A' + store.worker)) + " writes " +
                   program.name(load.location) + " again, and nothing says that the copy by worker " +
                   static_cast<char>('A' + worker) + ", whose read succeeded, is over";
        }
    }
    return std::nullopt;
}

}  // namespace explorer
