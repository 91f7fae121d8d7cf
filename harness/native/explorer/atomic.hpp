// What a structure under test is written with: `sim::atomic<T>` for std::atomic<T>, `sim::var<T>` for plain shared data
// (checked for races), pause() in every retry loop, check() for what must hold.
//
//     template <class Sync> struct Counter { typename Sync::template atomic<int> count{0, "count"}; ... };
//     Counter<sim::Simulated> explored;    Counter<sim::Native> ordinary;
//
// Constructed while a program is being built (Building), the locations belong to it. T is trivially copyable and at
// most a word.
#pragma once

#include <atomic>
#include <cstring>
#include <source_location>
#include <string>
#include <type_traits>

#include "machine.hpp"

namespace sim {

using explorer::Machine;
using explorer::Order;
using explorer::order_of;
using explorer::Word;
using Where = std::source_location;

// While it lives, newly constructed atomics and vars are locations of `program`.
class Building {
public:
    explicit Building(explorer::Program& program) : outer_(std::exchange(program_, &program)) {}
    Building(const Building&) = delete;
    Building& operator=(const Building&) = delete;
    ~Building() { program_ = outer_; }
    static explorer::Program& program() {
        if (program_ == nullptr)
            throw std::logic_error("sim::atomic and sim::var are constructed while a program is built");
        return *program_;
    }

private:
    explorer::Program* outer_;
    static inline explorer::Program* program_ = nullptr;
};

// The machine, on the fiber of a worker; null outside.
inline Machine* inside() {
    Machine* machine = Machine::running();
    return machine != nullptr && machine->on_fiber() ? machine : nullptr;
}
inline Machine& in_worker(const char* what) {
    Machine* machine = inside();
    if (machine == nullptr) throw std::logic_error(std::string(what) + " is for the workers of a program that runs");
    return *machine;
}
// What a location holds outside the workers: its initial value while the program is built, and what the execution left
// there when it is complete (Exhaustive::on_complete, judge).
inline Word outside(explorer::Location location) {
    if (Machine* complete = Machine::complete()) return complete->final_value(location);
    return Building::program().initial(location);
}
inline void initialise(explorer::Location location, Word value) {
    if (Machine::complete() != nullptr) throw std::logic_error("a complete execution is looked at, not stored to");
    Building::program().set_initial(location, value);
}

template <class T>
Word to_word(T value) {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(Word));
    Word word = 0;
    std::memcpy(&word, &value, sizeof value);
    return word;
}
template <class T>
T from_word(Word word) {
    T value;
    std::memcpy(&value, &word, sizeof value);
    return value;
}

template <class T>
class atomic {
public:
    atomic(T initial = T{}, std::string name = {})
        : location_(Building::program().declare(to_word(initial), std::move(name))) {}
    atomic(const atomic&) = delete;
    atomic& operator=(const atomic&) = delete;

    T load(std::memory_order order = std::memory_order_seq_cst, Where where = Where::current()) const {
        if (order == std::memory_order_release || order == std::memory_order_acq_rel)
            throw std::invalid_argument("a load cannot release");
        Machine* machine = inside();
        return from_word<T>(machine != nullptr ? machine->load(location_, order_of(order), where) : outside(location_));
    }
    void store(T value, std::memory_order order = std::memory_order_seq_cst, Where where = Where::current()) {
        if (order != std::memory_order_relaxed && order != std::memory_order_release &&
            order != std::memory_order_seq_cst)
            throw std::invalid_argument("a store cannot acquire");
        if (Machine* machine = inside())
            machine->store(location_, to_word(value), order_of(order), where);
        else
            initialise(location_, to_word(value));
    }
    T exchange(T value, std::memory_order order = std::memory_order_seq_cst, Where where = Where::current()) {
        return modify([value](T) { return value; }, order, where);
    }
    T fetch_add(T operand, std::memory_order order = std::memory_order_seq_cst, Where where = Where::current()) {
        return modify([operand](T old) { return static_cast<T>(old + operand); }, order, where);
    }
    T fetch_sub(T operand, std::memory_order order = std::memory_order_seq_cst, Where where = Where::current()) {
        return modify([operand](T old) { return static_cast<T>(old - operand); }, order, where);
    }
    T fetch_or(T operand, std::memory_order order = std::memory_order_seq_cst, Where where = Where::current()) {
        return modify([operand](T old) { return static_cast<T>(old | operand); }, order, where);
    }
    T fetch_and(T operand, std::memory_order order = std::memory_order_seq_cst, Where where = Where::current()) {
        return modify([operand](T old) { return static_cast<T>(old & operand); }, order, where);
    }
    bool compare_exchange_strong(T& expected, T desired, std::memory_order success, std::memory_order failure,
                                 Where where = Where::current()) {
        return compare_exchange(expected, desired, success, failure, false, where);
    }
    bool compare_exchange_strong(T& expected, T desired, std::memory_order order = std::memory_order_seq_cst,
                                 Where where = Where::current()) {
        return compare_exchange(expected, desired, order, failure_of(order), false, where);
    }
    bool compare_exchange_weak(T& expected, T desired, std::memory_order success, std::memory_order failure,
                               Where where = Where::current()) {
        return compare_exchange(expected, desired, success, failure, true, where);
    }
    bool compare_exchange_weak(T& expected, T desired, std::memory_order order = std::memory_order_seq_cst,
                               Where where = Where::current()) {
        return compare_exchange(expected, desired, order, failure_of(order), true, where);
    }

private:
    static constexpr std::memory_order failure_of(std::memory_order order) {
        if (order == std::memory_order_acq_rel) return std::memory_order_acquire;
        return order == std::memory_order_release ? std::memory_order_relaxed : order;
    }
    template <class Next>
    T modify(Next next, std::memory_order order, Where where) {
        const auto on_words = [&next](Word old) { return to_word(next(from_word<T>(old))); };
        return from_word<T>(in_worker("a read-modify-write").modify(location_, order_of(order), on_words, where));
    }
    bool compare_exchange(T& expected, T desired, std::memory_order success, std::memory_order failure, bool weak,
                          Where where) {
        Word word = to_word(expected);
        if (failure == std::memory_order_release || failure == std::memory_order_acq_rel)
            throw std::invalid_argument("a compare_exchange that fails is a load and cannot release");
        const bool done = in_worker("compare_exchange")
                              .compare_exchange(location_, word, to_word(desired), order_of(success),
                                                order_of(failure), weak, where);
        expected = from_word<T>(word);
        return done;
    }

    explorer::Location location_;
};

// Plain shared data: two accesses that happens-before does not order, one of them a write, are a race.
template <class T>
class var {
public:
    var(T initial = T{}, std::string name = {})
        : location_(Building::program().declare(to_word(initial), std::move(name))) {}
    var(const var&) = delete;
    var& operator=(const var&) = delete;

    T get(Where where = Where::current()) const {
        Machine* machine = inside();
        return from_word<T>(machine != nullptr ? machine->load(location_, Order::plain, where) : outside(location_));
    }
    void set(T value, Where where = Where::current()) {
        if (Machine* machine = inside())
            machine->store(location_, to_word(value), Order::plain, where);
        else
            initialise(location_, to_word(value));
    }

private:
    explorer::Location location_;
};

inline void fence(std::memory_order order, Where where = Where::current()) {
    in_worker("sim::fence").fence(order_of(order), where);
}
// At the end of every failed round of a retry loop. If the round only read, the worker waits for what it read to
// change.
inline void pause(Where where = Where::current()) {
    in_worker("sim::pause").pause(where);
}
// Before the first round of a retry loop, where earlier accesses of the worker do not belong to the round.
inline void begin_round() {
    in_worker("sim::begin_round").begin_round();
}
inline void check(bool holds, const char* what = "check", Where where = Where::current()) {
    Machine& machine = in_worker("sim::check");
    if (!holds) machine.fail(explorer::Fault::check, what, where);
}

// The two faces of a structure that is written once.
struct Simulated {
    template <class T>
    using atomic = sim::atomic<T>;
    template <class T>
    using var = sim::var<T>;
    static void fence(std::memory_order order, Where where = Where::current()) { sim::fence(order, where); }
    static void pause(Where where = Where::current()) { sim::pause(where); }
    static void begin_round() { sim::begin_round(); }
};

struct Native {
    template <class T>
    struct atomic : std::atomic<T> {
        atomic(T initial = T{}, const char* = "") : std::atomic<T>(initial) {}
        using std::atomic<T>::operator=;
    };
    template <class T>
    struct var {
        var(T initial = T{}, const char* = "") : value(initial) {}
        T get() const { return value; }
        void set(T next) { value = next; }
        T value;
    };
    static void fence(std::memory_order order) { std::atomic_thread_fence(order); }
    static void pause() {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#endif
    }
    static void begin_round() {}
};

}  // namespace sim
