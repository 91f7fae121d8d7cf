// PCT (Burckhardt, Kothari, Musuvathi, Nagarakatte: A randomized scheduler with probabilistic guarantees of finding
// bugs, ASPLOS 2010): the enabled worker of highest priority runs; priorities are a random permutation, and at depth -
// 1 random steps the running worker falls below all others. A bug of depth d in n workers and k steps is found with
// probability at least 1 / (n k^(d-1)) a walk.
//
// The age of what is read is outside that theorem. A read takes the newest store except once in `stale_every`,
// following the finding that few weak reads suffice (Gao et al., Probabilistic concurrency testing for weak memory
// programs, ASPLOS 2023).
#pragma once

#include <algorithm>
#include <vector>

#include "random.hpp"
#include "walk.hpp"

namespace explorer {

class Pct final : public Strategy {
public:
    Pct(std::uint64_t seed, int workers, int depth = 3, int stale_every = 8)
        : random_(seed), priority_(static_cast<std::size_t>(workers)), depth_(depth), stale_every_(stale_every) {}

    void begin() override {
        longest_ = std::max(longest_, step_);
        step_ = 0;
        for (std::size_t worker = 0; worker < priority_.size(); ++worker)
            priority_[worker] = depth_ + static_cast<int>(worker);
        for (std::size_t last = priority_.size() - 1; last > 0; --last) {
            std::swap(priority_[last], priority_[static_cast<std::size_t>(random_.below(static_cast<int>(last) + 1))]);
        }
        changes_.clear();
        for (int change = 1; change < depth_; ++change) changes_.push_back(random_.below(longest_));
    }
    int worker(std::span<const int> enabled, const Machine&) override {
        int best = highest(enabled);
        for (std::size_t change = 0; change < changes_.size(); ++change) {
            if (changes_[change] != step_) continue;
            priority_[static_cast<std::size_t>(best)] = static_cast<int>(change);
            best = highest(enabled);
        }
        ++step_;
        return best;
    }
    int choice(int count) override { return random_.below(stale_every_) == 0 ? random_.below(count) : 0; }

private:
    int highest(std::span<const int> enabled) const {
        int best = enabled.front();
        for (const int worker : enabled) {
            if (priority_[static_cast<std::size_t>(worker)] > priority_[static_cast<std::size_t>(best)]) best = worker;
        }
        return best;
    }

    Random random_;
    std::vector<int> priority_;
    std::vector<int> changes_;
    int depth_;
    int stale_every_;
    int step_ = 0;
    int longest_ = 16;  // k, learnt from the walks so far
};

}  // namespace explorer
