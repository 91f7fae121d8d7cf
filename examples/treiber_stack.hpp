// A lock-free stack of numbered nodes, after R. K. Treiber (Systems programming: coping with parallelism, IBM RJ 5118,
// 1986), written once over any synchronisation face (sim::Simulated, sim::Native).
//
// Nodes come from the caller, by number from 1; 0 is no node. The word at the top carries the node and a tag that every
// change increments: without the tag, a node that was removed and came back passes for one that never left (the ABA
// problem), which is the planted bug of this example.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace examples {

template <class Sync, unsigned nodes, bool tagged = true>
class TreiberStack {
public:
    // Does not fail. `node` must not be on the stack.
    void push(std::uint32_t node) {
        Sync::begin_round();
        std::uint64_t top = top_.load(std::memory_order_relaxed);
        for (;;) {
            next_[node].store(node_of(top), std::memory_order_relaxed);
            if (top_.compare_exchange_weak(top, changed(top, node), std::memory_order_release,
                                           std::memory_order_relaxed))
                return;
            Sync::pause();
        }
    }

    // The node at the top, or 0.
    std::uint32_t pop() {
        Sync::begin_round();
        std::uint64_t top = top_.load(std::memory_order_acquire);
        for (;;) {
            const std::uint32_t node = node_of(top);
            if (node == 0) return 0;
            const std::uint32_t next = next_[node].load(std::memory_order_relaxed);
            if (top_.compare_exchange_weak(top, changed(top, next), std::memory_order_acquire,
                                           std::memory_order_acquire))
                return node;
            Sync::pause();
        }
    }

private:
    static std::uint32_t node_of(std::uint64_t top) { return static_cast<std::uint32_t>(top); }
    static std::uint64_t changed(std::uint64_t top, std::uint32_t node) {
        return tagged ? ((top >> 32) + 1) << 32 | node : node;
    }

    std::array<typename Sync::template atomic<std::uint32_t>, nodes + 1> next_;
    typename Sync::template atomic<std::uint64_t> top_{0, "top"};
};

}  // namespace examples
