// The memory that the channel's algorithm is written against.
//
// The algorithm (channel.hpp) is a template over `Memory` and touches shared state in no other way. `RealMemory`
// (real_memory.hpp) is std::atomic_ref over a mapping. The explorer's simulated memory hands every access to a
// deterministic scheduler. An access is addressed by its byte offset in the block, so that nothing in the block is a
// pointer and a location has one name (`location_name` in layout.hpp) wherever the block is mapped.
//
// Every retry loop of the algorithm calls pause() once a round: the explorer needs it to tell waiting from working,
// and names the loop by the source location of that call.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>

namespace ipc {

using u64 = std::uint64_t;
using Offset = u64;     // bytes from the start of the block; a multiple of 8 for every atomic access
using Position = u64;   // bytes ever written to the ring before this point; only ever grows
using Nanoseconds = std::int64_t;

inline constexpr Nanoseconds never = INT64_MAX;  // a deadline that does not come

template <class M>
concept Memory = requires(M& memory, const M& constant, Offset at, u64 word, u64& expected, std::memory_order order,
                          std::byte* out, const std::byte* in, std::size_t size, Nanoseconds time, unsigned slot) {
    { memory.load(at, order) } -> std::same_as<u64>;
    { memory.store(at, word, order) };
    { memory.exchange(at, word, order) } -> std::same_as<u64>;
    // exchange followed by fence(seq_cst), as one operation: on x86 one locked instruction is both
    { memory.exchange_full_barrier(at, word) } -> std::same_as<u64>;
    { memory.fetch_add(at, word, order) } -> std::same_as<u64>;
    // strong; the second order is that of a failure
    { memory.compare_exchange(at, expected, word, order, order) } -> std::same_as<bool>;
    { memory.fence(order) };
    // payload: relaxed atomic words (the reader's copy is optimistic and may meet a writer's)
    { memory.copy_in(at, in, size) };
    { memory.copy_out(out, at, size) };
    // futex on the low 32 bits of the word at `at`: sleep while it equals `word`, until woken or `time` (a deadline
    // on now()'s clock); may return early for no reason
    { memory.wait(at, word, time) };
    { memory.wake_all(at) };
    // is the participant that holds `slot` alive? "no" happens-after every store that it made
    { memory.alive(slot) } -> std::same_as<bool>;
    { memory.now() } -> std::same_as<Nanoseconds>;  // monotonic, one clock for all participants
    { memory.pause() };                             // once a round in every retry loop
    { memory.delay(time) };                         // back-off: let `time` ns pass
};

}  // namespace ipc
