// What calls of one kind cost together.
#pragma once

#include "channel/core/retry.hpp"

namespace harness {

struct Tally {
    u64 calls = 0;
    ipc::Effort effort;

    void add(const ipc::Effort& one) {
        ++calls;
        effort.rounds += one.rounds;
        if (one.rounds <= 1 && one.sleeps == 0 && one.wakeups == 0) return;
        effort.conflicts += one.conflicts;
        effort.sleeps += one.sleeps;
        effort.wakeups += one.wakeups;
        effort.recoveries += one.recoveries;
    }
};

}  // namespace harness
