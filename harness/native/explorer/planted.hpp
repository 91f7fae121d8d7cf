// Small structures with one planted bug each, of progress or of determinism, and their right twins: what the explorer's
// own checks must convict and acquit.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "atomic.hpp"
#include "exhaustive.hpp"

namespace explorer::planted {

using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;

struct SpinLock {
    explicit SpinLock(std::string name) : taken(0, std::move(name)) {}
    bool try_take() {
        int free = 0;
        return taken.compare_exchange_strong(free, 1, memory_order_acquire, memory_order_relaxed);
    }
    void take() {
        sim::begin_round();
        while (!try_take()) sim::pause();
    }
    void give() { taken.store(0, memory_order_release); }
    sim::atomic<int> taken;
};

struct State {
    SpinLock left{"left"};
    SpinLock right{"right"};
    sim::atomic<int> flag{0, "flag"};
    sim::atomic<int> version{0, "version"};
    sim::atomic<int> data{0, "data"};
    sim::atomic<int> wakes{0, "wakes"};
    int outside = 0;  // no shared memory: the machine does not know of it

    void take_both(SpinLock& first, SpinLock& second) {
        first.take();
        second.take();
        second.give();
        first.give();
    }
    // Polite: gives back what it has rather than wait with it.
    void take_both_politely(SpinLock& first, SpinLock& second) {
        sim::begin_round();
        for (;;) {
            if (first.try_take()) {
                if (second.try_take()) break;
                first.give();
            }
            sim::pause();  // both may go round for ever
        }
        second.give();
        first.give();
    }
    void write_under_lock() {
        left.take();
        data.store(1, memory_order_relaxed);
        left.give();
    }
    void read_under_lock() {
        left.take();
        data.load(memory_order_relaxed);
        left.give();
    }
    void write_by_version() {
        version.store(1, memory_order_relaxed);
        sim::fence(memory_order_release);
        data.store(1, memory_order_relaxed);
        version.store(2, memory_order_release);
    }
    void read_by_version() {
        sim::begin_round();
        for (;;) {
            const int before = version.load(memory_order_acquire);
            data.load(memory_order_relaxed);
            sim::fence(memory_order_acquire);
            if (before % 2 == 0 && version.load(memory_order_relaxed) == before) return;
            sim::pause();
        }
    }
    void count() {
        sim::begin_round();
        int seen = data.load(memory_order_relaxed);
        while (!data.compare_exchange_strong(seen, seen + 1, memory_order_relaxed)) sim::pause();
    }
    // Each of its rounds ends in a pause, and none of them has failed.
    void count_far() {
        sim::begin_round();
        while (data.fetch_add(1, memory_order_relaxed) < 100) sim::pause();
    }
    // A round has many accesses.
    void pause_much() {
        for (int round = 0; round < 60; ++round) {
            sim::begin_round();
            for (int access = 0; access < 100; ++access) data.store(access, memory_order_relaxed);
            sim::pause();
        }
    }
    void await_flag() {
        sim::begin_round();
        while (flag.load(memory_order_acquire) == 0) sim::pause();
    }
    void await_flag_spinning() {
        while (flag.load(memory_order_acquire) == 0) {
        }
    }
    // Like a futex: to sleep is to wait for the next wake-up after `seen`.
    void sleep_for_flag(bool sample_first) {
        sim::begin_round();
        int seen = sample_first ? wakes.load(memory_order_acquire) : 0;
        while (flag.load(memory_order_acquire) == 0) {
            if (!sample_first) seen = wakes.load(memory_order_acquire);
            Machine::running()->fall_asleep();
            while (wakes.load(memory_order_acquire) == seen) sim::pause();
            seen = wakes.load(memory_order_relaxed);
            sim::begin_round();
        }
    }
    void set_flag(bool wake) {
        flag.store(1, memory_order_release);
        if (wake) wakes.fetch_add(1, std::memory_order_acq_rel);
    }
};

inline std::unique_ptr<Program> program(const std::string& name) {
    using Body = void (*)(State&);
    struct Named {
        const char* name;
        Body first;
        Body second;
    };
    static constexpr std::array table{
        Named{"ordered locks", [](State& s) { s.take_both(s.left, s.right); },
              [](State& s) { s.take_both(s.left, s.right); }},
        Named{"crossed locks", [](State& s) { s.take_both(s.left, s.right); },
              [](State& s) { s.take_both(s.right, s.left); }},
        Named{"polite locks", [](State& s) { s.take_both_politely(s.left, s.right); },
              [](State& s) { s.take_both_politely(s.right, s.left); }},
        Named{"reader locks", [](State& s) { s.write_under_lock(); }, [](State& s) { s.read_under_lock(); }},
        Named{"sequence lock", [](State& s) { s.write_by_version(); }, [](State& s) { s.read_by_version(); }},
        Named{"counter", [](State& s) { s.count(); s.count(); }, [](State& s) { s.count(); }},
        Named{"counts far", [](State& s) { s.count_far(); }, [](State&) {}},
        Named{"pauses much", [](State& s) { s.pause_much(); }, [](State&) {}},
        Named{"awaited", [](State& s) { s.set_flag(false); }, [](State& s) { s.await_flag(); }},
        Named{"spinning", [](State& s) { s.set_flag(false); }, [](State& s) { s.await_flag_spinning(); }},
        Named{"woken", [](State& s) { s.set_flag(true); }, [](State& s) { s.sleep_for_flag(true); }},
        Named{"forgotten wake", [](State& s) { s.set_flag(false); }, [](State& s) { s.sleep_for_flag(true); }},
        Named{"late sample", [](State& s) { s.set_flag(true); }, [](State& s) { s.sleep_for_flag(false); }},
        Named{"other value", [](State& s) { s.data.store(++s.outside, memory_order_relaxed); }, [](State&) {}},
        Named{"fewer accesses",
              [](State& s) {
                  s.data.store(1, memory_order_relaxed);
                  if (s.outside++ == 0) s.flag.store(1, memory_order_relaxed);
              },
              [](State&) {}},
        Named{"more accesses",
              [](State& s) {
                  s.data.store(1, memory_order_relaxed);
                  if (s.outside++ > 0) s.flag.store(1, memory_order_relaxed);
              },
              [](State&) {}},
        Named{"fails once",
              [](State& s) {
                  s.data.store(1, memory_order_relaxed);
                  sim::check(s.outside++ > 0, "fails in its first life");
              },
              [](State&) {}},
        Named{"load that releases", [](State& s) { s.data.load(memory_order_release); }, [](State&) {}},
        Named{"store that acquires", [](State& s) { s.data.store(1, memory_order_acquire); }, [](State&) {}},
        Named{"changes its mind", [](State& s) { s.data.store(s.outside++ < 2 ? 1 : 2, memory_order_relaxed); },
              [](State&) { Machine::running()->choose(2'000, std::source_location::current()); }},
    };
    std::string names;
    for (const Named& named : table) {
        names += names.empty() ? named.name : std::string(", ") + named.name;
        if (name != named.name) continue;
        auto made = std::make_unique<Program>();
        const sim::Building building(*made);
        const auto state = std::make_shared<State>();
        for (const Body body : {named.first, named.second}) made->workers.emplace_back([state, body] { body(*state); });
        return made;
    }
    throw std::invalid_argument("unknown planted structure '" + name + "'; there are " + names);
}

// What a structure answers outside its workers: the value of a location before an execution that adds 2 to it, and in
// every complete one.
inline std::pair<int, std::vector<int>> values_outside() {
    Program program;
    const sim::Building building(program);
    sim::atomic<int> count{1, "count"};
    for (int worker = 0; worker < 2; ++worker) program.workers.emplace_back([&count] { count.fetch_add(1); });
    std::pair<int, std::vector<int>> values{count.load(), {}};
    Exhaustive driver(program);
    driver.on_complete = [&](const Graph&) { values.second.push_back(count.load()); };
    driver.explore();
    return values;
}
// What only a worker may do, done by nobody.
inline void act_outside(const std::string& what) {
    Program program;
    const sim::Building building(program);
    sim::atomic<int> count{1, "count"};
    if (what == "fetch_add") count.fetch_add(1);
    if (what == "compare_exchange") {
        int one = 1;
        count.compare_exchange_strong(one, 2);
    }
    if (what == "check") sim::check(false);
    if (what == "pause") sim::pause();
    if (what == "fence") sim::fence(std::memory_order_seq_cst);
}

}  // namespace explorer::planted
