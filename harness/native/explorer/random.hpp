// Random numbers of the sampling strategies: SplitMix64 (Steele, Lea, Flood, OOPSLA 2014). A seed gives the same walk
// on every platform, which the distributions of <random> do not promise.
#pragma once

#include <cstdint>

namespace explorer {

class Random {
public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
        return z ^ (z >> 31);
    }
    int below(int count) {
        return static_cast<int>((static_cast<unsigned __int128>(next()) * static_cast<unsigned>(count)) >> 64);
    }

private:
    std::uint64_t state_;
};

}  // namespace explorer
