// Run by test_fiber.py: a fiber and whoever resumes it keep what the ABI says a callee preserves, its stack is aligned,
// and an exception thrown on it is caught on it.
#include "harness/native/explorer/fiber.hpp"

#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <vector>

namespace {

constexpr int rounds = 50;

// More values alive at once than there are registers to preserve: all of these are in use.
template <class Between>
double busy(double start, Between&& between) {
    double a = start, b = start + 1, c = start + 2, d = start + 3, e = start + 4, f = start + 5, g = start + 6,
           h = start + 7;
    std::uint64_t i = 1, j = 2, k = 3, l = 5, m = 7, n = 11, o = 13, p = 17, q = 19, r = 23;
    for (int round = 0; round < rounds; ++round) {
        between();
        a += b, b += c / 2, c += d / 4, d += e / 8, e += f / 16, f += g / 32, g += h / 64, h += a / 1e9;
        i += j, j ^= k, k += l, l ^= m, m += n, n ^= o, o += p, p ^= q, q += r, r ^= i;
    }
    return a + b + c + d + e + f + g + h + static_cast<double>((i ^ j ^ k ^ l ^ m ^ n ^ o ^ p ^ q ^ r) % 1'000'003);
}

struct Runner {
    explorer::Fiber fiber;
    double start = 0, result = 0;
    bool aligned = false, caught = false, done = false;
};
std::vector<Runner>* runners;
int running = 0;

Runner& self() { return (*runners)[static_cast<std::size_t>(running)]; }

void body() {
    alignas(16) volatile char frame[16] = {};
    self().aligned = reinterpret_cast<std::uintptr_t>(&frame[0]) % 16 == 0;
    self().result = busy(self().start, [] { self().fiber.suspend(); });
    try {
        throw std::runtime_error("on a fiber");
    } catch (const std::runtime_error&) {
        self().caught = true;
    }
    self().done = true;
    self().fiber.suspend();
}

bool switches() {
    std::vector<Runner> all(3);
    runners = &all;
    for (std::size_t index = 0; index < all.size(); ++index) {
        all[index].start = 0.1 + static_cast<double>(index);
        all[index].fiber.reset(&body);
    }
    // whoever resumes has values of its own to keep
    const double outside = busy(7.5, [&all] {
        for (running = 0; running < static_cast<int>(all.size()); ++running) self().fiber.resume();
    });
    for (running = 0; running < static_cast<int>(all.size()); ++running) {
        self().fiber.resume();
        const Runner& one = self();
        if (!one.done || !one.caught || !one.aligned || one.result != busy(one.start, [] {})) return false;
    }
    return outside == busy(7.5, [] {});
}

}  // namespace

int main() {
    const bool kept = switches();
    std::puts(kept ? "kept" : "lost");
    return kept ? 0 : 1;
}
