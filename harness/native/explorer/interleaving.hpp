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
        std::size_t left = graph.order().size();
        search(graph, [&left](EventId) { --left; });
        return left == 0;
    }

    // An interleaving, with few context switches: each worker goes on for as long as it can.
    std::vector<EventId> of(const Graph& graph) {
        std::vector<EventId> order;
        order.reserve(graph.order().size());
        search(graph, [&order](EventId id) { order.push_back(id); });
        return order;
    }

private:
    template <class Visit>
    void search(const Graph& graph, Visit visit) {
        std::array<int, max_workers> next{};
        written_.assign(graph.locations(), 0);
        for (bool progress = true; progress;) {
            progress = false;
            for (int worker = 0; worker < max_workers; ++worker) {
                auto& index = next[static_cast<unsigned>(worker)];
                while (index < graph.size(worker)) {
                    const EventId id{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(index)};
                    if (!ready(graph, id, next)) break;
                    const Event& event = graph[id];
                    if (event.is_write() && event.placed) written_[event.location] = event.position;
                    ++index;
                    progress = true;
                    visit(id);
                }
            }
        }
    }

    // A read needs its source to be the newest store so far; a store needs its predecessor in mo to be that, and every
    // reader of the predecessor to have read. Both halves of a read-modify-write go together.
    bool ready(const Graph& graph, EventId id, const std::array<int, max_workers>& next) const {
        const Event& event = graph[id];
        if (event.is_read()) {
            if (graph.position(event.source) != written_[event.location]) return false;
            const EventId half{id.worker, static_cast<std::int16_t>(id.index + 1)};
            return !event.updates() || !graph.has(half) || replaces_the_newest(graph, half, next);
        }
        return !event.is_write() || !event.placed || replaces_the_newest(graph, id, next);
    }
    bool replaces_the_newest(const Graph& graph, EventId write, const std::array<int, max_workers>& next) const {
        const Event& event = graph[write];
        if (!event.placed) return true;
        if (written_[event.location] != event.position - 1) return false;
        for (const EventId other : graph.accesses(event.location)) {
            const Event& access = graph[other];
            const bool own_half = event.exclusive && other.worker == write.worker && other.index == write.index - 1;
            if (access.is_read() && graph.position(access.source) == event.position - 1 && !own_half &&
                other.index >= next[static_cast<unsigned>(other.worker)]) {
                return false;
            }
        }
        return true;
    }

    std::vector<int> written_;
};

}  // namespace explorer
