// The real memory with two additions for faults, both paid for by planted designs and planned kills alone:
//
// - orders chosen at run time take effect. std::atomic_ref with an order that is no constant compiles to seq_cst (so
//   does a fence), which would silently repair every weakened order.
// - a process can be killed before its n-th access to shared memory from a chosen operation on, so that a crash
//   happens at a known step of the algorithm.
#pragma once

#include <csignal>
#include <utility>

#include "channel/core/real_memory.hpp"

namespace harness {

// Kills this process, by a signal that nobody can catch, before the access that brings `steps` to 0.
struct KillSwitch {
    bool armed = false;
    ipc::u64 steps = 0;

    void step() {
        if (armed && steps-- == 0) die();
    }
    [[noreturn]] static void die() {
        for (;;) kill(getpid(), SIGKILL);
    }
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
    Instrumented(Base memory, KillSwitch* kill_switch) : memory_(memory), switch_(kill_switch) {}

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
        const std::size_t half = killed_inside() ? size / 16 * 8 : 0;  // a copy can be killed in its middle
        memory_.copy_in(at, from, half);
        if (half != 0) step();
        memory_.copy_in(at + half, from + half, size - half);
    }
    void copy_out(std::byte* to, Offset at, std::size_t size) const {
        step();
        memory_.copy_out(to, at, size);
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
    void step() const { switch_->step(); }
    bool killed_inside() const { return switch_->armed; }

    Base memory_;
    KillSwitch* switch_;
};
using InstrumentedMemory = Instrumented<ipc::RealMemory>;
static_assert(ipc::Memory<InstrumentedMemory>);

}  // namespace harness
