// Uniform walk: every enabled worker and every coherent store is equally likely at each step.
#pragma once

#include "random.hpp"
#include "walk.hpp"

namespace explorer {

class Uniform final : public Strategy {
public:
    explicit Uniform(std::uint64_t seed) : random_(seed) {}
    int worker(std::span<const int> enabled, const Machine&) override {
        return enabled[static_cast<std::size_t>(random_.below(static_cast<int>(enabled.size())))];
    }
    int choice(int count) override { return random_.below(count); }

private:
    Random random_;
};

}  // namespace explorer
