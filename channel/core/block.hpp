// A block of memory with a channel in it, as one process has it: mapped, validated, and registered as a participant.
//
// SegmentBlock is a named file in /dev/shm, mapped once per process and segment however many handles there are.
// BufferBlock is memory of the caller's.
#pragma once

#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "channel/core/channel.hpp"
#include "channel/core/slot_lock.hpp"

namespace ipc {

// The operations that are counted, and what is counted of each, in a participant's `counters` words.
enum class Operation : unsigned { write, read, peek, skip, count };
enum class Counter : unsigned { calls, conflicts, retries, sleeps, wakeups, recoveries, count };
inline constexpr unsigned kOperations = static_cast<unsigned>(Operation::count);
inline constexpr unsigned kCounters = static_cast<unsigned>(Counter::count);
static_assert(participant::counters + kOperations * kCounters * 8 <= kParticipantBytes);

struct Participant {
    unsigned slot;
    u64 generation, pid, started;
    std::string name;
    std::array<u64, kOperations * kCounters> counters;
};

class Block {
public:
    virtual ~Block() = default;
    Block(const Block&) = delete;
    Block& operator=(const Block&) = delete;

    const Geometry& geometry() const { return geometry_; }
    RealMemory memory() const { return {base_, liveness()}; }
    // This process's owner word; 0 after a fork that this block cannot follow.
    const std::atomic<u64>& me() const { return me_; }
    virtual const Liveness* liveness() const = 0;
    // Is a writer killed at any instruction recovered from?
    virtual bool crash_safe() const = 0;
    // The segment's name; empty for a buffer.
    virtual const std::string& name() const = 0;

    // Adds what a call cost to this participant's counters. Calls of one process must not overlap (the GIL sees to it):
    // a participant's words have one writer, so no locked instruction is needed.
    [[gnu::always_inline]] void count(Operation operation, const Effort& effort, u64 calls = 1) {
        add(operation, Counter::calls, calls);
        const bool trouble = (effort.conflicts | effort.sleeps | effort.wakeups | effort.recoveries) != 0;
        if (trouble || effort.rounds > calls) [[unlikely]] count_trouble(operation, effort, calls);
    }

    std::vector<Participant> participants() const {
        std::vector<Participant> found;
        for (unsigned slot = 0; slot < geometry_.participants(); ++slot) {
            const Offset record = geometry_.participant_at(slot);
            const u64 generation = word(record + participant::generation).load(std::memory_order_acquire);
            if (generation == 0) continue;
            Participant seen{slot, generation, 0, 0, {}, {}};
            seen.pid = word(record + participant::pid).load(std::memory_order_relaxed);
            seen.started = word(record + participant::started).load(std::memory_order_relaxed);
            std::array<char, participant::name_bytes + 1> text{};
            memory().copy_out(reinterpret_cast<std::byte*>(text.data()), record + participant::name,
                              participant::name_bytes);
            seen.name = text.data();
            for (unsigned i = 0; i < seen.counters.size(); ++i)
                seen.counters[i] = word(record + participant::counters + i * 8).load(std::memory_order_relaxed);
            found.push_back(std::move(seen));
        }
        return found;
    }

    u64 recoveries() const { return word(at::recoveries).load(std::memory_order_relaxed); }

protected:
    Block() = default;

    // A constructed block follows forks until its destructor begins.
    void follow_forks() { blocks_of_process().remember(this); }
    void stop_following_forks() { blocks_of_process().forget(this); }

    // Writes the constants of an all-zero block, the last of them the magic.
    static void format(std::byte* base, const Geometry& geometry) {
        const RealMemory memory(base, nullptr);
        const auto put = [&](Offset at, u64 value) { memory.store(at, value, std::memory_order_relaxed); };
        put(at::version, kLayoutVersion);
        put(at::capacity, geometry.capacity());
        put(at::participants, geometry.participants());
        put(at::checksum, constants_checksum(geometry.capacity(), geometry.participants()));
        memory.store(at::magic, kMagic, std::memory_order_release);
    }

    // The geometry that a block claims, or why it is none. Reads `constants` (its first five words), touches nothing.
    static Geometry validated(const std::array<u64, 5>& constants, u64 size, const std::string& where) {
        const auto foreign = [&](const std::string& why) { return BlockError(BlockErrorKind::foreign, where + why); };
        if (constants[at::magic / 8] != kMagic) throw foreign(" holds no channel");
        if (constants[at::version / 8] != kLayoutVersion)
            throw foreign(" holds a channel of layout version " + std::to_string(constants[at::version / 8]) +
                          "; this is version " + std::to_string(kLayoutVersion));
        const u64 capacity = constants[at::capacity / 8], participants = constants[at::participants / 8];
        if (constants[at::checksum / 8] != constants_checksum(capacity, participants) || capacity < kMinCapacity ||
            capacity > kMaxCapacity || capacity % kEntryAlignment != 0 || participants > SlotLock::kNoSlot)
            throw foreign(" holds a channel whose constants are damaged");
        const Geometry geometry(capacity, static_cast<unsigned>(participants));
        if (size < geometry.block_bytes())
            throw foreign(" is " + std::to_string(size) + " bytes, its channel needs " +
                          std::to_string(geometry.block_bytes()));
        return geometry;
    }

    // Becomes a participant: a generation that was never used before, and the slot's record.
    void enter(unsigned slot) {
        slot_ = slot;
        const u64 generation = word(at::next_generation).fetch_add(1, std::memory_order_relaxed) + 1;
        me_.store(owner_word(slot, generation), std::memory_order_relaxed);
        if (slot == SlotLock::kNoSlot) return;
        Channel<RealMemory> recoverer(memory(), geometry_, Policy{}, &me_);
        Effort effort;
        recoverer.recover_slot(slot, effort);
        const Offset record = geometry_.participant_at(slot);
        const RealMemory block = memory();
        block.store(record + participant::generation, 0, std::memory_order_release);
        block.store(record + participant::pid, static_cast<u64>(getpid()), std::memory_order_relaxed);
        timespec time;
        clock_gettime(CLOCK_REALTIME, &time);
        block.store(record + participant::started, static_cast<u64>(time.tv_sec) * 1'000'000'000 +
                                                       static_cast<u64>(time.tv_nsec), std::memory_order_relaxed);
        std::array<char, participant::name_bytes> text{};
        std::snprintf(text.data(), text.size(), "%s", program_invocation_short_name);
        block.copy_in(record + participant::name, reinterpret_cast<const std::byte*>(text.data()), text.size());
        for (Offset i = participant::counters; i < kParticipantBytes; i += 8)
            block.store(record + i, 0, std::memory_order_relaxed);
        block.store(record + participant::generation, generation, std::memory_order_release);
    }

    // Leaves the table; the owner word cannot be this participant's, since no call is in flight.
    void leave() {
        if (slot_ != SlotLock::kNoSlot && me_.load(std::memory_order_relaxed) != 0)
            word(geometry_.participant_at(slot_) + participant::generation).store(0, std::memory_order_release);
        me_.store(0, std::memory_order_relaxed);
        slot_ = SlotLock::kNoSlot;
    }

    // After a fork, in the child: become a participant of its own, or set me_ to 0.
    virtual void after_fork_in_child() = 0;

    std::atomic_ref<u64> word(Offset at) const { return std::atomic_ref<u64>(*reinterpret_cast<u64*>(base_ + at)); }

    std::byte* base_ = nullptr;
    Geometry geometry_;
    unsigned slot_ = SlotLock::kNoSlot;
    std::atomic<u64> me_{0};

private:
    [[gnu::noinline]] void count_trouble(Operation operation, const Effort& effort, u64 calls) {
        add(operation, Counter::conflicts, effort.conflicts);
        add(operation, Counter::retries, effort.retries(std::max<u64>(calls, 1)));
        add(operation, Counter::sleeps, effort.sleeps);
        add(operation, Counter::wakeups, effort.wakeups);
        add(operation, Counter::recoveries, effort.recoveries);
    }

    [[gnu::always_inline]] void add(Operation operation, Counter counter, u64 amount) {
        if (slot_ == SlotLock::kNoSlot) return;
        const u64 index = static_cast<u64>(operation) * kCounters + static_cast<u64>(counter);
        const auto words = word(geometry_.participant_at(slot_) + participant::counters + index * 8);
        words.store(words.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
    }

    // All blocks of this process, so that a fork finds them.
    class Blocks {
    public:
        Blocks() {
            pthread_atfork([] { blocks_of_process().mutex_.lock(); }, [] { blocks_of_process().mutex_.unlock(); },
                           [] {
                               for (Block* block : blocks_of_process().blocks_) block->after_fork_in_child();
                               blocks_of_process().mutex_.unlock();
                           });
        }
        void remember(Block* block) {
            const std::lock_guard guard(mutex_);
            blocks_.insert(block);
        }
        void forget(Block* block) {
            const std::lock_guard guard(mutex_);
            blocks_.erase(block);
        }

    private:
        std::mutex mutex_;
        std::set<Block*> blocks_;
    };
    static Blocks& blocks_of_process() {
        static Blocks* const blocks = new Blocks;  // never destroyed: a fork handler outlives static destructors
        return *blocks;
    }
};

}  // namespace ipc
