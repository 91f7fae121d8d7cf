// The time that a cache line takes from one CPU to another.
//
// What two processes carry to each other is bounded by it, and on a virtual machine it depends on where the host has put
// the two CPUs at the moment: docs/gate.md.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <optional>

#include "pin.hpp"

namespace bench {

// A word that two threads hand to each other; it counts the hand-overs.
class Line {
public:
    using Clock = std::chrono::steady_clock;

    explicit Line(Clock::time_point deadline) : deadline_(deadline) {}

    void send(std::uint32_t turn) { turn_.store(turn, std::memory_order_release); }

    // False if the other side has given up, or does not answer in time.
    bool await(std::uint32_t turn) const {
        for (std::uint32_t looks = 1; turn_.load(std::memory_order_acquire) != turn; ++looks)
            if (looks % kLooksPerCheck == 0 && over()) return false;
        return true;
    }

    bool over() const { return given_up_.load(std::memory_order_relaxed) || Clock::now() >= deadline_; }
    void give_up() { given_up_.store(true, std::memory_order_relaxed); }

private:
    static constexpr std::uint32_t kLooksPerCheck = 4096;  // an answer in time comes before the first check

    // 128: the prefetcher of some CPUs fetches two lines together
    alignas(128) std::atomic<std::uint32_t> turn_{0};
    alignas(128) std::atomic<bool> given_up_{false};
    Clock::time_point deadline_;
};

// ns one way: half a round trip, median over short slices, so that what interrupts a few of them does not count.
// Nothing if one of the CPUs is not ours, or if it is not done within `patience`, as two threads on one CPU never are.
// The threads are its own, so the caller's affinity stays what it is.
inline std::optional<double> line_latency(int first_cpu, int second_cpu, std::chrono::nanoseconds patience) {
    constexpr std::size_t kSlices = 21;
    constexpr std::uint32_t kRoundTrips = 1000;
    Line line(Line::Clock::now() + patience);
    std::array<double, kSlices> slices{};
    std::size_t done = 0;

    const auto round_trips = [&](std::uint32_t& turn) {
        for (std::uint32_t i = 0; i < kRoundTrips; ++i, turn += 2) {
            line.send(turn + 1);
            if (!line.await(turn + 2)) return false;
        }
        return !line.over();
    };
    const auto call = [&] {
        std::uint32_t turn = 0;
        if (!round_trips(turn)) return;  // until both are there and warm
        for (double& slice : slices) {
            const auto start = Line::Clock::now();
            if (!round_trips(turn)) return;
            const std::chrono::duration<double, std::nano> taken = Line::Clock::now() - start;
            slice = taken.count() / (2.0 * kRoundTrips);
            ++done;
        }
    };
    const auto answer = [&] {
        for (std::uint32_t turn = 1; turn < 2 * kRoundTrips * (kSlices + 1); turn += 2) {
            if (!line.await(turn)) return;
            line.send(turn + 1);
        }
    };
    const auto on = [&line](int cpu, const auto& work) {
        return [&line, cpu, &work] { pin(cpu) ? work() : line.give_up(); };
    };
    {
        const auto first = std::async(std::launch::async, on(first_cpu, call));
        const auto second = std::async(std::launch::async, on(second_cpu, answer));
    }
    if (done < kSlices) return std::nullopt;
    const auto middle = slices.begin() + kSlices / 2;
    std::nth_element(slices.begin(), middle, slices.end());
    return *middle;
}

}  // namespace bench
