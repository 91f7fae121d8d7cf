// Planted bugs of the channel: the other model of ipc::Design.
//
// A check that cannot fail is a defect, so each check of the harness has mutants here that it must convict. A mutant is
// one step of the algorithm left out, repeated or moved (ipc::Bug), or one memory order weakened (ipc::Site). It is a
// value chosen at run time; the production entry points instantiate ipc::Faithful alone and cannot reach it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "channel/core/design.hpp"

namespace harness {

using ipc::Bug;
using ipc::Site;

class Planted {
public:
    static constexpr std::uint32_t kEvery = 64;  // calls between two strikes of a bug of every n-th call

    Planted() = default;  // nothing planted
    explicit Planted(Bug bug, std::uint32_t every = kEvery) : bug_(bug), every_(every) {}
    Planted(Site site, std::memory_order weaker) : site_(site), weaker_(weaker) {}

    std::memory_order order(Site site) const { return site == site_ ? weaker_ : ipc::chosen_order(site); }
    bool plants(Bug bug) const { return bug == bug_ && bug != Bug::none; }
    // Deterministic: each channel object counts its own calls.
    bool strikes(Bug bug) { return plants(bug) && ++calls_ % every_ == 0; }

private:
    Bug bug_ = Bug::none;
    Site site_ = Site::count;
    std::memory_order weaker_ = std::memory_order_seq_cst;
    std::uint32_t every_ = kEvery;
    std::uint32_t calls_ = 0;
};
static_assert(ipc::Design<Planted>);

// How a mutant comes to light.
enum class Nature : std::uint8_t {
    deterministic,  // in every run that makes enough calls
    racy,           // needs an interleaving that stress meets only by chance
    crash,          // needs a participant killed at the right step
    weak,           // needs a machine, or an explorer, that reorders
};

struct Mutant {
    std::string_view name;
    std::string_view description;
    std::string_view found_by;  // the property whose check convicts it first
    Nature nature;
    Planted design;
    bool counts;                // does it strike every n-th call?
    std::string_view explored;  // the program that convicts it under the explorer (harness/explore/programs.py); of a
                                // crash, with somebody killed
};

inline constexpr std::memory_order kRelaxed = std::memory_order_relaxed;

// clang-format off
inline const std::array kMutants{
    Mutant{"doubled-message", "every n-th read leaves the message at the head", "integrity",
           Nature::deterministic, Planted(Bug::doubled_message), true, "alone 32"},
    Mutant{"dropped-message", "every n-th write reports success and publishes nothing", "integrity",
           Nature::deterministic, Planted(Bug::dropped_message), true, "alone 48"},
    Mutant{"torn-payload", "every n-th payload has one bit flipped", "integrity",
           Nature::deterministic, Planted(Bug::torn_payload), true, "alone 48"},
    Mutant{"skip-any", "skip(id) removes the head whatever its id", "integrity",
           Nature::deterministic, Planted(Bug::skip_any), false, "skips"},
    Mutant{"early-timeout", "a time-out is reported at half its time", "timeliness",
           Nature::deterministic, Planted(Bug::early_timeout), false, "timeouts"},
    Mutant{"silent-writer", "a write never wakes a sleeping reader", "timeliness",
           Nature::deterministic, Planted(Bug::silent_writer), false, "sleep"},
    Mutant{"overfull", "the 16 spare bytes of the terminator are given away: a write that fills the ring clears the head's "
           "header", "fifo", Nature::deterministic, Planted(Bug::overfull), false, "full"},
    Mutant{"no-terminator", "the header after a new entry is not cleared: stale bytes pass for a message", "integrity",
           Nature::deterministic, Planted(Bug::no_terminator), false, "alone 48"},
    Mutant{"blind-removal", "a read stores head instead of comparing and swapping it", "integrity",
           Nature::racy, Planted(Bug::blind_removal), false, "alone 48"},
    Mutant{"unchecked-empty", "EMPTY without the second look at head", "fifo",
           Nature::racy, Planted(Bug::unchecked_empty), false, "alone 48"},
    Mutant{"unchecked-peek", "peek without the second look at head", "integrity",
           Nature::racy, Planted(Bug::unchecked_peek), false, "alone 32"},
    Mutant{"early-publish", "the header is published before the payload is copied", "integrity",
           Nature::racy, Planted(Bug::early_publish), false, "alone 32"},
    Mutant{"lost-wakeup", "a reader samples the futex word after its last look at the ring", "timeliness",
           Nature::racy, Planted(Bug::lost_wakeup), false, "sleep"},
    Mutant{"no-recovery", "a dead owner is left in place: every later write waits for it", "progress",
           Nature::crash, Planted(Bug::no_recovery), false, "dead writer"},
    Mutant{"trusting-recovery", "recovery believes tail, where a published header stands: no write can go on", "progress",
           Nature::crash, Planted(Bug::trusting_recovery), false, "dead writer"},
    Mutant{"wrong-wrap", "what goes on at the start of the ring is written a word too far", "integrity",
           Nature::deterministic, Planted(Bug::wrong_wrap), false, "straddling"},
    Mutant{"short-skip", "skip(id) removes 16 bytes, whatever stands there", "integrity",
           Nature::deterministic, Planted(Bug::short_skip), false, "skipped sizes"},
    Mutant{"silent-partial", "a batch that did not fit whole wakes nobody", "timeliness",
           Nature::deterministic, Planted(Bug::silent_partial), false, "partial batch"},
    Mutant{"unchecked-batch", "read_many: EMPTY without the second look at head", "fifo",
           Nature::racy, Planted(Bug::unchecked_batch), false, "empty batch"},
    Mutant{"unchecked-state", "state() without the second look at head", "state",
           Nature::racy, Planted(Bug::unchecked_state), false, "looking at a lap"},
    Mutant{"late-tail", "a batch stores tail at its end only: recovery begins at an entry that is overwritten", "progress",
           Nature::crash, Planted(Bug::late_tail), false, "dead batch of three"},
    Mutant{"silent-recovery", "recovery wakes nobody: who sleeps beside the dead writer's message sleeps on",
           "progress", Nature::crash, Planted(Bug::silent_recovery), false, "dead waker"},
    Mutant{"late-timeout", "a time-out is reported at ten times its time", "progress",
           Nature::deterministic, Planted(Bug::late_timeout), false, "timeouts"},
    Mutant{"blind-read-timeout", "a read times out without a last look at the ring: what came while it slept is overlooked",
           "fifo", Nature::racy, Planted(Bug::blind_read_timeout), false, "timeouts"},
    Mutant{"blind-write-timeout", "a write times out without a last look at the ring: what went while it paused is overlooked",
           "fifo", Nature::racy, Planted(Bug::blind_write_timeout), false, "timeouts"},
    Mutant{"greedy-batch", "read_many takes one message more than it was asked for", "integrity",
           Nature::deterministic, Planted(Bug::greedy_batch), false, "more than asked"},
    Mutant{"repeated-batch", "a batch that did not fit whole writes its last message again", "integrity",
           Nature::deterministic, Planted(Bug::repeated_batch), false, "partial batch"},
    Mutant{"kept-owner", "recovery keeps the owner word: nobody writes any more, nor does who replaced the dead writer",
           "progress", Nature::crash, Planted(Bug::kept_owner), false, "dead writer"},
    Mutant{"other-id", "peek tells the id of the entry behind the one that it returns", "integrity",
           Nature::deterministic, Planted(Bug::other_id), false, "alone 32"},
    Mutant{"early-group", "a batch shows its first message before the others are laid out", "integrity",
           Nature::racy, Planted(Bug::early_group), false, "batch of a lap"},
    Mutant{"take-owner-relaxed", "taking the owner word acquires nothing", "integrity",
           Nature::weak, Planted(Site::take_owner, kRelaxed), false, "full"},
    Mutant{"give-owner-relaxed", "giving the owner word back without a publication releases nothing", "integrity",
           Nature::weak, Planted(Site::give_owner, kRelaxed), false, "full"},
    Mutant{"give-owner-fence-release", "giving the owner word back after a publication releases, but is no full barrier",
           "timeliness", Nature::weak, Planted(Site::give_owner_fence, std::memory_order_release), false, "sleep"},
    Mutant{"give-owner-fence-relaxed", "giving the owner word back after a publication orders nothing", "integrity",
           Nature::weak, Planted(Site::give_owner_fence, kRelaxed), false, "full"},
    Mutant{"load-head-writer-relaxed", "a writer reuses space that a reader may still be copying", "integrity",
           Nature::weak, Planted(Site::load_head_writer, kRelaxed), false, "batches"},
    Mutant{"writer-fence-relaxed", "a reader may see new payload and the old head together", "integrity",
           Nature::weak, Planted(Site::writer_fence, kRelaxed), false, "alone 48"},
    Mutant{"publish-relaxed", "the header may be seen before its payload", "integrity",
           Nature::weak, Planted(Site::publish, kRelaxed), false, "alone 32"},
    Mutant{"store-tail-relaxed", "state() may see a tail before the entries in front of it", "state",
           Nature::weak, Planted(Site::store_tail, kRelaxed), false, "looking"},
    Mutant{"load-tail-relaxed", "state() may see a tail before the entries in front of it", "state",
           Nature::weak, Planted(Site::load_tail, kRelaxed), false, "looking"},
    Mutant{"load-head-reader-relaxed", "a reader may meet an older header at the head it loaded", "fifo",
           Nature::weak, Planted(Site::load_head_reader, kRelaxed), false, "alone 32"},
    Mutant{"load-header-relaxed", "a reader may copy the payload before it sees the header", "integrity",
           Nature::weak, Planted(Site::load_header, kRelaxed), false, "alone 32"},
    Mutant{"reader-fence-relaxed", "a reader may look at head again before its copy is over", "integrity",
           Nature::weak, Planted(Site::reader_fence, kRelaxed), false, "alone 32"},
    Mutant{"take-head-relaxed", "the space of a removed message may be reused before its copy is over", "integrity",
           Nature::weak, Planted(Site::take_head, kRelaxed), false, "reuse"},
    Mutant{"load-seq-relaxed", "a reader may sample the futex word after its last look at the ring", "timeliness",
           Nature::weak, Planted(Site::load_seq, kRelaxed), false, "two sleepers"},
    Mutant{"sleeper-fence-acq-rel", "a reader may look at the ring before its `sleepers` flag is seen", "timeliness",
           Nature::weak, Planted(Site::sleeper_fence, std::memory_order_acq_rel), false, "sleep"},
    Mutant{"bump-seq-relaxed", "a woken reader may miss the message that woke it", "timeliness",
           Nature::weak, Planted(Site::bump_seq, kRelaxed), false, "two sleepers"},
};
// clang-format on

// The design behind a name; none if there is no such mutant. `every` = 0: the default.
inline std::optional<Planted> planted(std::string_view name, std::uint32_t every = 0) {
    for (const Mutant& mutant : kMutants) {
        if (mutant.name != name) continue;
        if (!mutant.counts || every == 0) return mutant.design;
        for (const Bug bug : {Bug::doubled_message, Bug::dropped_message, Bug::torn_payload})
            if (mutant.design.plants(bug)) return Planted(bug, every);
    }
    return std::nullopt;
}

}  // namespace harness
