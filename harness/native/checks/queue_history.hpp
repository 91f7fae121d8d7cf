// A history as the search for a linearization of a bounded FIFO queue takes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

namespace harness::checks {

using Index = std::int32_t;
using Time = std::int64_t;

inline constexpr Time kNever = std::numeric_limits<Time>::max();
inline constexpr Index kNone = -1;

enum class Action : std::uint8_t {
    write,   // the value goes in
    remove,  // the value is at the head, and leaves
    take,    // whatever is at the head leaves: a removal that never said what it removed
    take_unnamed,  // the same, of an entry whose id no record gives to a value
    peek,    // the value is at the head
    empty,   // nothing is inside
    full,    // so much more would not fit
    other,   // something is at the head, and not the value
};

// Operations in order of their calls, and the values that they speak of; arrays in parallel. An operation that never
// returned (kNever) may have taken effect or not.
struct QueueHistory {
    std::int64_t capacity;
    std::span<const std::uint8_t> actions;
    std::span<const Index> values;          // kNone where the action has none
    std::span<const std::int64_t> sizes;    // of fulls
    std::span<const Time> invoked;
    std::span<const Time> returned;
    std::span<const Index> befores;         // the operation before in the same batch, or kNone
    // of each value:
    std::span<const std::int64_t> costs;
    std::span<const Index> ranks;           // a guess at the order of the values: it steers, and decides nothing
    std::span<const Time> first_seen;       // earliest return of an operation that met it at the head
    std::span<const Time> last_seen;        // latest call of one; of a value that stayed, of one that may have taken it
    std::span<const std::uint8_t> removed;  // by a removal that said so?
    std::span<const std::uint8_t> unnamed;  // is its entry id unknown?

    static std::size_t at(Index index) { return static_cast<std::size_t>(index); }

    Index size() const { return static_cast<Index>(actions.size()); }
    Action action(Index operation) const { return static_cast<Action>(actions[at(operation)]); }
    Index value(Index operation) const { return values[at(operation)]; }
    Index before(Index operation) const { return befores[at(operation)]; }
    bool optional(Index operation) const { return returned[at(operation)] == kNever; }
    bool looks(Index operation) const { return action(operation) >= Action::peek; }
    std::int64_t cost(Index value) const { return costs[at(value)]; }
};

}  // namespace harness::checks
