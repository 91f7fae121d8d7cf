// The seq_cst axiom of RC11 (PLDI 2017, section 3), as it stands there and not folded into acquire-release:
//
//   scb      = po | po_otherloc; hb; po_otherloc | hb_sameloc | mo | rb
//   psc_base = ([Esc] | [Fsc]; hb?); scb; ([Esc] | hb?; [Fsc])
//   psc_F    = [Fsc]; (hb | hb; eco; hb); [Fsc]
//   SC         psc = psc_base | psc_F is acyclic
//
// Esc are the seq_cst accesses, Fsc the seq_cst fences. Between two events of one location, eco compares places in the
// modification order: a store at place p counts 2p, a read from it 2p + 1. Where a step from or to a fence may be
// prefixed by hb, the cases of scb that happens-before already covers collapse; each is noted.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "graph.hpp"

namespace explorer {

class SequentialConsistency {
public:
    bool holds(const Graph& graph) {
        if (graph.sequential_events() < 2) return true;
        if (!collect(graph)) return true;
        bound_fences(graph);
        const std::size_t count = events_.size();
        successors_.assign(count * count, 0);
        for (std::size_t from = 0; from < count; ++from) {
            for (std::size_t to = 0; to < count; ++to) {
                // nothing leads back along happens-before: that would break coherence
                if (from == to || graph[events_[from]].hb.contains(events_[to])) continue;
                successors_[from * count + to] = edge(graph, from, to);
            }
        }
        return acyclic(count);
    }

private:
    // False: all seq_cst events are of one worker, and no cycle can be among them.
    bool collect(const Graph& graph) {
        events_.clear();
        bool several = false;
        for (const EventId id : graph.order()) {
            if (graph[id].order != Order::seq_cst) continue;
            several = several || (!events_.empty() && events_.front().worker != id.worker);
            events_.push_back(id);
        }
        return several;
    }

    // For every fence and location: the first access that the fence happens before, and the last that happens before
    // it.
    void bound_fences(const Graph& graph) {
        const std::size_t count = events_.size();
        locations_ = graph.locations();
        first_after_.assign(count * locations_, std::numeric_limits<std::int16_t>::max());
        last_before_.assign(count * locations_, -1);
        for (std::size_t at = 0; at < count; ++at) {
            const Event& fence = graph[events_[at]];
            if (fence.kind != Kind::fence) continue;
            for (const EventId id : graph.order()) {
                const Event& event = graph[id];
                if (event.location == no_location || !counts(event)) continue;
                const auto place = static_cast<std::int16_t>(key(graph, event));
                if (event.hb.contains(events_[at])) {
                    std::int16_t& first = first_after_[at * locations_ + event.location];
                    first = std::min(first, place);
                } else if (fence.hb.contains(id)) {
                    std::int16_t& last = last_before_[at * locations_ + event.location];
                    last = std::max(last, place);
                }
            }
        }
    }

    static int key(const Graph& graph, const Event& event) {
        return event.is_write() ? 2 * event.position : 2 * graph.position(event.source) + 1;
    }
    static bool is_fence(const Graph& graph, EventId id) { return graph[id].kind == Kind::fence; }
    static bool counts(const Event& event) { return event.is_read() || event.placed; }

    bool edge(const Graph& graph, std::size_t at, std::size_t other) const {
        const EventId from = events_[at];
        const EventId to = events_[other];
        if (is_fence(graph, from)) {
            return is_fence(graph, to) ? graph[to].hb.contains(from) || fence_to_fence(at, other)
                                       : fence_to_access(graph, from, to);
        }
        return is_fence(graph, to) ? access_to_fence(graph, from, to) : access_to_access(graph, from, to);
    }

    // psc_F: [F]; hb; eco; hb; [F]. It contains psc_base between fences, whose scb step lies between hb steps.
    bool fence_to_fence(std::size_t from, std::size_t to) const {
        const std::int16_t* first = first_after_.data() + from * locations_;
        const std::int16_t* last = last_before_.data() + to * locations_;
        for (std::size_t location = 0; location < locations_; ++location) {
            if (first[location] < last[location]) return true;
        }
        return false;
    }

    // [F]; hb?; scb; [E]. The step into `to` is program order (preceded by anything that the fence happens before),
    // which also covers po_otherloc; hb; po_otherloc; or it starts at an access of the same location.
    static bool fence_to_access(const Graph& graph, EventId from, EventId to) {
        const Event& target = graph[to];
        if (to.index > 0 && graph[{to.worker, static_cast<std::int16_t>(to.index - 1)}].hb.contains(from)) return true;
        for (const EventId id : graph.accesses(target.location)) {
            const Event& event = graph[id];
            if (id == to || !counts(event) || !event.hb.contains(from)) continue;
            if (target.hb.contains(id)) return true;
            if (target.is_write() && target.placed && key(graph, event) < key(graph, target)) return true;
        }
        return false;
    }

    // [E]; scb; hb?; [F], the mirror image.
    static bool access_to_fence(const Graph& graph, EventId from, EventId to) {
        const Event& source = graph[from];
        const View& before = graph[to].hb;
        if (from.index + 1 < before.seen[static_cast<unsigned>(from.worker)]) return true;
        for (const EventId id : graph.accesses(source.location)) {
            const Event& event = graph[id];
            if (id == from || !counts(event) || !before.contains(id)) continue;
            if (event.hb.contains(from)) return true;
            if (event.is_write() && counts(source) && key(graph, source) < key(graph, event)) return true;
        }
        return false;
    }

    // [E]; scb; [E]
    static bool access_to_access(const Graph& graph, EventId from, EventId to) {
        if (from.worker == to.worker) return from.index < to.index;
        const Event& source = graph[from];
        const Event& target = graph[to];
        if (source.location == target.location) {
            if (target.hb.contains(from)) return true;
            if (target.is_write() && counts(source) && target.placed && key(graph, source) < key(graph, target))
                return true;
        }
        // po_otherloc; hb; po_otherloc: the nearest such neighbours know the most and are known the most
        const auto elsewhere = [&graph](EventId id, Location location) {
            return graph[id].kind != Kind::choice && graph[id].location != location;
        };
        EventId after = from;
        do ++after.index;
        while (after.index < graph.size(after.worker) && !elsewhere(after, source.location));
        EventId before = to;
        do --before.index;
        while (before.index >= 0 && !elsewhere(before, target.location));
        return after.index < graph.size(after.worker) && before.index >= 0 && graph[before].hb.contains(after);
    }

    // Remove what has no successor left until nothing is left, or a cycle is.
    bool acyclic(std::size_t count) {
        removed_.assign(count, 0);
        for (std::size_t left = count; left > 0;) {
            bool progress = false;
            for (std::size_t from = 0; from < count; ++from) {
                if (removed_[from]) continue;
                bool sink = true;
                for (std::size_t to = 0; to < count && sink; ++to)
                    sink = removed_[to] || !successors_[from * count + to];
                if (sink) {
                    removed_[from] = 1;
                    --left;
                    progress = true;
                }
            }
            if (!progress) return false;
        }
        return true;
    }

    std::vector<EventId> events_;
    std::vector<std::int16_t> first_after_;  // by fence and location
    std::vector<std::int16_t> last_before_;
    std::size_t locations_ = 0;
    std::vector<char> successors_;
    std::vector<char> removed_;
};

}  // namespace explorer
