// One core, one write and one read of 8 bytes, again and again: prints ns a pair, one line per round.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "channel/core/channel.hpp"
#include "channel/core/real_memory.hpp"

namespace {

struct EightBytes {
    std::byte bytes[8];
    std::byte* reserve(ipc::u64 length, ipc::Position) { return length == sizeof bytes ? bytes : nullptr; }
};

}  // namespace

int main(int argc, char** argv) {
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 9;
    constexpr int kPairs = 1'000'000;
    const ipc::Geometry geometry(1 << 16, 1);
    auto* const block = static_cast<std::byte*>(std::aligned_alloc(64, ipc::round_up(geometry.block_bytes(), 64)));
    if (block == nullptr) return 1;
    std::memset(block, 0, geometry.block_bytes());
    const std::atomic<ipc::u64> me{ipc::owner_word(0, 1)};
    ipc::Channel<ipc::RealMemory> channel({block, nullptr}, geometry, {}, &me);
    ipc::DirectHook hook;
    // As large as what is copied in bulk: of less, a compiler warns of a bulk copy that cannot happen.
    std::array<ipc::u64, 64> words{};
    for (int round = 0; round < rounds; ++round) {
        const auto start = ipc::monotonic_now();
        for (ipc::u64 i = 0; i < kPairs; ++i) {
            ipc::Effort effort;
            ipc::Position id;
            EightBytes read{};
            words[0] = i;
            if (channel.try_write(std::as_bytes(std::span(words).first(1)), id, effort) != ipc::Status::ok) return 1;
            if (channel.try_read(read, id, effort, hook) != ipc::Status::ok) return 1;
            if (std::memcmp(read.bytes, &i, sizeof i) != 0) return 1;
        }
        std::printf("%.2f\n", static_cast<double>(ipc::monotonic_now() - start) / kPairs);
    }
    std::free(block);
}
