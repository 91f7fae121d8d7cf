// A design of the channel that takes a little longer: what the self-test of the gate has to notice.
//
// The faithful algorithm, with time spent where a call begins (the first access of a round of a writer, of a reader).
// The unit is a dependent multiplication, and a rate of 1/256 units per call can be set, since 3 % of a call of 20 ns is
// less than one of them. Compiled into the gate's own driver only.
#pragma once

#include <cstdint>

#include "channel/core/design.hpp"

namespace bench {

class Delayed {
public:
    static inline std::uint64_t rate = 0;  // units per call, times 256

    std::memory_order order(ipc::Site site) const {
        if (site == ipc::Site::take_owner || site == ipc::Site::load_head_reader) spend();
        return ipc::chosen_order(site);
    }
    static constexpr bool plants(ipc::Bug) { return false; }
    static constexpr bool strikes(ipc::Bug) { return false; }

private:
    void spend() const {
        credit_ += rate;
        std::uint64_t value = credit_;
        for (; credit_ >= 256; credit_ -= 256) {
            value *= 0x9e3779b97f4a7c15;
            asm volatile("" : "+r"(value));  // each waits for the one before
        }
    }
    mutable std::uint64_t credit_ = 0;
};
static_assert(ipc::Design<Delayed>);

}  // namespace bench
