// The memory of production: a mapping, accessed through std::atomic_ref; sleeping by futex; liveness by a lock that the
// kernel drops with its holder (registration.hpp).
#pragma once

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "channel/core/memory.hpp"

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace ipc {

// Who is alive: answered by the kernel, never by a table that a dead participant left behind.
class Liveness {
public:
    virtual ~Liveness() = default;
    virtual bool alive(unsigned slot) const = 0;
};

inline Nanoseconds monotonic_now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return Nanoseconds{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

inline void cpu_relax() {
#if defined(__x86_64__) || defined(__i386__)
    _mm_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

class RealMemory {
public:
    // `liveness` null: only threads of this process take part, and they cannot be killed alone.
    RealMemory(std::byte* base, const Liveness* liveness) : base_(base), liveness_(liveness) {}

    u64 load(Offset at, std::memory_order order) const { return word(at).load(order); }
    void store(Offset at, u64 value, std::memory_order order) const { word(at).store(value, order); }
    u64 exchange(Offset at, u64 value, std::memory_order order) const { return word(at).exchange(value, order); }
    u64 fetch_add(Offset at, u64 value, std::memory_order order) const { return word(at).fetch_add(value, order); }
    bool compare_exchange(Offset at, u64& expected, u64 desired, std::memory_order success,
                          std::memory_order failure) const {
        return word(at).compare_exchange_strong(expected, desired, success, failure);
    }
    u64 exchange_full_barrier(Offset at, u64 value) const {
        const u64 before = word(at).exchange(value, std::memory_order_seq_cst);
#if !defined(__x86_64__) && !defined(__i386__)
        std::atomic_thread_fence(std::memory_order_seq_cst);  // x86's locked exchange is that fence already
#endif
        return before;
    }
    void fence(std::memory_order order) const { std::atomic_thread_fence(order); }

    void copy_in(Offset at, const std::byte* from, std::size_t size) const {
        std::byte* to = base_ + at;
        if (size >= kBulk) return bulk_copy(to, from, size);
        for (; size >= 8; size -= 8, to += 8, from += 8) {
            u64 value;
            std::memcpy(&value, from, 8);
            word(to).store(value, std::memory_order_relaxed);
        }
        if (size != 0) {
            u64 value = 0;  // the entry's padding is the writer's, so its last word is whole
            std::memcpy(&value, from, size);
            word(to).store(value, std::memory_order_relaxed);
        }
    }
    void copy_out(std::byte* to, Offset at, std::size_t size) const {
        std::byte* from = base_ + at;
        if (size >= kBulk) return bulk_copy(to, from, size);
        for (; size >= 8; size -= 8, from += 8, to += 8) {
            const u64 value = word(from).load(std::memory_order_relaxed);
            std::memcpy(to, &value, 8);
        }
        if (size != 0) {
            const u64 value = word(from).load(std::memory_order_relaxed);
            std::memcpy(to, &value, size);
        }
    }

    void wait(Offset at, u64 value, Nanoseconds deadline) const {
        timespec until{deadline / 1'000'000'000, deadline % 1'000'000'000};
        syscall(SYS_futex, futex_word(at), FUTEX_WAIT_BITSET, static_cast<std::uint32_t>(value),
                deadline == never ? nullptr : &until, nullptr, FUTEX_BITSET_MATCH_ANY);
    }
    void wake_all(Offset at) const {
        syscall(SYS_futex, futex_word(at), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
    }

    bool alive(unsigned slot) const { return liveness_ == nullptr || liveness_->alive(slot); }
    Nanoseconds now() const { return monotonic_now(); }
    void pause() const { cpu_relax(); }

    // Below about 50 us a sleep really takes 20 to 70 us, so a short pause is a timed loop; it yields, because on a
    // machine with more workers than cores the one waited for may be waiting for this core.
    void delay(Nanoseconds time) const {
        const Nanoseconds end = now() + time;
        if (time >= kShortestSleep) {
            const timespec until{end / 1'000'000'000, end % 1'000'000'000};
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
            return;
        }
        do {
            if (time >= kShortestYield) sched_yield();
            else for (int i = 0; i < 8; ++i) cpu_relax();
        } while (now() < end);
    }

private:
    static constexpr std::size_t kBulk = 512;
    static constexpr Nanoseconds kShortestSleep = 50'000;
    static constexpr Nanoseconds kShortestYield = 2'000;

    static std::atomic_ref<u64> word(std::byte* at) { return std::atomic_ref<u64>(*reinterpret_cast<u64*>(at)); }
    std::atomic_ref<u64> word(Offset at) const { return word(base_ + at); }
    std::uint32_t* futex_word(Offset at) const { return reinterpret_cast<std::uint32_t*>(base_ + at); }

    // The one copy that is not made of atomic words. On paper it races: a reader may copy while a writer overwrites,
    // and then throws its copy away (head has moved). No compiler turns an opaque memcpy of this size into anything
    // that reads or writes elsewhere. Word by word, 1 KiB costs 2.5 times as much. See docs/decisions/0003.
#if defined(__SANITIZE_THREAD__)
    static void bulk_copy(std::byte* to, const std::byte* from, std::size_t size) {
        for (std::size_t i = 0; i < size; ++i)
            __atomic_store_n(reinterpret_cast<unsigned char*>(to + i),
                             __atomic_load_n(reinterpret_cast<const unsigned char*>(from + i), __ATOMIC_RELAXED),
                             __ATOMIC_RELAXED);
    }
#else
    static void bulk_copy(std::byte* to, const std::byte* from, std::size_t size) { std::memcpy(to, from, size); }
#endif

    std::byte* base_;
    const Liveness* liveness_;
};

}  // namespace ipc
