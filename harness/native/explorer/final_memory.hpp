// The block as it stands when an execution is over: the newest store of every location, to be looked at by somebody who
// comes after everybody. Models ipc::Memory; nothing here is shared any more.
#pragma once

#include "extension.hpp"
#include "sim_memory.hpp"

namespace explorer {

class FinalMemory {
    using u64 = ipc::u64;
    using Offset = ipc::Offset;

public:
    FinalMemory(const SimBlock& block, const Program& program, const Graph& graph)
        : words_(block.geometry().block_bytes() / 8) {
        for (std::size_t word = 0; word < words_.size(); ++word) {
            const Location location = block.location(word * 8);
            if (location == no_location) continue;
            const bool stored = location < graph.locations() && graph.newest(location) > 0;
            words_[word] =
                stored ? graph[graph.store_at(location, graph.newest(location))].value : program.initial(location);
        }
    }

    u64 load(Offset at, std::memory_order) { return words_[at / 8]; }
    void store(Offset at, u64 value, std::memory_order) { words_[at / 8] = value; }
    u64 exchange(Offset at, u64 value, std::memory_order) { return std::exchange(words_[at / 8], value); }
    u64 exchange_full_barrier(Offset at, u64 value) { return std::exchange(words_[at / 8], value); }
    u64 fetch_add(Offset at, u64 value, std::memory_order) {
        return std::exchange(words_[at / 8], words_[at / 8] + value);
    }
    bool compare_exchange(Offset at, u64& expected, u64 value, std::memory_order, std::memory_order) {
        const bool same = words_[at / 8] == expected;
        if (same)
            words_[at / 8] = value;
        else
            expected = words_[at / 8];
        return same;
    }
    void fence(std::memory_order) {}
    void copy_in(Offset at, const std::byte* from, std::size_t size) {
        std::memcpy(reinterpret_cast<std::byte*>(words_.data()) + at, from, size);
    }
    void copy_out(std::byte* to, Offset at, std::size_t size) {
        std::memcpy(to, reinterpret_cast<const std::byte*>(words_.data()) + at, size);
    }
    void wait(Offset, u64, ipc::Nanoseconds) {}
    void wake_all(Offset) {}
    bool alive(unsigned) { return true; }
    ipc::Nanoseconds now() { return 0; }
    void pause() {}
    void delay(ipc::Nanoseconds) {}

private:
    std::vector<u64> words_;
};
static_assert(ipc::Memory<FinalMemory>);

}  // namespace explorer
