// Sequential consistency (Lamport 1979): one interleaving of all accesses explains every value.
//
// In axioms (Shasha & Snir 1988): program order | rf | mo | rb is acyclic. Used when the model is `sc`; under RC11 the
// declared orders decide.
#pragma once

#include <array>
#include <vector>

#include "graph.hpp"

namespace explorer {

class Interleaving {
public:
    // Is there an interleaving? Found greedily: an event can go next when everything before it has gone.
    bool exists(const Graph& graph) {
        std::array<int, max_workers> next{};
        written_.assign(graph.locations(), 0);
        std::size_t left = graph.order().size();
        for (bool progress = true; progress && left > 0;) {
            progress = false;
            for (int worker = 0; worker < max_workers; ++worker) {
                auto& index = next[static_cast<unsigned>(worker)];
                while (index < graph.size(worker) &&
                       ready(graph, {static_cast<std::int16_t>(worker), static_cast<std::int16_t>(index)}, next)) {
                    const Event& event = graph[{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(index)}];
                    if (event.is_write() && event.placed) written_[event.location] = event.position;
                    ++index;
                    --left;
                    progress = true;
                }
            }
        }
        return left == 0;
    }

private:
    // A read needs its source to be the newest store so far; a store needs its predecessor in mo to be that, and every
    // reader of the predecessor to have read.
    bool ready(const Graph& graph, EventId id, const std::array<int, max_workers>& next) const {
        const Event& event = graph[id];
        if (event.is_read()) return graph.position(event.source) == written_[event.location];
        if (!event.is_write() || !event.placed) return true;
        if (written_[event.location] != event.position - 1) return false;
        for (const EventId other : graph.accesses(event.location)) {
            const Event& access = graph[other];
            if (access.is_read() && graph.position(access.source) == event.position - 1 &&
                other.index >= next[static_cast<unsigned>(other.worker)] && other != id) {
                return false;
            }
        }
        return true;
    }

    std::vector<int> written_;
};

}  // namespace explorer
