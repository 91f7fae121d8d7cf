// The simulated memory: the channel's block as locations of the explored program.
//
// Models ipc::Memory (channel/core/memory.hpp), so that the channel's own source runs under the explorer. Every word of
// the block is a location named by layout.hpp; every access carries the source line that made it.
//
// What is not memory is modelled thus:
//
// - futex: the kernel compares and goes to sleep under a lock that a waker takes, too. A location counts the wake-ups;
//   a sleeper has read the count before it compared, and sleeps until it changes. So a wake-up that nobody sends, or
//   that is sent before the comparison, is missed as it really is.
// - time: a clock for each worker that moves when it sleeps. Whether a wait with a deadline ends by it is a choice.
// - max_round_trips: the rounds of a call without a deadline are counted and so no waits; each of them is explored.
// - death: a worker planned to be killed stores to a location of its own and stops; alive() reads it. The kernel lets
//   nobody see a lock released before all that its holder stored, so that store releases and that read acquires.
// - suspicion: a worker that waits for an owner may choose to let enough time pass to ask whether it is alive: in a
//   call once more often than workers are to be killed. A wait after that is no proof of being stuck if an answer was
//   yes.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "channel/core/layout.hpp"
#include "channel/core/memory.hpp"
#include "machine.hpp"

namespace explorer {

// A worker is killed before the access with this number.
struct Kill {
    int worker = -1;
    int step = 0;
};

// The block that all workers of a program share.
class SimBlock {
public:
    // `bounded`: calls without a deadline count their own rounds, so that none of them is a wait.
    SimBlock(Program& program, const ipc::Geometry& geometry, std::vector<Kill> kills, bool bounded)
        : geometry_(geometry),
          locations_(geometry.block_bytes() / 8, no_location),
          kills_(std::move(kills)),
          bounded_(bounded) {
        using namespace ipc::at;
        for (const ipc::Offset at : {owner, tail, head_cache, head, seq, sleepers, next_generation, recoveries})
            declare(program, at);
        for (ipc::Offset at = geometry.ring(); at < geometry.block_bytes(); at += 8) declare(program, at);
        wakeups_ = program.declare(0, "futex");
        for (int worker = 0; worker < max_workers; ++worker) {
            dead_[static_cast<unsigned>(worker)] =
                program.declare(0, std::string("dead[") + static_cast<char>('A' + worker) + "]");
        }
    }

    const ipc::Geometry& geometry() const { return geometry_; }
    Location location(ipc::Offset at) const {
        const std::size_t word = at / 8;
        return at % 8 == 0 && word < locations_.size() ? locations_[word] : no_location;
    }
    Location wakeups() const { return wakeups_; }
    Location dead(unsigned worker) const { return dead_[worker % max_workers]; }
    std::size_t kills() const { return std::max(kills_.size(), expected_kills_); }
    bool kills(int worker) const {
        return std::any_of(kills_.begin(), kills_.end(), [worker](const Kill& kill) { return kill.worker == worker; });
    }
    void kill(Kill kill) { kills_.push_back(kill); }
    // So many may yet be killed: whoever waits for an owner reckons with that from the start.
    void expect_kills(std::size_t count) { expected_kills_ = count; }
    bool killed(int worker, int step) const {
        for (const Kill& kill : kills_) {
            if (kill.worker == worker && kill.step == step) return true;
        }
        return false;
    }

    // Of the current worker, as it has been told by its reads and choices so far.
    struct Clock {
        ipc::Nanoseconds now = 0;
        ipc::Nanoseconds deadline = ipc::never;  // of the call that it is in
        int late = -1;  // accesses that it had made when the deadline passed; -1: it has not
        ipc::u64 owner = 0;          // another's owner word that was met last
        std::size_t suspicions = 0;  // in this call
        ipc::u64 suspected = 0;      // the owner word of the last of them
        // One of them was spent on an owner who was alive, or gone before he was asked after: another could end otherwise.
        bool in_vain = false;
    };
    Clock& clock(int worker) { return clocks_[static_cast<unsigned>(worker)]; }
    void begin_call(int worker, ipc::Nanoseconds deadline, int accesses) {
        Clock& mine = clock(worker);
        mine.deadline = deadline;
        mine.late = mine.now >= deadline ? accesses : -1;
        mine.suspicions = 0;
        mine.suspected = 0;
        mine.in_vain = false;
    }
    void advance(int worker, ipc::Nanoseconds now, int accesses) {
        Clock& mine = clock(worker);
        mine.now = std::max(mine.now, now);
        if (mine.late < 0 && mine.now >= mine.deadline) mine.late = accesses;
    }
    bool bounded() const { return bounded_; }

private:
    void declare(Program& program, ipc::Offset at) {
        locations_[at / 8] = program.declare(0, ipc::location_name(geometry_, at));
    }

    ipc::Geometry geometry_;
    std::vector<Location> locations_;
    std::vector<Kill> kills_;
    bool bounded_;
    std::size_t expected_kills_ = 0;
    std::array<Location, max_workers> dead_{};
    Location wakeups_ = no_location;
    std::array<Clock, max_workers> clocks_{};
};

class SimMemory {
    using u64 = ipc::u64;
    using Offset = ipc::Offset;
    using Nanoseconds = ipc::Nanoseconds;
    using Where = std::source_location;

public:
    explicit SimMemory(SimBlock& block) : block_(&block) {}

    u64 load(Offset at, std::memory_order order, Where where = Where::current()) {
        const u64 value = machine(where).load(located(at, where), order_of(order), where);
        met_owner(at, value);
        return value;
    }
    void store(Offset at, u64 value, std::memory_order order, Where where = Where::current()) {
        machine(where).store(located(at, where), value, order_of(order), where);
        met_owner(at, 0);
    }
    u64 exchange(Offset at, u64 value, std::memory_order order, Where where = Where::current()) {
        const u64 found =
            machine(where).modify(located(at, where), order_of(order), [value](u64) { return value; }, where);
        met_owner(at, 0);
        return found;
    }
    u64 exchange_full_barrier(Offset at, u64 value, Where where = Where::current()) {
        const u64 found = exchange(at, value, std::memory_order_acq_rel, where);
        machine(where).fence(Order::seq_cst, where);
        return found;
    }
    u64 fetch_add(Offset at, u64 value, std::memory_order order, Where where = Where::current()) {
        return machine(where).modify(
            located(at, where), order_of(order), [value](u64 found) { return found + value; }, where);
    }
    bool compare_exchange(Offset at, u64& expected, u64 value, std::memory_order success, std::memory_order failure,
                          Where where = Where::current()) {
        const bool done = machine(where).compare_exchange(located(at, where), expected, value, order_of(success),
                                                          order_of(failure), false, where);
        met_owner(at, done ? 0 : expected);
        return done;
    }
    void fence(std::memory_order order, Where where = Where::current()) {
        if (order != std::memory_order_relaxed) machine(where).fence(order_of(order), where);
    }

    // The entry's padding is its writer's, so a last word is stored whole.
    void copy_in(Offset at, const std::byte* from, std::size_t size, Where where = Where::current()) {
        for (std::size_t done = 0; done < size; done += 8) {
            u64 word = 0;
            std::memcpy(&word, from + done, std::min<std::size_t>(8, size - done));
            machine(where).store(located(at + done, where), word, Order::relaxed, where, done == 0 && names(at, size));
        }
    }
    void copy_out(std::byte* to, Offset at, std::size_t size, Where where = Where::current()) {
        for (std::size_t done = 0; done < size; done += 8) {
            const u64 word =
                machine(where).load(located(at + done, where), Order::relaxed, where, done == 0 && names(at, size));
            std::memcpy(to + done, &word, std::min<std::size_t>(8, size - done));
        }
    }

    void wait(Offset at, u64 value, Nanoseconds deadline, Where where = Where::current()) {
        Machine& here = machine(where);
        const u64 before = here.load(block_->wakeups(), Order::acquire, where);
        if (static_cast<std::uint32_t>(load(at, std::memory_order_relaxed, where)) != static_cast<std::uint32_t>(value))
            return;
        here.fall_asleep();
        if (deadline < endless && here.choose(2, where) == 1) {
            advance(deadline);
            here.go_round(where);
            return;
        }
        while (machine(where).load(block_->wakeups(), Order::acquire, where) == before) here.pause(where);
        here.begin_round();
    }
    void wake_all(Offset, Where where = Where::current()) {
        machine(where).modify(block_->wakeups(), Order::acq_rel, [](u64 count) { return count + 1; }, where);
    }
    bool alive(unsigned slot, Where where = Where::current()) {
        const bool alive = machine(where).load(block_->dead(slot), Order::acquire, where) == 0;
        clock().in_vain = clock().in_vain || alive;
        return alive;
    }

    Nanoseconds now() { return clock().now; }
    void delay(Nanoseconds time) { advance(clock().now + time); }
    void pause(Where where = Where::current()) {
        Machine& here = *Machine::running();
        SimBlock::Clock& mine = clock();
        if (here.in_round()) {
            const bool waits_for_owner = block_->kills() > 0 && mine.owner != 0;
            const bool suspects_again = waits_for_owner && mine.suspicions <= block_->kills();
            if (waits_for_owner && mine.suspected != 0 && mine.suspected != mine.owner) mine.in_vain = true;
            if (suspects_again && here.choose(2, where) == 1) {
                ++mine.suspicions;
                mine.suspected = mine.owner;
                advance(mine.now + longest_pause);
                here.go_round(where);
                return;
            }
            if (waits_for_owner && !suspects_again && mine.in_vain) here.choose(1, where);  // time would still pass
            if (mine.deadline < endless && here.choose(2, where) == 1) {
                advance(std::max(mine.now + longest_pause, mine.deadline));
                here.go_round(where);
                return;
            }
        }
        if (block_->bounded() && mine.deadline == ipc::never)
            here.go_round(where);
        else
            here.pause(where);
    }

    static constexpr Nanoseconds endless = ipc::never / 2;   // a deadline so late does not come
    static constexpr Nanoseconds longest_pause = 2'000'000;  // to suspect an owner, and for a late call to give up

private:
    // The first word of a payload says which message it is (payload.hpp). What is copied from the ring's start on is the
    // rest of one, since a header comes before it.
    bool names(Offset at, std::size_t size) const { return size >= 8 && at != block_->geometry().ring(); }

    // Nobody waits for himself: whoever meets his own word has forgotten to give it back, and no time helps him.
    void met_owner(Offset at, u64 owner) {
        if (at != ipc::at::owner) return;
        const bool own = static_cast<int>(ipc::owner_slot(owner)) == Machine::running()->current();
        clock().owner = own ? 0 : owner;
    }
    void advance(Nanoseconds now) {
        const Machine& here = *Machine::running();
        block_->advance(here.current(), now, here.consumed());
    }
    SimBlock::Clock& clock() { return block_->clock(Machine::running()->current()); }

    // Every access comes by here: the place to be killed.
    Machine& machine(Where where) {
        Machine& here = *Machine::running();
        const int worker = here.current();
        if (block_->killed(worker, here.consumed())) {
            here.store(block_->dead(static_cast<unsigned>(worker)), 1, Order::release, where);
            here.stop();
        }
        return here;
    }
    Location located(Offset at, Where where) {
        const Location location = block_->location(at);
        if (location == no_location) {
            Machine::running()->fail(
                Fault::check,
                "access at offset " + std::to_string(at) + ", which is no word that the algorithm may touch", where);
        }
        return location;
    }

    SimBlock* block_;
};
static_assert(ipc::Memory<SimMemory>);

}  // namespace explorer
