// POS (Yuan, Yang, Gu: Partial order aware concurrency sampling, CAV 2018): every pending access has a random priority
// and the highest is made; the pending accesses that it races with (same location, one of them a write) and the
// worker's next one draw new priorities. So orders between independent accesses do not dilute the sample.
#pragma once

#include <array>

#include "random.hpp"
#include "walk.hpp"

namespace explorer {

class Pos final : public Strategy {
public:
    explicit Pos(std::uint64_t seed, int stale_every = 4) : random_(seed), stale_every_(stale_every) {}

    void begin() override {
        for (auto& priority : priority_) priority = random_.next();
    }
    int worker(std::span<const int> enabled, const Machine& machine) override {
        int best = enabled.front();
        for (const int worker : enabled) {
            if (at(worker) > at(best)) best = worker;
        }
        const Operation& made = machine.pending(best);
        const bool writes = made.kind == Kind::write || made.update != Update::none;
        for (const int worker : enabled) {
            const Operation& other = machine.pending(worker);
            const bool races = other.location == made.location && made.location != no_location &&
                               (writes || other.kind == Kind::write || other.update != Update::none);
            if (worker == best || races) at(worker) = random_.next();
        }
        return best;
    }
    int choice(int count) override { return random_.below(stale_every_) == 0 ? random_.below(count) : 0; }

private:
    std::uint64_t& at(int worker) { return priority_[static_cast<std::size_t>(worker)]; }

    Random random_;
    std::array<std::uint64_t, max_workers> priority_{};
    int stale_every_;
};

}  // namespace explorer
