// A memory that counts every access, and lets somebody else act between two of them.
//
// The block is a plain array used by one thread, so an operation on it is a function of its arguments: what it costs in
// accesses, retries and system calls is exact, and may be compared with tolerance 0. What real contention does between
// two accesses, a schedule does here on purpose (`when`).
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <utility>
#include <vector>

#include "channel/core/memory.hpp"

namespace bench {

using ipc::Nanoseconds;
using ipc::Offset;
using ipc::u64;

enum class Access : unsigned {
    load, store, read_modify_write, fence, payload_copy,  // atomic steps
    pause, clock,
    futex_wait, futex_wake, lock_query, sleep,  // system calls
    count
};

constexpr std::array<const char*, static_cast<unsigned>(Access::count)> kAccessNames{
    "loads", "stores", "read-modify-writes", "fences", "payload copies", "pauses", "clock reads",
    "futex waits", "futex wakes", "lock queries", "sleeps"};

struct Machine {
    explicit Machine(u64 bytes) : words(bytes / 8) {}

    std::vector<u64> words;
    std::array<std::uint64_t, kAccessNames.size()> counts{};
    Nanoseconds time = 1;
    bool owner_alive = true;

    // `act` happens once, before the next access of that kind that `skip` others have preceded.
    void when(Access access, unsigned skip, std::function<void()> act) {
        awaited_ = access;
        skip_ = skip;
        act_ = std::move(act);
    }
    void count(Access access) {
        ++counts[static_cast<unsigned>(access)];
        if (!act_ || access != awaited_ || skip_-- != 0) return;
        const auto before = counts;
        std::exchange(act_, nullptr)();
        counts = before;  // what the other did is not this operation's cost
    }

private:
    Access awaited_ = Access::count;
    unsigned skip_ = 0;
    std::function<void()> act_;
};

class CountingMemory {
public:
    explicit CountingMemory(Machine& machine) : machine_(&machine) {}

    u64 load(Offset at, std::memory_order) const { return counted(Access::load, at); }
    void store(Offset at, u64 value, std::memory_order) const { counted(Access::store, at) = value; }
    u64 exchange(Offset at, u64 value, std::memory_order) const {
        return std::exchange(counted(Access::read_modify_write, at), value);
    }
    u64 exchange_full_barrier(Offset at, u64 value) const { return exchange(at, value, std::memory_order_seq_cst); }
    u64 fetch_add(Offset at, u64 value, std::memory_order) const {
        u64& word = counted(Access::read_modify_write, at);
        return std::exchange(word, word + value);
    }
    bool compare_exchange(Offset at, u64& expected, u64 desired, std::memory_order, std::memory_order) const {
        u64& word = counted(Access::read_modify_write, at);
        if (word != expected) {
            expected = word;
            return false;
        }
        word = desired;
        return true;
    }
    void fence(std::memory_order) const { machine_->count(Access::fence); }
    void copy_in(Offset at, const std::byte* from, std::size_t size) const {
        machine_->count(Access::payload_copy);
        std::memcpy(bytes() + at, from, size);
    }
    void copy_out(std::byte* to, Offset at, std::size_t size) const {
        machine_->count(Access::payload_copy);
        std::memcpy(to, bytes() + at, size);
    }
    void wait(Offset at, u64 value, Nanoseconds deadline) const {
        if (counted(Access::futex_wait, at) == value) machine_->time = deadline;  // nobody woke it
    }
    void wake_all(Offset) const { machine_->count(Access::futex_wake); }
    bool alive(unsigned) const {
        machine_->count(Access::lock_query);
        return machine_->owner_alive;
    }
    Nanoseconds now() const {
        machine_->count(Access::clock);
        return machine_->time;
    }
    void pause() const { machine_->count(Access::pause); }
    void delay(Nanoseconds time) const {
        machine_->count(Access::sleep);
        machine_->time += time;
    }

private:
    std::byte* bytes() const { return reinterpret_cast<std::byte*>(machine_->words.data()); }
    u64& counted(Access access, Offset at) const {
        machine_->count(access);
        return machine_->words[at / 8];
    }

    Machine* machine_;
};
static_assert(ipc::Memory<CountingMemory>);

}  // namespace bench
