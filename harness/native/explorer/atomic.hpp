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
        if (Machine* machine = inside()) return from_word<T>(machine->load(location_, order_of(order), where));
        return from_word<T>(Building::program().initial(location_));
    }
    void store(T value, std::memory_order order = std::memory_order_seq_cst, Where where = Where::current()) {
        if (Machine* machine = inside())
            machine->store(location_, to_word(value), order_of(order), where);
        else
            Building::program().set_initial(location_, to_word(value));
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
    static Machine* inside() {
        Machine* machine = Machine::running();
        return machine != nullptr && machine->on_fiber() ? machine : nullptr;
    }
    static constexpr std::memory_order failure_of(std::memory_order order) {
        if (order == std::memory_order_acq_rel) return std::memory_order_acquire;
        return order == std::memory_order_release ? std::memory_order_relaxed : order;
    }
    template <class Next>
    T modify(Next next, std::memory_order order, Where where) {
        const auto on_words = [&next](Word old) { return to_word(next(from_word<T>(old))); };
        return from_word<T>(Machine::running()->modify(location_, order_of(order), on_words, where));
    }
    bool compare_exchange(T& expected, T desired, std::memory_order success, std::memory_order failure, bool weak,
                          Where where) {
        Word word = to_word(expected);
        const bool done = Machine::running()->compare_exchange(location_, word, to_word(desired), order_of(success),
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
        return from_word<T>(Machine::running()->load(location_, Order::plain, where));
    }
    void set(T value, Where where = Where::current()) {
        Machine* machine = Machine::running();
        if (machine != nullptr && machine->on_fiber())
            machine->store(location_, to_word(value), Order::plain, where);
        else
            Building::program().set_initial(location_, to_word(value));
    }

private:
    explorer::Location location_;
};

inline void fence(std::memory_order order, Where where = Where::current()) {
    Machine::running()->fence(order_of(order), where);
}
// At the end of every failed round of a retry loop. If the round only read, the worker waits for what it read to
// change.
inline void pause(Where where = Where::current()) {
    Machine::running()->pause(where);
}
// Before the first round of a retry loop, where earlier accesses of the worker do not belong to the round.
inline void begin_round() {
    Machine::running()->begin_round();
}
inline void check(bool holds, const char* what = "check", Where where = Where::current()) {
    if (!holds) Machine::running()->fail(explorer::Fault::check, what, where);
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
