// The real memory with three additions for faults, paid for only by the workers that ask for one of them:
//
// - orders chosen at run time take effect. std::atomic_ref with an order that is no constant compiles to seq_cst (so
//   does a fence), which would silently repair every weakened order.
// - a process can be killed before its n-th access to shared memory from a chosen operation on, so that a crash
//   happens at a known step of the algorithm.
// - noise: now and then an access is held up, so that others get between two steps that are usually nanoseconds apart
//   (Edelstein, Farchi, Nir, Ratsaby & Ur, Multithreaded Java program test generation, 2002).
#pragma once

#include <csignal>
#include <utility>

#include "channel/core/real_memory.hpp"

namespace harness {

// What befalls a worker at its accesses to shared memory.
class Faults {
public:
    // Kills this process, by a signal that nobody can catch, after `steps` more accesses.
    void arm(ipc::u64 steps) {
        armed_ = true;
        steps_ = steps;
    }
    bool armed() const { return armed_; }

    // Holds up one access in `every` on average, from now on; 0: none.
    void make_noise(std::uint32_t every, ipc::u64 seed) {
        every_ = every;
        random_ = seed * 0x9e3779b97f4a7c15 | 1;
    }

    void step() {
        if (armed_ && steps_-- == 0) die();
        if (every_ != 0 && draw() % every_ == 0) hold_up();
    }

private:
    [[noreturn]] static void die() {
        for (;;) kill(getpid(), SIGKILL);
    }
    // Mostly for the others' turn, sometimes for many of their operations.
    void hold_up() {
        if (draw() % 4 != 0) {
            sched_yield();
            return;
        }
        const timespec pause{0, static_cast<long>(draw() % 100'000)};
        clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, nullptr);
    }
    ipc::u64 draw() {  // xorshift64* (Vigna, 2016)
        random_ ^= random_ >> 12;
        random_ ^= random_ << 25;
        random_ ^= random_ >> 27;
        return random_ * 0x2545f4914f6cdd1d >> 32;
    }

    bool armed_ = false;
    ipc::u64 steps_ = 0;
    std::uint32_t every_ = 0;
    ipc::u64 random_ = 1;
};

template <class Base>
class Instrumented {
    using Order = std::memory_order;
    using Offset = ipc::Offset;
    using u64 = ipc::u64;

    // Calls `call` with a function that gives `order` as a constant.
    template <class F>
    static auto constant(Order order, F&& call) {
        switch (order) {
            case Order::relaxed: return call([] { return Order::relaxed; });
            case Order::acquire:
            case Order::consume: return call([] { return Order::acquire; });
            case Order::release: return call([] { return Order::release; });
            case Order::acq_rel: return call([] { return Order::acq_rel; });
            case Order::seq_cst: break;
        }
        return call([] { return Order::seq_cst; });
    }

public:
    Instrumented(Base memory, Faults* faults) : memory_(memory), faults_(faults) {}

    u64 load(Offset at, Order order) const {
        step();
        switch (order) {
            case Order::relaxed: return memory_.load(at, Order::relaxed);
            case Order::acquire: return memory_.load(at, Order::acquire);
            default: return memory_.load(at, Order::seq_cst);
        }
    }
    void store(Offset at, u64 value, Order order) const {
        step();
        switch (order) {
            case Order::relaxed: return memory_.store(at, value, Order::relaxed);
            case Order::release: return memory_.store(at, value, Order::release);
            default: return memory_.store(at, value, Order::seq_cst);
        }
    }
    u64 exchange(Offset at, u64 value, Order order) const {
        step();
        return constant(order, [&](auto fixed) { return memory_.exchange(at, value, fixed()); });
    }
    u64 exchange_full_barrier(Offset at, u64 value) const {
        step();
        return memory_.exchange_full_barrier(at, value);
    }
    u64 fetch_add(Offset at, u64 value, Order order) const {
        step();
        return constant(order, [&](auto fixed) { return memory_.fetch_add(at, value, fixed()); });
    }
    bool compare_exchange(Offset at, u64& expected, u64 desired, Order success, Order failure) const {
        step();
        if (failure != Order::relaxed)  // the channel has none; the strongest is never wrong
            return memory_.compare_exchange(at, expected, desired, Order::seq_cst, Order::seq_cst);
        return constant(success, [&](auto fixed) {
            return memory_.compare_exchange(at, expected, desired, fixed(), Order::relaxed);
        });
    }
    void fence(Order order) const {
        step();
        if (order == Order::relaxed) return;
        constant(order, [&](auto fixed) { memory_.fence(fixed()); return 0; });
    }

    void copy_in(Offset at, const std::byte* from, std::size_t size) const {
        step();
        const std::size_t half = size / 16 * 8;  // a copy can be met in its middle
        memory_.copy_in(at, from, half);
        if (half != 0) step();
        memory_.copy_in(at + half, from + half, size - half);
    }
    void copy_out(std::byte* to, Offset at, std::size_t size) const {
        step();
        const std::size_t half = size / 16 * 8;
        memory_.copy_out(to, at, half);
        if (half != 0) step();
        memory_.copy_out(to + half, at + half, size - half);
    }
    void wait(Offset at, u64 value, ipc::Nanoseconds deadline) const {
        step();
        memory_.wait(at, value, deadline);
    }
    void wake_all(Offset at) const {
        step();
        memory_.wake_all(at);
    }
    bool alive(unsigned slot) const {
        step();
        return memory_.alive(slot);
    }
    ipc::Nanoseconds now() const { return memory_.now(); }
    void pause() const { memory_.pause(); }
    void delay(ipc::Nanoseconds time) const { memory_.delay(time); }

private:
    void step() const { faults_->step(); }

    Base memory_;
    Faults* faults_;
};
using InstrumentedMemory = Instrumented<ipc::RealMemory>;
static_assert(ipc::Memory<InstrumentedMemory>);

}  // namespace harness
