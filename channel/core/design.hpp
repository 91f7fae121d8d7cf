// The choices of the algorithm that a planted bug may change: its memory orders, by site, and its steps.
//
// The algorithm is a template over a `Design`. `Faithful` is the production design: every answer is a constant, so it
// costs nothing and nothing planted is compiled into the production entry points. harness/native/mutants.hpp has the
// other one.
#pragma once

#include <atomic>

namespace ipc {

// Every place of the algorithm where a memory order was chosen.
enum class Site : unsigned {
    take_owner,        // compare-and-swap 0 -> me: sees everything that the last owner did
    give_owner,        // store of 0 where nothing was published
    give_owner_fence,  // full barrier of the exchange that gives the owner word back: publication before `sleepers`
    load_head_writer,  // before reusing the space that readers have left
    writer_fence,      // a reader that sees a byte of this payload also sees the head that allowed it
    publish,           // store of the header
    store_tail,        // for state(), which reads tail outside the lock
    load_tail,
    load_head_reader,
    load_header,
    reader_fence,      // after the optimistic copy, before head is looked at again
    take_head,         // compare-and-swap of a removal: the copy is over before the space is free
    load_seq,          // before the last look at the ring
    sleeper_fence,     // `sleepers` raised before the last look at the ring
    bump_seq,
    count              // not a site
};

constexpr std::memory_order chosen_order(Site site) {
    switch (site) {
        case Site::take_owner:
        case Site::load_head_writer:
        case Site::load_tail:
        case Site::load_head_reader:
        case Site::load_header:
        case Site::reader_fence:
        case Site::load_seq: return std::memory_order_acquire;
        case Site::give_owner:
        case Site::writer_fence:
        case Site::publish:
        case Site::store_tail:
        case Site::take_head:
        case Site::bump_seq: return std::memory_order_release;
        case Site::give_owner_fence:
        case Site::sleeper_fence:
        case Site::count: return std::memory_order_seq_cst;
    }
    return std::memory_order_seq_cst;
}

// Steps that a mutant leaves out, repeats or does at the wrong time. What each does to the channel: mutants.hpp.
enum class Bug : unsigned {
    none,
    doubled_message,       // every n-th read leaves the message in place
    dropped_message,       // every n-th write reports success and publishes nothing
    torn_payload,          // every n-th payload has one byte changed
    blind_removal,         // a read stores head instead of comparing and swapping it
    unchecked_empty,       // EMPTY without the second look at head
    unchecked_peek,        // peek without the second look at head
    early_publish,         // the header is published before the payload is copied
    no_terminator,         // the header of the next entry is not cleared
    skip_any,              // skip(id) removes the head whatever its id
    lost_wakeup,           // seq is sampled after the last look at the ring
    silent_writer,         // a write never wakes anybody
    early_timeout,         // a time-out is reported at half its time
    no_recovery,           // a dead owner is left in place
    trusting_recovery,     // recovery trusts tail and does not look for headers published beyond it
    overfull,              // the 16 spare bytes of the terminator are given away
    wrong_wrap,            // what goes on at the start of the ring is written a word too far
    short_skip,            // a skip moves head by the smallest entry, whatever stands there
    unchecked_batch,       // a batch is EMPTY without the second look at head
    unchecked_state,       // state() without the second look at head
    late_tail,             // a batch stores tail at its end only
    silent_partial,        // a batch that did not fit whole wakes nobody
    silent_recovery,       // recovery wakes nobody
    late_timeout,          // a time-out is reported at ten times its time
    blind_read_timeout,    // a read times out without a look at the ring after its deadline
    blind_write_timeout,   // a write times out without a look at the ring after its deadline
    greedy_batch,          // read_many takes one message more than it was asked for
    repeated_batch,        // a batch that did not fit whole writes its last message again
    kept_owner,            // recovery keeps the owner word
    other_id,              // peek tells the id of the entry behind
    early_group,           // the first message of a batch is published before the others are laid out
    count
};

struct Faithful {
    static constexpr std::memory_order order(Site site) { return chosen_order(site); }
    static constexpr bool plants(Bug) { return false; }
    static constexpr bool strikes(Bug) { return false; }  // for bugs of every n-th call: is it this one's turn?
};

template <class D>
concept Design = requires(D& design, Site site, Bug bug) {
    { design.order(site) } -> std::same_as<std::memory_order>;
    { design.plants(bug) } -> std::same_as<bool>;
    { design.strikes(bug) } -> std::same_as<bool>;
};

}  // namespace ipc
