// A bounded multi-producer multi-consumer queue of cells with sequence numbers, after Dmitry Vyukov's description
// (1024cores.net, "Bounded MPMC queue"), written once over any synchronisation face (sim::Simulated, sim::Native).
//
// The four orders are parameters, so that each can be weakened and the explorer asked what that breaks.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <string>

namespace examples {

struct QueueOrders {
    std::memory_order push_load = std::memory_order_acquire;  // of a cell's sequence number
    std::memory_order push_store = std::memory_order_release;
    std::memory_order pop_load = std::memory_order_acquire;
    std::memory_order pop_store = std::memory_order_release;
};

template <class Sync, class T, unsigned capacity>
class VyukovQueue {
public:
    explicit VyukovQueue(QueueOrders orders = {}) : orders_(orders) {
        for (unsigned index = 0; index < capacity; ++index)
            cells_[index].sequence.store(index, std::memory_order_relaxed);
    }

    bool push(T value) {
        Sync::begin_round();
        unsigned position = enqueue_.load(std::memory_order_relaxed);
        for (;;) {
            Cell& cell = cells_[position % capacity];
            const int distance = static_cast<int>(cell.sequence.load(orders_.push_load) - position);
            if (distance < 0) return false;  // full
            if (distance > 0) {
                Sync::pause();
                position = enqueue_.load(std::memory_order_relaxed);
            } else if (enqueue_.compare_exchange_strong(position, position + 1, std::memory_order_relaxed)) {
                cell.value.set(value);
                cell.sequence.store(position + 1, orders_.push_store);
                return true;
            } else {
                Sync::pause();
            }
        }
    }

    bool pop(T& value) {
        Sync::begin_round();
        unsigned position = dequeue_.load(std::memory_order_relaxed);
        for (;;) {
            Cell& cell = cells_[position % capacity];
            const int distance = static_cast<int>(cell.sequence.load(orders_.pop_load) - (position + 1));
            if (distance < 0) return false;  // empty
            if (distance > 0) {
                Sync::pause();
                position = dequeue_.load(std::memory_order_relaxed);
            } else if (dequeue_.compare_exchange_strong(position, position + 1, std::memory_order_relaxed)) {
                value = cell.value.get();
                cell.sequence.store(position + capacity, orders_.pop_store);
                return true;
            } else {
                Sync::pause();
            }
        }
    }

private:
    struct Cell {
        typename Sync::template atomic<unsigned> sequence{0, "sequence"};
        typename Sync::template var<T> value{T{}, "value"};
    };

    QueueOrders orders_;
    std::array<Cell, capacity> cells_;
    typename Sync::template atomic<unsigned> enqueue_{0, "enqueue"};
    typename Sync::template atomic<unsigned> dequeue_{0, "dequeue"};
};

}  // namespace examples
