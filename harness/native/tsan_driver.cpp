// The channel under ThreadSanitizer: threads over one block, checked as they go. Built and run by tests/tsan.
//
//   tsan_driver faithful          everything at once: writers, readers, batches, peeks, skips, time-outs, state
//   tsan_driver plain [MUTANT]    payloads copied by plain loads and stores: two writers, one reader
//
// What it proves. In the channel all shared words are atomic, payloads included, so ThreadSanitizer has races to look for
// only in what threads of one process share besides the block. The plain variant gives it something to bite on: with a
// single reader no copy is optimistic, and each payload access must be ordered by the channel's own acquires and releases.
// Weaken one of those (MUTANT, see mutants.hpp) and it must report a race, which shows that the sanitizer sees this code.
// It does not model fences (gcc: -Wtsan) and sees threads, not processes: the explorer is the proof of those.
//
// Exit code: 0 all well, 1 a wrong answer, 2 a wrong argument, 66 a race (ThreadSanitizer's own).
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>
#include <vector>

#include "channel/core/buffer.hpp"
#include "harness/native/instrumented_memory.hpp"
#include "harness/native/mutants.hpp"
#include "harness/native/payload.hpp"

namespace {

using namespace harness;
using ipc::Effort;
using ipc::Nanoseconds;
using ipc::Position;
using ipc::Status;

constexpr u64 kMessages = 8000;       // of each writer
constexpr u64 kCapacity = 2048;       // wraps around every few dozen messages
constexpr u64 kLargest = 600;         // bytes; beyond the size from which payloads are copied in bulk
constexpr Nanoseconds kPatience = 20'000'000'000;

std::atomic<bool> failed{false};

void fail(const char* what) {
    if (!failed.exchange(true)) std::fprintf(stderr, "wrong answer: %s\n", what);
}

class PlainPayload : public ipc::RealMemory {
public:
    using RealMemory::RealMemory;
    explicit PlainPayload(ipc::RealMemory memory, std::byte* base) : RealMemory(memory), base_(base) {}
    void copy_in(ipc::Offset at, const std::byte* from, std::size_t size) const {
        for (std::size_t i = 0; i < size; ++i) base_[at + i] = from[i];
    }
    void copy_out(std::byte* to, ipc::Offset at, std::size_t size) const {
        for (std::size_t i = 0; i < size; ++i) to[i] = base_[at + i];
    }

private:
    std::byte* base_;
};

u64 size_of(u64 value) { return 8 + value * 37 % (kLargest - 8); }

// A single read that loses a round reserves again, in the same place; a batch begins each round with restart().
struct Sink {
    bool batch = false;
    std::vector<std::byte> bytes = std::vector<std::byte>(kCapacity * 2);
    std::vector<std::pair<std::size_t, std::size_t>> parts;
    std::size_t used = 0;
    void restart() {
        parts.clear();
        used = 0;
    }
    std::byte* reserve(u64 length, Position) {
        if (!batch) restart();
        if (length > bytes.size() - used) return nullptr;
        parts.emplace_back(used, length);
        used += length;
        return bytes.data() + parts.back().first;
    }
};

// Which messages came out: each once, intact.
class Ledger {
public:
    explicit Ledger(u64 messages) : seen_(messages) {}
    void delivered(const std::byte* payload, std::size_t size) {
        const u64 value = payload_value(payload, size);
        if (value >= seen_.size() || !payload_intact(payload, size) || size != size_of(value)) return fail("torn payload");
        if (seen_[value].exchange(true)) return fail("a message came twice");
        ++count_;
    }
    void skipped() { ++count_; }
    u64 count() const { return count_; }

private:
    std::vector<std::atomic<bool>> seen_;
    std::atomic<u64> count_{0};
};

template <class C>
void write_messages(C& channel, u64 first) {
    std::vector<std::byte> bytes(kLargest * 4);
    ipc::DirectHook hook;
    for (u64 value = first; value < first + kMessages;) {
        Effort effort;
        Position id = 0;
        const Nanoseconds deadline = ipc::monotonic_now() + kPatience;
        if (value % 50 == 0 && first + kMessages - value >= 4) {
            struct Source {
                std::byte* bytes;
                u64 value;
                std::span<const std::byte> message(std::size_t i) const {
                    return {bytes + i * kLargest, size_of(value + i)};
                }
                void accepted(std::size_t, Position) const {}
            } source{bytes.data(), value};
            for (u64 i = 0; i < 4; ++i) fill_payload(bytes.data() + i * kLargest, size_of(value + i), value + i);
            std::size_t done = 0;
            if (channel.write_many(source, 4, done, deadline, effort, hook) != Status::ok) return fail("write_many");
            value += 4;
            continue;
        }
        fill_payload(bytes.data(), size_of(value), value);
        const std::span<const std::byte> message{bytes.data(), size_of(value)};
        const Status status = value % 3 == 0 ? channel.try_write(message, id, effort)
                                             : channel.write(message, id, deadline, effort, hook);
        if (status == Status::ok) ++value;
        else if (status == Status::full) std::this_thread::yield();
        else return fail("write");
    }
}

template <class C>
void read_messages(C& channel, Ledger& ledger, unsigned flavour) {
    Sink sink;
    ipc::DirectHook hook;
    for (u64 turn = flavour;; ++turn) {
        Effort effort;
        Position id = 0;
        std::size_t taken = 0;
        const Nanoseconds deadline = ipc::monotonic_now() + (turn % 5 == 0 ? 100'000 : kPatience);
        sink.batch = turn % 3 == 0;
        const Status status = sink.batch      ? channel.read_many(sink, 4, taken, deadline, effort, hook)
                              : turn % 3 == 1 ? channel.read(sink, id, deadline, effort, hook)
                                              : channel.try_read(sink, id, effort, hook);
        if (status == Status::closed) return;
        if (status == Status::ok) {
            for (std::size_t i = 0; i < (sink.batch ? taken : 1); ++i)
                ledger.delivered(sink.bytes.data() + sink.parts[i].first, sink.parts[i].second);
        } else if (status != Status::empty && status != Status::timeout) {
            return fail("read");
        }
    }
}

template <class C>
void look_and_skip(C& channel, Ledger& ledger) {
    Sink sink;
    ipc::DirectHook hook;
    for (u64 turn = 0;; ++turn) {
        Effort effort;
        Position id = 0, seen = 0;
        const Status status = channel.peek(sink, id, effort, hook);
        if (status == Status::closed) return;
        if (status == Status::ok) {
            const auto [from, size] = sink.parts.back();
            if (!payload_intact(sink.bytes.data() + from, size)) fail("torn peek");
            if (turn % 8 == 0 && channel.skip(id, seen, effort) == Status::ok) ledger.skipped();
        }
        if (turn % 64 == 0 && channel.skip_force(id, effort) == Status::ok) ledger.skipped();
        ipc::Snapshot snapshot;
        if (turn % 16 == 0 && channel.snapshot(snapshot, effort) == Status::corrupted) fail("state");
        std::this_thread::yield();
    }
}

// `make` gives a thread its channel over the common block.
template <class F>
int drive(unsigned writers, unsigned readers, bool skips, F&& make) {
    Ledger ledger(writers * kMessages);
    std::vector<std::thread> producers, consumers;
    for (unsigned i = 0; i < writers; ++i)
        producers.emplace_back([&, i] {
            auto channel = make();
            write_messages(channel, i * kMessages);
        });
    for (unsigned i = 0; i < readers; ++i)
        consumers.emplace_back([&, i] {
            auto channel = make();
            read_messages(channel, ledger, i);
        });
    if (skips)
        consumers.emplace_back([&] {
            auto channel = make();
            look_and_skip(channel, ledger);
        });
    for (std::thread& thread : producers) thread.join();
    auto channel = make();
    Effort effort;
    ipc::DirectHook hook;
    if (channel.shutdown(ipc::monotonic_now() + kPatience, effort, hook) != Status::ok) fail("shutdown");
    for (std::thread& thread : consumers) thread.join();
    if (!failed && ledger.count() != writers * kMessages) fail("a message was lost");
    return failed ? 1 : 0;
}

}  // namespace

int main(int count, char** arguments) {
    const std::string_view mode = count > 1 ? arguments[1] : "";
    const std::optional<Planted> design = count > 2 ? planted(arguments[2]) : Planted();
    if ((mode != "faithful" && mode != "plain") || !design || count > 3) {
        std::fprintf(stderr, "usage: tsan_driver faithful | plain [MUTANT]\n");
        return 2;
    }
    const u64 bytes = ipc::Geometry(kCapacity, 8).block_bytes();
    std::byte* const memory = static_cast<std::byte*>(std::aligned_alloc(64, ipc::round_up(bytes, 64)));
    const auto block = ipc::BufferBlock::create(memory, bytes, 8, "", [memory] { std::free(memory); });
    if (mode == "faithful")
        return drive(2, 2, true, [&] {
            return ipc::Channel<ipc::RealMemory>(block->memory(), block->geometry(), {}, &block->me());
        });
    Faults none;
    using Memory = Instrumented<PlainPayload>;
    return drive(2, 1, false, [&] {
        return ipc::Channel<Memory, Planted>(Memory(PlainPayload(block->memory(), memory), &none), block->geometry(), {},
                                             &block->me(), *design);
    });
}
