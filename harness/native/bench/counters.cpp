// Exact costs: accesses, rounds and system calls of one operation each, under fixed schedules.
//
// harness/gate/counters.py compares them, tolerance 0, with a committed file that changes in the same commit as the
// core. The participants: `self` is measured; `peer` acts where a schedule says so.
#include <string>

#include "channel/core/channel.hpp"
#include "counting_memory.hpp"

namespace {

using bench::Access;
using bench::CountingMemory;
using bench::Machine;
using ipc::Effort;
using ipc::Nanoseconds;
using ipc::Position;
using ipc::Status;

constexpr ipc::u64 kCapacity = 4096;
constexpr Nanoseconds kTimeout = 200'000;

using Channel = ipc::Channel<CountingMemory>;

struct Sink {
    std::array<std::byte, kCapacity> room{};
    std::size_t used = 0;
    std::byte* reserve(ipc::u64 length, Position) { return room.data() + std::exchange(used, used + length); }
    void restart() { used = 0; }
};

struct Source {
    std::array<std::byte, 8> bytes{};
    std::span<const std::byte> message(std::size_t) const { return bytes; }
    void accepted(std::size_t, Position) const {}
};

// A channel, two participants, and the cost of what was called since the last `restart`.
class Bench {
public:
    Bench() : machine_(ipc::Geometry(kCapacity, 2).block_bytes()) {}

    Machine& machine() { return machine_; }
    ipc::u64& word(ipc::Offset at) { return machine_.words[at / 8]; }

    Status write(std::size_t size) {
        fresh();
        return self_.try_write(std::span(message_).first(size), id, effort);
    }
    Status write_until(Nanoseconds deadline) {
        fresh();
        return self_.write(std::span(message_).first(8), id, deadline, effort, hook_);
    }
    Status write_many(std::size_t count) {
        fresh();
        Source source;
        std::size_t done = 0;
        return self_.write_many(source, count, done, ipc::never, effort, hook_);
    }
    Status read() {
        fresh();
        Sink sink;
        return self_.try_read(sink, id, effort, hook_);
    }
    Status read_until(Nanoseconds deadline) {
        fresh();
        Sink sink;
        return self_.read(sink, id, deadline, effort, hook_);
    }
    Status read_many(std::size_t limit) {
        fresh();
        Sink sink;
        std::size_t taken = 0;
        return self_.try_read_many(sink, limit, taken, effort);
    }
    Status peek() {
        fresh();
        Sink sink;
        return self_.peek(sink, id, effort, hook_);
    }
    Status skip(Position target) {
        fresh();
        return self_.skip(target, id, effort);
    }
    Status skip_force() {
        fresh();
        return self_.skip_force(id, effort);
    }
    Status shutdown() {
        fresh();
        return self_.shutdown(ipc::never, effort, hook_);
    }
    Status snapshot() {
        fresh();
        ipc::Snapshot seen;
        return self_.snapshot(seen, effort);
    }

    void peer_writes() {
        Position ignored = 0;
        Effort cost;
        peer_.try_write(std::span(message_).first(8), ignored, cost);
    }
    void peer_reads() {
        Position ignored = 0;
        Effort cost;
        Sink sink;
        peer_.try_read(sink, ignored, cost, hook_);
    }
    void fill() {
        while (write(8) == Status::ok) {}
    }

    Position id = 0;
    Effort effort;

private:
    void fresh() {
        machine_.counts = {};
        effort = {};
    }

    Machine machine_;
    std::array<std::byte, 1024> message_{};
    ipc::DirectHook hook_;
    std::atomic<ipc::u64> self_word_{ipc::owner_word(0, 1)}, peer_word_{ipc::owner_word(1, 2)};
    Channel self_{CountingMemory(machine_), ipc::Geometry(kCapacity, 2), ipc::Policy{}, &self_word_};
    Channel peer_{CountingMemory(machine_), ipc::Geometry(kCapacity, 2), ipc::Policy{}, &peer_word_};
};

struct Schedule {
    const char* name;
    Status expected;
    Status (*run)(Bench&);
};

constexpr ipc::u64 kPeerWord = ipc::owner_word(1, 2);

// clang-format off
const Schedule kSchedules[] = {
    {"write of 8 bytes", Status::ok, [](Bench& b) { return b.write(8); }},
    {"write of 1 KiB", Status::ok, [](Bench& b) { return b.write(1024); }},
    {"write across the end of the ring", Status::ok, [](Bench& b) {
        for (int i = 0; i < 4; ++i) { b.write(1000); b.read(); }
        return b.write(1000); }},
    {"write that looks at head again", Status::ok, [](Bench& b) { b.fill(); b.read(); return b.write(8); }},
    {"write into a full channel", Status::full, [](Bench& b) { b.fill(); return b.write(8); }},
    {"write with a time-out into a full channel", Status::timeout, [](Bench& b) {
        b.fill(); return b.write_until(b.machine().time + kTimeout); }},
    {"write beside a sleeping reader", Status::ok, [](Bench& b) { b.word(ipc::at::sleepers) = 1; return b.write(8); }},
    {"write beside a writer that leaves", Status::ok, [](Bench& b) {
        b.word(ipc::at::owner) = kPeerWord;
        b.machine().when(Access::pause, 0, [&b] { b.word(ipc::at::owner) = 0; });
        return b.write(8); }},
    {"write behind a dead writer", Status::ok, [](Bench& b) {
        b.word(ipc::at::owner) = kPeerWord;
        b.machine().owner_alive = false;
        return b.write_until(ipc::never); }},
    {"64 writes of 8 bytes together", Status::ok, [](Bench& b) { return b.write_many(64); }},
    {"read of 8 bytes", Status::ok, [](Bench& b) { b.write(8); return b.read(); }},
    {"read of 1 KiB", Status::ok, [](Bench& b) { b.write(1024); return b.read(); }},
    {"read of an empty channel", Status::empty, [](Bench& b) { return b.read(); }},
    {"read that loses the head", Status::ok, [](Bench& b) {
        b.write(8); b.write(8);
        b.machine().when(Access::payload_copy, 0, [&b] { b.peer_reads(); });
        return b.read(); }},
    {"read that sleeps until a write", Status::ok, [](Bench& b) {
        b.machine().when(Access::futex_wait, 0, [&b] { b.peer_writes(); });
        return b.read_until(b.machine().time + kTimeout); }},
    {"read that times out", Status::timeout, [](Bench& b) { return b.read_until(b.machine().time + kTimeout); }},
    {"64 reads of 8 bytes together", Status::ok, [](Bench& b) { b.write_many(64); return b.read_many(64); }},
    {"peek", Status::ok, [](Bench& b) { b.write(8); return b.peek(); }},
    {"peek of an empty channel", Status::empty, [](Bench& b) { return b.peek(); }},
    {"skip", Status::ok, [](Bench& b) { b.write(8); return b.skip(b.id); }},
    {"skip of another entry", Status::mismatch, [](Bench& b) { b.write(8); return b.skip(b.id + 16); }},
    {"skip by force", Status::ok, [](Bench& b) { b.write(8); return b.skip_force(); }},
    {"shutdown", Status::ok, [](Bench& b) { return b.shutdown(); }},
    {"read after the end", Status::closed, [](Bench& b) { b.shutdown(); return b.read(); }},
    {"snapshot", Status::ok, [](Bench& b) { b.write(8); return b.snapshot(); }},
};
// clang-format on

std::string describe(const Schedule& schedule, const Bench& bench, Status status, const Machine& machine) {
    std::string text = std::string("\"") + schedule.name + "\": {";
    if (status != schedule.expected)
        return text + "\"unexpected status\": " + std::to_string(static_cast<int>(status)) + "}";
    text += "\"rounds\": " + std::to_string(bench.effort.rounds);
    text += ", \"conflicts\": " + std::to_string(bench.effort.conflicts);
    for (std::size_t i = 0; i < machine.counts.size(); ++i)
        if (machine.counts[i] != 0)
            text += std::string(", \"") + bench::kAccessNames[i] + "\": " + std::to_string(machine.counts[i]);
    return text + "}";
}

}  // namespace

// JSON: by schedule, by kind of access: how many.
extern "C" __attribute__((visibility("default"))) const char* bench_counters() {
    static std::string text;
    text = "{";
    for (const Schedule& schedule : kSchedules) {
        Bench bench;
        const Status status = schedule.run(bench);
        if (text.size() > 1) text += ", ";
        text += describe(schedule, bench, status, bench.machine());
    }
    text += "}";
    return text.c_str();
}
