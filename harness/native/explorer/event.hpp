// An event of an execution graph: one access to shared memory, a fence, or a choice that the environment makes.
//
// A read-modify-write that succeeds is two adjacent events, an exclusive read and an exclusive write (RC11, Lahav et
// al., PLDI 2017, section 2: the `rmw` edge); one that fails is the read alone, with its failure order.
#pragma once

#include <atomic>
#include <cstdint>

#include "view.hpp"

namespace explorer {

using Word = std::uint64_t;
using Location = std::uint16_t;
inline constexpr Location no_location = UINT16_MAX;

// The orders of C++, and `plain` for accesses that are not atomic.
enum class Order : std::uint8_t { plain, relaxed, acquire, release, acq_rel, seq_cst };

constexpr Order order_of(std::memory_order order) {
    switch (order) {
        case std::memory_order_relaxed: return Order::relaxed;
        case std::memory_order_consume:  // as every compiler does
        case std::memory_order_acquire: return Order::acquire;
        case std::memory_order_release: return Order::release;
        case std::memory_order_acq_rel: return Order::acq_rel;
        default: return Order::seq_cst;
    }
}
constexpr bool acquires(Order order) {
    return order == Order::acquire || order == Order::acq_rel || order == Order::seq_cst;
}
constexpr bool releases(Order order) {
    return order == Order::release || order == Order::acq_rel || order == Order::seq_cst;
}

enum class Kind : std::uint8_t { read, write, fence, choice };

// What an exclusive read will do with the value it finds.
enum class Update : std::uint8_t {
    none,      // a load
    always,    // exchange, fetch_*
    if_equal,  // compare_exchange: iff the value read is the expected one
};

struct Event {
    View porf;        // what precedes it in (program order | reads-from)+, itself included
    View hb;          // what happens before it, itself included
    View message;     // write: what an acquiring reader of it learns
    View unacquired;  // what relaxed reads up to here have been told; an acquire fence makes it happen-before

    Word value = 0;            // read or written; of a choice: what was chosen
    Word expected = 0;         // exclusive read of a compare_exchange
    EventId source;            // read: the store it reads from
    std::uint32_t stamp = 0;   // order of addition to the graph
    std::uint32_t serial = 0;  // changes whenever the event does; never given twice within one exploration
    Location location = no_location;
    std::uint16_t position = 0;     // write: place in the modification order, from 1; 0 is the initial store
    std::int16_t released_by = -1;  // index of the worker's last release fence up to here
    Kind kind = Kind::fence;
    Order order = Order::relaxed;
    Order success = Order::relaxed;  // exclusive read: orders of either outcome; `order` is the one that applies
    Order failure = Order::relaxed;
    Update update = Update::none;
    bool exclusive = false;  // write: the second half of a read-modify-write
    bool weak = false;       // read of a compare_exchange_weak
    bool spurious = false;   // ... that failed although it found the expected value
    bool placed = false;     // write: is in the modification order

    bool is_read() const { return kind == Kind::read; }
    bool is_write() const { return kind == Kind::write; }
    // Would this read, of that value, be followed by the write of its read-modify-write?
    bool would_update(Word found) const {
        return update == Update::always || (update == Update::if_equal && found == expected && !spurious);
    }
    bool updates() const { return is_read() && would_update(value); }
};

}  // namespace explorer
