// RC11 (Lahav, Vafeiadis, Kang, Hur, Dreyer: Repairing sequential consistency in C/C++11, PLDI 2017), kept while a
// graph grows by one event at a time:
//
//   happens-before  hb = (program order | synchronizes-with)+, as a view of each event, where
//                   sw = [release]; ([fence]; po)?; rs; rf; [relaxed read]; (po; [fence])?; [acquire]
//                   rs = [write]; (rf; rmw)*       (release sequences as C++20 has them: P0982)
//   COHERENCE       hb; eco? is irreflexive, eco = (rf | mo | rb)+
//   ATOMICITY       no store comes between the two halves of a read-modify-write
//   NO-THIN-AIR     program order | rf is acyclic: a read takes what is already in the graph
//
// The axiom about seq_cst has its own file, psc.hpp. Since a new event has nothing after it, coherence is one number:
// the oldest store that hb still allows.
#pragma once

#include <algorithm>

#include "graph.hpp"

namespace explorer {

enum class Model : std::uint8_t {
    rc11,  // the memory model of C11 and C++20, without load-buffering cycles
    sc,    // interleaving semantics, whatever the declared orders
};

// What the worker of a new event knows before it.
inline View happens_before(const Graph& graph, int worker) {
    const Event* last = graph.last(worker);
    return last == nullptr ? View{} : last->hb;
}

// Compute the views of the last event of a worker from what is before it and what it reads from.
inline void set_views(Graph& graph, EventId id) {
    Event& event = graph[id];
    if (id.index > 0) {
        const Event& previous = graph[{id.worker, static_cast<std::int16_t>(id.index - 1)}];
        event.porf = previous.porf;
        event.hb = previous.hb;
        event.unacquired = previous.unacquired;
        event.released_by = previous.released_by;
    } else {
        event.porf = event.hb = event.unacquired = View{};
        event.released_by = -1;
    }
    event.porf.include(id);
    event.hb.include(id);
    switch (event.kind) {
        case Kind::read:
            if (!event.source.is_initial()) {
                const Event& source = graph[event.source];
                event.porf.join(source.porf);
                if (acquires(event.order))
                    event.hb.join(source.message);
                else
                    event.unacquired.join(source.message);
            }
            break;
        case Kind::write:
            event.message = View{};
            if (releases(event.order)) {
                event.message = event.hb;
            } else if (event.released_by >= 0 && event.order != Order::plain) {
                event.message = graph[{id.worker, event.released_by}].hb;
            }
            if (event.exclusive) {  // continues the release sequence of the store that it replaces
                const EventId replaced = graph[{id.worker, static_cast<std::int16_t>(id.index - 1)}].source;
                if (!replaced.is_initial()) event.message.join(graph[replaced].message);
            }
            break;
        case Kind::fence:
            if (acquires(event.order)) event.hb.join(event.unacquired);
            if (releases(event.order)) event.released_by = id.index;
            break;
        case Kind::choice: break;
    }
}

// The lowest place in the modification order that an access may take, or read from, when `known` is before it.
inline int coherence_floor(const Graph& graph, const View& known, Location location) {
    int floor = 0;
    if (location >= graph.locations()) return floor;
    for (const EventId id : graph.accesses(location)) {
        if (!known.contains(id)) continue;
        const Event& event = graph[id];
        if (event.is_write()) {
            if (event.placed) floor = std::max<int>(floor, event.position);
        } else {
            floor = std::max(floor, graph.position(event.source));
        }
    }
    return floor;
}

// Two accesses of a location, one of them a write and one of them plain, that happens-before does not order.
inline bool races(const Graph& graph, EventId id, const View& known, bool writes, bool plain) {
    const Event& event = graph[id];
    return (writes || event.is_write()) && (plain || event.order == Order::plain) && !known.contains(id);
}
inline EventId race_of(const Graph& graph, const View& known, Location location, bool writes, bool plain) {
    if (location >= graph.locations()) return initial_store;
    for (const EventId id : graph.accesses(location)) {
        if (races(graph, id, known, writes, plain)) return id;
    }
    return initial_store;
}

}  // namespace explorer
