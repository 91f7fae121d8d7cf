// The measuring driver of the gate: a shared object per source tree, so that one process times two trees in turn over
// the same memory.
//
// It times by the CPU clock of the thread, because on a shared machine wall time measures the neighbours. What it calls
// of the tree is in subject.hpp, nothing else; harness/gate/driver.py builds and loads it.
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>

#include "pin.hpp"
#include "subject.hpp"

namespace {

using bench::Subject;
using Worker = Subject::Worker;

constexpr std::size_t kBatch = 64;
constexpr std::size_t kLargest = 1024;

std::int64_t read_clock(clockid_t clock) {
    timespec time;
    clock_gettime(clock, &time);
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

struct Messages {
    Messages() {  // no two neighbours are equal, so that what is not carried differs
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<std::byte>(i + i / 256 + 1);
    }
    alignas(64) std::array<std::byte, kLargest> out;
    alignas(64) std::array<std::byte, kLargest> in{};
    std::span<const std::byte> of(std::size_t size) const { return {out.data(), size}; }
};

bool pair(Worker& worker, Messages& messages, std::size_t size) {
    return worker.write(messages.of(size)) && worker.read(messages.in.data(), size);
}

// One operation of each path; false if it did not do what it is for. The numbers are those of driver.py.
enum class Path : int { pair_8, pair_1024, batch_64, write_skip, write_peek_read, empty, blocking_pair_8 };

bool once(Path path, Worker& worker, Messages& messages) {
    switch (path) {
        case Path::pair_8: return pair(worker, messages, 8);
        case Path::pair_1024: return pair(worker, messages, kLargest);
        case Path::batch_64:
            return worker.write_many(messages.of(8), kBatch) == kBatch &&
                   worker.read_many(messages.in.data(), kLargest, kBatch) == kBatch;
        case Path::write_skip: return worker.write(messages.of(8)) && worker.skip();
        case Path::write_peek_read:
            return worker.write(messages.of(8)) && worker.peek(messages.in.data(), 8) &&
                   worker.read(messages.in.data() + 8, 8);
        case Path::empty: return !worker.read(messages.in.data(), 8);
        case Path::blocking_pair_8:
            return worker.write_blocking(messages.of(8)) && worker.read_blocking(messages.in.data(), 8);
    }
    return false;
}

// One operation of a path; did what was written arrive, as often as the path reads it, each time in full?
bool carries(Path path, Worker& worker) {
    Messages messages;
    if (!once(path, worker, messages)) return false;
    const std::size_t size = path == Path::pair_1024 ? kLargest : 8;
    std::size_t copies = 1;
    if (path == Path::batch_64) copies = kBatch;
    if (path == Path::write_peek_read) copies = 2;
    if (path == Path::write_skip || path == Path::empty) copies = 0;
    for (std::size_t i = 0; i < copies; ++i)
        if (std::memcmp(messages.in.data() + i * size, messages.out.data(), size) != 0) return false;
    return true;
}

// Not inlined: as one function, what the compiler decides about one path would change the code of the others.
template <Path path>
[[gnu::noinline]] std::uint64_t repeat(Worker& worker, Messages& messages, std::uint64_t times) {
    std::uint64_t good = 0;
    for (std::uint64_t i = 0; i < times; ++i) {
        // a whole word: of a byte the load of eight that follows would have to wait until it is in the cache
        std::memcpy(messages.out.data(), &i, sizeof i);
        good += once(path, worker, messages) ? 1u : 0u;
    }
    return good;
}

std::uint64_t repeat(Path path, Worker& worker, Messages& messages, std::uint64_t times) {
    switch (path) {
        case Path::pair_8: return repeat<Path::pair_8>(worker, messages, times);
        case Path::pair_1024: return repeat<Path::pair_1024>(worker, messages, times);
        case Path::batch_64: return repeat<Path::batch_64>(worker, messages, times);
        case Path::write_skip: return repeat<Path::write_skip>(worker, messages, times);
        case Path::write_peek_read: return repeat<Path::write_peek_read>(worker, messages, times);
        case Path::empty: return repeat<Path::empty>(worker, messages, times);
        case Path::blocking_pair_8: return repeat<Path::blocking_pair_8>(worker, messages, times);
    }
    return 0;
}

}  // namespace

extern "C" {

// CPU time, in ns, of `times` operations of a path over fresh state in `memory`; -1 if one of them did not work,
// or did not carry what was written.
__attribute__((visibility("default"))) double bench_slice(void* memory, std::size_t size, int path,
                                                          std::uint64_t times) {
    Subject subject(static_cast<std::byte*>(memory), size);
    Worker worker(subject);
    if (!carries(Path{path}, worker)) return -1;
    Messages messages;
    const std::uint64_t warm_up = times / 20 + 1;
    if (repeat(Path{path}, worker, messages, warm_up) != warm_up) return -1;
    const std::int64_t start = read_clock(CLOCK_THREAD_CPUTIME_ID);
    const std::uint64_t good = repeat(Path{path}, worker, messages, times);
    const std::int64_t end = read_clock(CLOCK_THREAD_CPUTIME_ID);
    return good == times ? static_cast<double>(end - start) : -1;
}

// Two threads on two CPUs, each writing and reading 8 bytes in turn as fast as it can, for `nanoseconds` of wall time.
// `result`: ns of wall time per pair, and the 99th percentile of a pair in ns. False if a thread came to nothing. Where
// somebody else has one of the CPUs all the time, it takes longer: that tells nothing of the channel.
__attribute__((visibility("default"))) bool bench_contended(void* memory, std::size_t size, int first_cpu,
                                                            int second_cpu, std::int64_t nanoseconds,
                                                            double result[2]) {
    constexpr std::size_t kSamples = 1 << 16;
    constexpr std::uint64_t kEvery = 8;  // a stamp costs as much as a pair
    constexpr std::int64_t kPatience = 10'000'000'000;
    Subject subject(static_cast<std::byte*>(memory), size);
    std::atomic<int> ready{0}, tried{0};
    std::atomic<bool> stop{false};
    std::array<std::uint64_t, 2> pairs{};
    std::array<std::vector<std::int64_t>, 2> samples;
    const auto work = [&](std::size_t index, int cpu) {
        bench::pin(cpu);
        Worker worker(subject);
        Messages messages;
        samples[index].reserve(kSamples);
        ready.fetch_add(1);
        while (ready.load() < 2 && !stop.load()) sched_yield();
        std::uint64_t done = 0;
        for (std::uint64_t i = 0; !stop.load(std::memory_order_relaxed); ++i) {
            const bool sampled = i % kEvery == 0 && samples[index].size() < kSamples;
            const std::int64_t before = sampled ? read_clock(CLOCK_MONOTONIC) : 0;
            done += pair(worker, messages, 8) ? 1u : 0u;
            if (sampled) samples[index].push_back(read_clock(CLOCK_MONOTONIC) - before);
            if (i == 0) tried.fetch_add(1);
        }
        pairs[index] = done;
    };
    std::thread first(work, 0, first_cpu), second(work, 1, second_cpu);
    while (ready.load() < 2) sched_yield();
    const std::int64_t start = read_clock(CLOCK_MONOTONIC);
    const timespec pause{0, static_cast<long>(nanoseconds)};
    do clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, nullptr);
    while (tried.load() < 2 && read_clock(CLOCK_MONOTONIC) - start < kPatience);
    stop.store(true);
    const std::int64_t end = read_clock(CLOCK_MONOTONIC);
    first.join();
    second.join();
    std::vector<std::int64_t> all = std::move(samples[0]);
    all.insert(all.end(), samples[1].begin(), samples[1].end());
    if (pairs[0] == 0 || pairs[1] == 0 || all.empty()) return false;
    const auto p99 = all.begin() + static_cast<std::ptrdiff_t>(all.size() * 99 / 100);
    std::nth_element(all.begin(), p99, all.end());
    result[0] = static_cast<double>(end - start) / static_cast<double>(pairs[0] + pairs[1]);
    result[1] = static_cast<double>(*p99);
    return true;
}

// The delay per call, in 1/256 units of delayed.hpp; false if this build has none.
__attribute__((visibility("default"))) bool bench_delay([[maybe_unused]] std::uint64_t rate) {
#if defined(BENCH_DELAYED)
    bench::Delayed::rate = rate;
    return true;
#else
    return false;
#endif
}

}  // extern "C"
