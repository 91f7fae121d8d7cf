// What an operation does between two rounds: the retry policy, and what it cost.
#pragma once

#include <algorithm>
#include <utility>

#include "channel/core/memory.hpp"

namespace ipc {

// max_round_trips bounds the rounds of a call that has no deadline: conflicts and FULL for a write, conflicts and
// emptiness for a read. 0: no bound.
struct Policy {
    std::uint32_t max_round_trips = 0;
    Nanoseconds start_sleep = 1'000;
    Nanoseconds max_sleep = 100'000;
    // A sleeping reader looks again after this long, whether woken or not: a writer killed between its publication and
    // its wake-up would else leave it asleep beside a message.
    Nanoseconds slice = 50'000'000;
    std::uint32_t spins = 128;  // looks at the head of an empty channel before a read goes to sleep
};

// What one call cost.
struct Effort {
    std::uint32_t rounds = 0;
    std::uint32_t conflicts = 0;  // rounds lost to another participant
    std::uint32_t sleeps = 0;     // pauses longer than a spin
    std::uint32_t wakeups = 0;    // wake-ups sent to sleeping readers
    std::uint32_t recoveries = 0; // dead owners replaced
    Nanoseconds slept = 0;

    // Rounds after the first of each call; if of several calls, `calls` of them.
    std::uint32_t retries(std::uint64_t calls = 1) const {
        return rounds > calls ? rounds - static_cast<std::uint32_t>(calls) : 0;
    }
};

// Exponential back-off, from Policy::start_sleep to Policy::max_sleep.
class Backoff {
public:
    explicit Backoff(const Policy& policy) : next_(policy.start_sleep), limit_(policy.max_sleep) {}
    Nanoseconds next() { return std::exchange(next_, std::min(next_ * 2, limit_)); }
    void reset(const Policy& policy) { next_ = policy.start_sleep; }

private:
    Nanoseconds next_;
    Nanoseconds limit_;
};

// How the caller lets a call wait and copy. A call never waits, and never copies much, outside these two: the Python
// binding lets go of the GIL in them, a script looks whether its run is over.
template <class H>
concept Hook = requires(H& hook, void (*step)(), u64 size) {
    { hook.waiting(step) } -> std::same_as<bool>;  // false: give up, the call returns Status::interrupted
    { hook.copying(size, step) };
};

struct DirectHook {
    template <class F>
    bool waiting(F&& step) { std::forward<F>(step)(); return true; }
    template <class F>
    void copying(u64, F&& step) { std::forward<F>(step)(); }
};

}  // namespace ipc
