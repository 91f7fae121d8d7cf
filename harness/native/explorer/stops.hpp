// Workers that stop for ever, as if the operating system never ran them again: their stores stay, and no store says
// that they are gone (a killed worker is another thing: sim_memory.hpp).
#pragma once

#include <array>

#include "graph.hpp"

namespace explorer {

// A worker stops after so many stores, or never. What it would still read, nobody else can tell; so these are all the
// places that matter.
struct Stops {
    std::array<int, max_workers> stores{-1, -1, -1, -1, -1, -1, -1, -1};

    bool reached(const Graph& graph, int worker) const {
        const int limit = stores[static_cast<unsigned>(worker)];
        if (limit < 0) return false;
        int made = 0;
        for (int index = 0; index < graph.size(worker) && made < limit; ++index)
            made += graph[{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(index)}].is_write();
        return made >= limit;
    }
};

}  // namespace explorer
