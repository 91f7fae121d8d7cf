// The channel: a bounded multi-producer multi-consumer FIFO of byte messages in one block of shared memory.
//
// Writers take turns by an owner word that names its holder, so that a dead one can be replaced; readers are optimistic:
// they copy the head and then move `head` by one compare-and-swap. A message exists from the store of its header on, one
// of a batch from that of its group's first, until `head` moves past it. ARCHITECTURE.md tells it in prose;
// docs/memory-orders.md argues each order, and the explorer (harness/native/explorer) checks them.
//
// LP marks the linearization point of each outcome. The algorithm is written once, over any Memory and any Design.
#pragma once

#include <array>
#include <atomic>
#include <span>

#include "channel/core/design.hpp"
#include "channel/core/layout.hpp"
#include "channel/core/retry.hpp"

namespace ipc {

// Numbers as in harness/operation.py.
enum class Status : std::uint8_t {
    ok, full, empty, timeout, mismatch, too_large, retry_limit, closed, corrupted,
    interrupted,  // the hook gave up; the call had no effect
    conflict,     // of one round; never leaves this file
};

// What state() saw at one instant.
struct Snapshot {
    u64 entries = 0;
    u64 bytes = 0;  // occupied in the ring, headers and padding included
    Position head = 0;
    Position tail = 0;
    bool closed = false;
};

// Where a read puts its payload: reserve(length, id) gives room for `length` bytes, or null to leave the message where
// it is (the call then returns too_large). May be called again if the round is lost to another reader.
template <class S>
concept Sink = requires(S& sink, u64 length, Position id) {
    { sink.reserve(length, id) } -> std::same_as<std::byte*>;
};

// Where read_many puts its payloads: restart() forgets all that was reserved, as a round begins.
template <class S>
concept BatchSink = Sink<S> && requires(S& sink) { sink.restart(); };

// The messages of write_many: message(i) gives the i-th; accepted(i, id) tells that it was published.
template <class S>
concept Source = requires(S& source, std::size_t i, Position id) {
    { source.message(i) } -> std::same_as<std::span<const std::byte>>;
    { source.accepted(i, id) };
};

struct NoSink {
    std::byte* reserve(u64, Position) { return nullptr; }
};

// One participant's view of the block. May be shared by threads of one process as long as no two of them are inside the
// same call of it at once, apart from the steps handed to Hook::waiting.
template <Memory M, Design D = Faithful>
class Channel {
public:
    // `me`: this process's owner word (owner_word in layout.hpp); read again at every write, since a fork changes it.
    Channel(M memory, Geometry geometry, Policy policy, const std::atomic<u64>* me, D design = D{})
        : memory_(memory), geometry_(geometry), policy_(policy), me_(me), design_(design) {}
    Channel(const Channel& other) : Channel(other.memory_, other.geometry_, other.policy_, other.me_, other.design_) {}
    Channel& operator=(const Channel&) = delete;

    const Geometry& geometry() const { return geometry_; }
    const Policy& policy() const { return policy_; }
    M& memory() { return memory_; }
    D& design() { return design_; }

    // ---- writing

    template <Hook H>
    Status write(std::span<const std::byte> message, Position& id, Nanoseconds deadline, Effort& effort, H& hook) {
        if (message.size() > geometry_.max_message()) return Status::too_large;
        return blocking_write(deadline, effort, hook, [&] { return write_round(message, id, effort); });
    }

    // Never sleeps: FULL at once; a conflict is retried up to the limit.
    Status try_write(std::span<const std::byte> message, Position& id, Effort& effort) {
        if (message.size() > geometry_.max_message()) return Status::too_large;
        return spinning(effort, [&] { return write_round(message, id, effort); });
    }

    // The same; what an owner that does not move makes long is handed to `hook`, which lets the caller's others go on.
    template <class H>
    Status try_write(std::span<const std::byte> message, Position& id, Effort& effort, H& hook) {
        if (message.size() > geometry_.max_message()) return Status::too_large;
        std::uint32_t lost = 0;
        std::uint32_t enough = spin_limit() > kBriefRounds ? kBriefRounds : 0;
        Status then = Status::interrupted;
        const auto round = [&] {
            const Status status = write_round(message, id, effort);
            if (status != Status::conflict || ++lost != enough) return status;
            ++effort.conflicts;
            return then;
        };
        if (const Status status = spinning(effort, round); status != Status::interrupted) return status;
        enough = spin_limit();
        then = Status::retry_limit;
        return hook.without_gil([&] { return spinning(effort, round); });
    }

    // Writes all messages, in order, as several rounds of at most kChunkMessages or kChunkBytes; other writers may come
    // between rounds. `done` counts what was published, whatever the status.
    template <Source S, Hook H>
    Status write_many(S& source, std::size_t count, std::size_t& done, Nanoseconds deadline, Effort& effort, H& hook) {
        done = 0;
        for (std::size_t i = 0; i < count; ++i)
            if (source.message(i).size() > geometry_.max_message()) return Status::too_large;
        while (done < count) {
            const Status status = blocking_write(deadline, effort, hook, [&] {
                return write_chunk_round(source, count, done, effort);
            });
            if (status != Status::ok) return status;
        }
        return Status::ok;
    }

    // End of the stream: no write is accepted from now on; readers drain what is there and then get `closed`.
    template <Hook H>
    Status shutdown(Nanoseconds deadline, Effort& effort, H& hook) {
        return blocking_write(deadline, effort, hook, [&] { return shutdown_round(effort); });
    }

    // ---- reading

    template <Sink S, Hook H>
    Status try_read(S& sink, Position& id, Effort& effort, H& hook) {
        return try_read(sink, id, effort, hook, spin_limit());
    }

    template <Sink S, Hook H>
    Status read(S& sink, Position& id, Nanoseconds deadline, Effort& effort, H& hook) {
        return blocking_read(deadline, effort, hook, std::size_t{1},
                             [&](std::uint32_t rounds) { return try_read(sink, id, effort, hook, rounds); });
    }

    // Takes up to `limit` messages that stand at the head together, by one compare-and-swap. `taken` > 0 with ok.
    template <BatchSink S>
    Status try_read_many(S& sink, std::size_t limit, std::size_t& taken, Effort& effort) {
        return try_read_many(sink, limit, taken, effort, spin_limit());
    }

    template <BatchSink S, Hook H>
    Status read_many(S& sink, std::size_t limit, std::size_t& taken, Nanoseconds deadline, Effort& effort, H& hook) {
        return blocking_read(deadline, effort, hook, taken, [&](std::uint32_t rounds) {
            return try_read_many(sink, limit, taken, effort, rounds);
        });
    }

    template <Sink S, Hook H>
    Status peek(S& sink, Position& id, Effort& effort, H& hook) {
        return spinning(effort, [&] { return peek_round(sink, id, hook); });
    }

    // Removes the head if and only if it is entry `target`. `seen`: the head that was there, with ok and mismatch.
    Status skip(Position target, Position& seen, Effort& effort) {
        return spinning(effort, [&] { return skip_round(target, seen); });
    }

    // Removes whatever is at the head. Takes no lock, so it works beside dead and stopped peers.
    Status skip_force(Position& id, Effort& effort) {
        return spinning(effort, [&] {
            const Position head = load_head();
            id = head;
            return skip_head(head);
        });
    }

    // ---- looking

    // A snapshot of one instant, or retry_limit if the head never stood still.
    Status snapshot(Snapshot& seen, Effort& effort) {
        return spinning(effort, [&] { return snapshot_round(seen); });
    }

    // ---- the dead

    // Replaces the owner if it is exactly `owner` and its holder is dead. Idempotent; may itself be killed anywhere.
    bool recover_if_dead(u64 owner, Effort& effort) {
        if (owner == 0 || owner == me() || design_.plants(Bug::no_recovery) || memory_.alive(owner_slot(owner)))
            return false;
        recover(owner, effort);
        return true;
    }

    // What whoever acquires a slot does first: an owner word that carries this slot is its last holder's, who is dead,
    // and whom nobody could tell from the new holder any more.
    void recover_slot(unsigned slot, Effort& effort) {
        const u64 owner = memory_.load(at::owner, std::memory_order_relaxed);
        if (owner != 0 && owner != me() && owner_slot(owner) == slot && !design_.plants(Bug::no_recovery))
            recover(owner, effort);
    }

    static constexpr std::size_t kChunkMessages = 64;
    static constexpr u64 kChunkBytes = 64 * 1024;
    static constexpr u64 kGroupBytes = 4 * 1024;  // published at once

private:
    // No honest peer makes a call that cannot sleep lose so many rounds; a hostile one shall not hold it for ever.
    static constexpr std::uint32_t kMaxRounds = 1u << 20;
    static constexpr Nanoseconds kSuspicion = 100'000;   // an owner word unchanged for so long is asked after
    static constexpr Nanoseconds kFullPause = 10'000;    // a writer that polls head more often takes it from the readers
    static constexpr Nanoseconds kGrace = 1'000'000;     // conflicts are retried for so long after a deadline
    static constexpr Nanoseconds kLead = 1'000;          // a reader that caught up with a stream leaves to the writer
    static constexpr u64 kStream = 4;                    // messages that make a stream: only the first read may have waited
    static constexpr std::uint32_t kFirstLooks = 16;     // some 300 ns of them
    static constexpr std::uint32_t kSpinRounds = 4;      // conflicts that are retried without a sleep
    static constexpr std::uint32_t kBriefRounds = 64;    // conflicts, some 50 us of them, that nobody else need care about

    u64 me() const { return me_->load(std::memory_order_relaxed); }
    std::memory_order order(Site site) const { return design_.order(site); }
    Position load_head() { return memory_.load(at::head, order(Site::load_head_reader)); }
    // Entries begin at multiples of kEntryAlignment, and so does the end of the ring: it never parts a header from the
    // first byte of its payload.
    static Offset payload_after(Offset header_at) { return header_at + kHeaderBytes; }
    static_assert(kHeaderBytes < kEntryAlignment);
    static bool aligned(Position position) { return position % kEntryAlignment == 0; }

    // ---- the owner word

    Status take_owner() {
        u64 owner = memory_.load(at::owner, std::memory_order_relaxed);
        if (owner == 0 &&
            memory_.compare_exchange(at::owner, owner, me(), order(Site::take_owner), std::memory_order_relaxed))
            return Status::ok;
        seen_owner_.store(owner, std::memory_order_relaxed);
        return Status::conflict;
    }

    void give_owner() { memory_.store(at::owner, 0, order(Site::give_owner)); }

    void give_owner_after(Position tail) {
        memory_.store(at::tail, tail, order(Site::store_tail));
        const auto barrier = order(Site::give_owner_fence);
        if (barrier == std::memory_order_seq_cst) memory_.exchange_full_barrier(at::owner, 0);
        else memory_.exchange(at::owner, 0, barrier);
    }

    // After a publication: the full barrier orders it before the look at `sleepers`, as the reader's fence orders
    // raising `sleepers` before its last look at the ring. One of the two sees the other.
    void give_owner_and_wake(Position tail, Effort& effort) {
        give_owner_after(tail);
        if (memory_.load(at::sleepers, std::memory_order_relaxed) != 0 &&
            memory_.exchange(at::sleepers, 0, std::memory_order_relaxed) != 0)
            wake(effort);
    }

    // All of them: `sleepers` is a flag, and a second sleeper must not stay beside a second message.
    void wake(Effort& effort) {
        if (design_.plants(Bug::silent_writer)) return;
        memory_.fetch_add(at::seq, 1, order(Site::bump_seq));
        memory_.wake_all(at::seq);
        ++effort.wakeups;
    }

    void recover(u64 owner, Effort& effort) {
        if (!memory_.compare_exchange(at::owner, owner, me(), order(Site::take_owner), std::memory_order_relaxed))
            return;
        // The dead writer may have published entries that it never counted in tail; readers may have taken them.
        Position tail = memory_.load(at::tail, std::memory_order_relaxed);
        for (const Position start = tail;
             aligned(tail) && !design_.plants(Bug::trusting_recovery);) {  // not if closed, nor if hostile
            const u64 header = memory_.load(geometry_.header_at(tail), std::memory_order_relaxed);
            if (!is_published(header)) break;
            const Position next = tail + entry_bytes(header_length(header));
            if (is_terminal(header)) tail |= kClosed;
            else if (next - start < geometry_.capacity()) tail = next;  // a distance: behind the last position comes 0
            else break;  // hostile: the writer that comes next meets a published header at tail
            memory_.pause();
        }
        memory_.fetch_add(at::recoveries, 1, std::memory_order_relaxed);
        ++effort.recoveries;
        if (design_.plants(Bug::kept_owner)) memory_.store(at::tail, tail, order(Site::store_tail));
        else if (design_.plants(Bug::silent_recovery)) give_owner_after(tail);
        else give_owner_and_wake(tail, effort);
    }

    // Kernel time for a question that is rarely answered by "dead": asked only of a word that has not moved for a while.
    void suspect(Effort& effort) {
        const u64 owner = seen_owner_.load(std::memory_order_relaxed);
        const Nanoseconds now = memory_.now();
        if (owner == 0) return;
        if (suspect_.exchange(owner, std::memory_order_relaxed) != owner) {
            suspected_since_.store(now, std::memory_order_relaxed);
        } else if (now - suspected_since_.load(std::memory_order_relaxed) > kSuspicion) {
            recover_if_dead(owner, effort);
            suspected_since_.store(now, std::memory_order_relaxed);
        }
    }

    // ---- rounds of a writer

    // Inlined, or a compiler that shares it between write and try_write keeps `tail` in memory: a tenth of a write.
    [[gnu::always_inline]] Status write_round(std::span<const std::byte> message, Position& id, Effort& effort) {
        if (const Status status = take_owner(); status != Status::ok) return status;
        Position tail = memory_.load(at::tail, std::memory_order_relaxed);
        id = tail;
        std::size_t done = 0;
        const Status status = append(tail, OneMessage{message}, 1, done);
        if (status == Status::ok) give_owner_and_wake(tail, effort);
        else give_owner();
        return status;
    }

    template <Source S>
    Status write_chunk_round(S& source, std::size_t count, std::size_t& done, Effort& effort) {
        if (const Status status = take_owner(); status != Status::ok) return status;
        Position tail = memory_.load(at::tail, std::memory_order_relaxed);
        const Position start = tail;
        const std::size_t end = std::min(count, done + kChunkMessages);
        Status status = Status::ok;
        while (status == Status::ok && done < end && tail - start < kChunkBytes) {
            // Recovery walks from the stored tail; were it left at the start of the chunk, messages that readers took
            // meanwhile could be overwritten by later ones, and the walk would parse payload.
            if (tail != start && !design_.plants(Bug::late_tail)) memory_.store(at::tail, tail, order(Site::store_tail));
            status = append(tail, source, end, done);
        }
        if (tail == start) {
            give_owner();
            return status;
        }
        if (status == Status::ok || !design_.plants(Bug::silent_partial)) give_owner_and_wake(tail, effort);
        else give_owner_after(tail);
        if (status == Status::full && design_.plants(Bug::repeated_batch)) --done;
        return Status::ok;  // what did not fit is met again at the start of the next round
    }

    Status shutdown_round(Effort& effort) {
        if (const Status status = take_owner(); status != Status::ok) return status;
        const Position tail = memory_.load(at::tail, std::memory_order_relaxed);
        if ((tail & kClosed) != 0) {
            give_owner();
            return Status::ok;
        }
        if (!aligned(tail)) {
            give_owner();
            return Status::corrupted;
        }
        const Offset header_at = geometry_.header_at(tail);
        const u64 index = header_index(memory_.load(header_at, std::memory_order_relaxed));
        memory_.store(header_at, published_header(index, kTerminalLength), order(Site::publish));  // LP
        give_owner_and_wake(tail | kClosed, effort);
        return Status::ok;
    }

    struct OneMessage {
        std::span<const std::byte> bytes;
        std::span<const std::byte> message(std::size_t) const { return bytes; }
        void accepted(std::size_t, Position) const {}
    };

    // Publishes messages `done` to `end` of `source` at `tail`, or as many as there is room for and as make a group, and
    // moves both past them. The caller holds the owner word.
    //
    // A group is laid out behind the unpublished header at `tail`, beyond which no reader of this lap looks, and appears
    // by the store of its first header. So its stores go forward through the ring and nowhere else, which is what lets a
    // core fetch the lines ahead; one other store for each message takes three times as long where the reader's cache is
    // far (docs/decisions/0030). Hence no counter in the loop that has to be kept in memory.
    template <class S>
    Status append(Position& tail, S&& source, std::size_t end, std::size_t& done) {
        constexpr bool one = std::is_same_v<std::remove_cvref_t<S>, OneMessage>;  // known to the compiler: no loop
        const Position start = tail;
        const std::size_t first = done;
        if ((start & kClosed) != 0) return Status::closed;
        Status status = Status::ok;
        Position next = start;
        Offset next_at = 0;
        Offset first_at = 0;
        u64 first_header = 0;
        const auto index = [&](std::size_t i) { return (header_index(first_header) + (i - first)) & kIndexMask; };
        std::size_t i = first;
        do {
            const std::span<const std::byte> message = source.message(i);
            const u64 need = entry_bytes(message.size());
            if (status = make_room(next, need); status != Status::ok) break;
            if (i == first) {
                if (!aligned(start)) return Status::corrupted;  // before its header is looked at: that might lie outside
                next_at = first_at = geometry_.header_at(start);
                const u64 terminator = memory_.load(first_at, std::memory_order_relaxed);
                if (is_published(terminator)) return Status::corrupted;  // I1 is broken: not by this code
                if (design_.strikes(Bug::dropped_message)) return ++done, Status::ok;
                first_header = published_header(header_index(terminator), message.size());
                if (design_.plants(Bug::early_publish)) memory_.store(first_at, first_header, order(Site::publish));
            } else {
                memory_.store(next_at, published_header(index(i), message.size()), std::memory_order_relaxed);
            }
            memory_.fence(order(Site::writer_fence));  // for each message: `head` may have been loaded for this one
            copy_in(payload_after(next_at), message);
            if (i == first && design_.plants(Bug::early_group))
                memory_.store(first_at, first_header, order(Site::publish));
            next += need;
            next_at = geometry_.advance(next_at, need);
            ++i;
        } while (!one && i < end && next - start < group_bytes());
        if (i == first) return status;
        if (!design_.plants(Bug::no_terminator))
            memory_.store(next_at, unpublished_header(index(i)), std::memory_order_relaxed);
        memory_.store(first_at, first_header, order(Site::publish));  // LP of ok, for each message of the group
        for (; done < i; ++done) {
            source.accepted(done, tail);
            tail += entry_bytes(source.message(done).size());
        }
        return status;
    }

    // Is there room for `need` bytes more at `end`, up to which the ring is used?
    Status make_room(Position end, u64 need) {
        const u64 spare = design_.plants(Bug::overfull) ? 0 : kEntryAlignment;
        const u64 room = geometry_.capacity() - need - spare;  // what may be used already
        if (end - memory_.load(at::head_cache, std::memory_order_relaxed) <= room) return Status::ok;
        // LP of full. For the relaxed words of a small payload the two fences would do; the plain copy of a large one
        // needs this acquire (docs/memory-orders.md).
        const Position head = memory_.load(at::head, order(Site::load_head_writer));
        memory_.store(at::head_cache, head, std::memory_order_relaxed);
        if (end - head > geometry_.capacity()) return Status::corrupted;  // head beyond tail, or too far behind
        return end - head > room ? Status::full : Status::ok;
    }

    // So that readers begin before a long batch has been copied. A message that is dropped is a group of its own.
    u64 group_bytes() const {
        if (design_.plants(Bug::dropped_message)) return 1;
        return std::min(kGroupBytes, geometry_.capacity() / 2);
    }

    void copy_in(Offset payload, std::span<const std::byte> message) {
        const u64 to_end = geometry_.block_bytes() - payload;
        if (message.size() <= to_end) [[likely]] {
            memory_.copy_in(payload, message.data(), message.size());
        } else {
            memory_.copy_in(payload, message.data(), to_end);
            const Offset rest = geometry_.ring() + (design_.plants(Bug::wrong_wrap) ? 8 : 0);
            memory_.copy_in(rest, message.data() + to_end, message.size() - to_end);
        }
        if (!message.empty() && design_.strikes(Bug::torn_payload)) {
            const u64 word = memory_.load(payload, std::memory_order_relaxed);
            memory_.store(payload, word ^ 0x10, std::memory_order_relaxed);
        }
    }

    // ---- rounds of a reader

    template <Sink S, Hook H>
    Status try_read(S& sink, Position& id, Effort& effort, H& hook, std::uint32_t rounds) {
        return spinning(effort, rounds, [&] { return read_round(sink, id, hook); });
    }
    template <BatchSink S>
    Status try_read_many(S& sink, std::size_t limit, std::size_t& taken, Effort& effort, std::uint32_t rounds) {
        return spinning(effort, rounds, [&] { return read_chunk_round(sink, limit, taken); });
    }

    enum class HeadKind { message, nothing, terminal, malformed };

    HeadKind classify(u64 header) const {
        if (!is_published(header)) return header_length(header) == 0 ? HeadKind::nothing : HeadKind::malformed;
        if (is_terminal(header)) return HeadKind::terminal;
        return header_length(header) <= geometry_.max_message() ? HeadKind::message : HeadKind::malformed;
    }

    // Head was `head` when it was loaded; is it still, so that all that was read since belongs to that entry?
    bool still_head(Position head) {
        memory_.fence(order(Site::reader_fence));
        return memory_.load(at::head, std::memory_order_relaxed) == head;
    }

    // The outcome of a round that met no message at `head`.
    // LP of empty and closed: the load of the header; `head` did not move from before to after it.
    Status no_message(HeadKind kind, Position head, Bug empty = Bug::unchecked_empty) {
        const bool unchecked = kind == HeadKind::nothing && design_.plants(empty);
        if (!unchecked && !still_head(head)) return Status::conflict;
        if (kind == HeadKind::nothing) return Status::empty;
        return kind == HeadKind::terminal ? Status::closed : Status::corrupted;
    }

    struct Head {
        Position position;
        Offset at;  // of its header in the block
        u64 header;
        HeadKind kind;
        u64 length() const { return header_length(header); }
        Position next() const { return position + entry_bytes(length()); }
    };

    Head look(Position position) {
        if (!aligned(position)) return {position, 0, 0, HeadKind::malformed};  // its header might lie outside the block
        const Offset at = geometry_.header_at(position);
        const u64 header = memory_.load(at, order(Site::load_header));
        return {position, at, header, classify(header)};
    }

    bool move_head(Position from, Position to) {
        if (design_.plants(Bug::blind_removal)) {
            memory_.store(at::head, to, order(Site::take_head));
            return true;
        }
        return memory_.compare_exchange(at::head, from, to, order(Site::take_head), std::memory_order_relaxed);
    }

    template <Sink S, Hook H>
    Status copy_head(S& sink, const Head& head, H& hook) {
        std::byte* to = sink.reserve(head.length(), head.position);
        if (to == nullptr) return still_head(head.position) ? Status::too_large : Status::conflict;
        hook.copying(head.length(), [&] { copy_out(to, payload_after(head.at), head.length()); });
        return Status::ok;
    }

    void copy_out(std::byte* to, Offset payload, u64 length) {
        const u64 first = std::min(length, geometry_.block_bytes() - payload);
        memory_.copy_out(to, payload, first);
        if (first < length) memory_.copy_out(to + first, geometry_.ring(), length - first);
    }

    template <Sink S, Hook H>
    Status read_round(S& sink, Position& id, H& hook) {
        const Head head = look(load_head());
        if (head.kind != HeadKind::message) return no_message(head.kind, head.position);
        if (const Status status = copy_head(sink, head, hook); status != Status::ok) return status;
        id = head.position;
        memory_.fence(order(Site::reader_fence));
        if (design_.strikes(Bug::doubled_message)) return Status::ok;
        return move_head(head.position, head.next()) ? Status::ok : Status::conflict;  // LP of ok
    }

    template <BatchSink S>
    Status read_chunk_round(S& sink, std::size_t& limit, std::size_t& taken) {
        DirectHook direct;
        const Position start = load_head();
        Position position = start;
        taken = 0;
        sink.restart();
        while (taken < limit + (design_.plants(Bug::greedy_batch) ? 1 : 0)) {
            const Head head = look(position);
            if (head.kind != HeadKind::message || head.next() - start > geometry_.capacity()) {
                if (taken == 0) return no_message(head.kind, start, Bug::unchecked_batch);
                break;
            }
            std::byte* to = sink.reserve(head.length(), position);
            if (to == nullptr) {
                if (taken == 0) return still_head(start) ? Status::too_large : Status::conflict;
                break;
            }
            direct.copying(head.length(), [&] { copy_out(to, payload_after(head.at), head.length()); });
            position = head.next();
            ++taken;
        }
        memory_.fence(order(Site::reader_fence));
        if (move_head(start, position)) return Status::ok;  // LP of all of them
        limit = std::max<std::size_t>(1, taken / 2);        // a smaller bite is lost less often
        return Status::conflict;
    }

    template <Sink S, Hook H>
    Status peek_round(S& sink, Position& id, H& hook) {
        const Head head = look(load_head());
        if (head.kind != HeadKind::message) return no_message(head.kind, head.position);
        if (const Status status = copy_head(sink, head, hook); status != Status::ok) return status;
        id = design_.plants(Bug::other_id) ? head.next() : head.position;
        if (design_.plants(Bug::unchecked_peek)) return Status::ok;
        return still_head(head.position) ? Status::ok : Status::conflict;  // LP of ok: that load of head
    }

    Status skip_round(Position target, Position& seen) {
        const Head head = look(load_head());
        seen = head.position;
        if (head.kind != HeadKind::message) return no_message(head.kind, head.position);
        if (head.position != target && !design_.plants(Bug::skip_any))
            return still_head(head.position) ? Status::mismatch : Status::conflict;  // LP: that load of head
        const Position next = design_.plants(Bug::short_skip) ? head.position + kEntryAlignment : head.next();
        return move_head(head.position, next) ? Status::ok : Status::conflict;  // LP of ok
    }

    Status skip_head(Position position) {
        const Head head = look(position);
        if (head.kind != HeadKind::message) return no_message(head.kind, position);
        return move_head(position, head.next()) ? Status::ok : Status::conflict;  // LP of ok
    }

    Status snapshot_round(Snapshot& seen) {
        const Position head = load_head();
        const u64 stored_tail = memory_.load(at::tail, order(Site::load_tail));
        Position tail = stored_tail & ~kClosed;
        if (static_cast<std::int64_t>(tail - head) < 0) tail = head;  // tail lags outside the lock
        const Head first = look(head);
        Head last = look(tail);
        while (last.kind == HeadKind::message && last.next() - head <= geometry_.capacity()) last = look(last.next());
        if (!design_.plants(Bug::unchecked_state) && !still_head(head)) return Status::conflict;
        if (first.kind == HeadKind::malformed || last.kind == HeadKind::malformed || last.kind == HeadKind::message ||
            last.position - head > geometry_.capacity() - kEntryAlignment)
            return Status::corrupted;
        // LP: the load of the last header; nothing in front of it can go while `head` stands.
        seen.head = head;
        seen.tail = last.position;
        seen.bytes = last.position - head;
        seen.entries = (header_index(last.header) - header_index(first.header)) & kIndexMask;
        seen.closed = last.kind == HeadKind::terminal;
        return Status::ok;
    }

    // ---- between rounds

    std::uint32_t spin_limit() const { return policy_.max_round_trips != 0 ? policy_.max_round_trips : kMaxRounds; }

    // Retries conflicts without ever sleeping.
    template <class Round>
    Status spinning(Effort& effort, Round&& round) {
        return spinning(effort, spin_limit(), std::forward<Round>(round));
    }
    template <class Round>
    Status spinning(Effort& effort, std::uint32_t limit, Round&& round) {
        for (std::uint32_t rounds = 1;; ++rounds) {
            ++effort.rounds;
            const Status status = round();
            if (status != Status::conflict) [[likely]] return status;
            ++effort.conflicts;
            if (seen_owner_.load(std::memory_order_relaxed) != 0) {
                suspect(effort);
                seen_owner_.store(0, std::memory_order_relaxed);
            }
            if (rounds >= limit) return Status::retry_limit;
            for (std::uint32_t i = 0; i < std::min<std::uint32_t>(rounds, 32); ++i) memory_.pause();
        }
    }

    // Retries conflicts and FULL under the policy. With a deadline, `timeout` says that the message did not fit at an
    // instant after it; a live writer that was inside all the while shows as retry_limit.
    template <Hook H, class Round>
    Status blocking_write(Nanoseconds deadline, Effort& effort, H& hook, Round&& round) {
        Backoff backoff(policy_);
        deadline = planted(deadline);
        bool last = deadline != never && memory_.now() >= deadline;  // does the round to come begin after the deadline?
        for (std::uint32_t rounds = 1;; ++rounds) {
            ++effort.rounds;
            const Status status = round();
            if (status != Status::conflict && status != Status::full) [[likely]] return status;
            if (status == Status::conflict) ++effort.conflicts;
            if (deadline == never) {
                if (policy_.max_round_trips != 0 && rounds >= policy_.max_round_trips)
                    return status == Status::full ? Status::full : Status::retry_limit;
            } else if (last) {
                if (status == Status::full) return Status::timeout;
                if (memory_.now() - deadline > kGrace) return Status::retry_limit;
            }
            const bool go_on = hook.waiting([&] { pause_writer(status, rounds, deadline, backoff, effort); });
            if (!go_on) return Status::interrupted;
            last = last || (deadline != never && memory_.now() >= deadline);
            if (last && design_.plants(Bug::blind_write_timeout)) return Status::timeout;
        }
    }

    void pause_writer(Status status, std::uint32_t rounds, Nanoseconds deadline, Backoff& backoff, Effort& effort) {
        if (status == Status::conflict) {
            suspect(effort);
            if (rounds <= kSpinRounds) {
                for (std::uint32_t i = 0; i < 8u << rounds; ++i) memory_.pause();
                return;
            }
        }
        memory_.pause();
        const Nanoseconds start = memory_.now();
        Nanoseconds time = backoff.next();
        if (status == Status::full) time = std::max(time, kFullPause);
        if (deadline != never) time = std::min(time, std::max<Nanoseconds>(deadline - start, 0));
        if (time > 0) memory_.delay(time);
        ++effort.sleeps;
        effort.slept += memory_.now() - start;
    }

    // `attempt` is a whole call that cannot sleep; it counts its own rounds and is told how many are left of the limit,
    // which conflicts and looks at an empty channel use up together. With a deadline there is no limit. `taken`: messages,
    // once it is ok.
    template <Hook H, class Attempt>
    Status blocking_read(Nanoseconds deadline, Effort& effort, H& hook, const std::size_t& taken, Attempt&& attempt) {
        Backoff backoff(policy_);
        deadline = planted(deadline);
        bool last = deadline != never && memory_.now() >= deadline;
        const bool limited = deadline == never && policy_.max_round_trips != 0;
        const std::uint32_t before = effort.rounds;  // of other calls, if the caller adds them up
        bool looks_first = true;
        for (;;) {
            const Status status = attempt(limited ? policy_.max_round_trips - (effort.rounds - before) : kMaxRounds);
            if (status != Status::empty) {
                unwaited_.store(unwaited_.load(std::memory_order_relaxed) + taken, std::memory_order_relaxed);
                return status;
            }
            if (last) return Status::timeout;
            if (limited && effort.rounds - before >= policy_.max_round_trips) return Status::retry_limit;
            // Once a call: where others take every message, it must come to its deadline, and the hook to its turn.
            std::uint32_t looks = 0;
            if (std::exchange(looks_first, false) && arrives_at_once(looks)) continue;
            const Nanoseconds slice = limited ? backoff.next() : policy_.slice;
            if (!hook.waiting([&] { await_message(deadline, slice, looks, effort); })) return Status::interrupted;
            last = deadline != never && memory_.now() >= deadline;
            if (last && design_.plants(Bug::blind_read_timeout)) return Status::timeout;
        }
    }

    // The deadline; where a planted bug makes time-outs come early or late, half the time to it or ten times that.
    Nanoseconds planted(Nanoseconds deadline) {
        if (deadline == never) return deadline;
        if (design_.plants(Bug::early_timeout)) return deadline - (deadline - memory_.now()) / 2;
        if (design_.plants(Bug::late_timeout)) return deadline + (deadline - memory_.now()) * 9;
        return deadline;
    }

    bool looks_empty() {
        const Position head = load_head();
        const Head seen = look(head);
        return seen.kind == HeadKind::nothing && still_head(head);
    }

    // The first looks of a wait, before the hook lets go of what it holds: the answer to a message comes sooner than that
    // is given back (docs/decisions/0029). Behind a stream there are none: await_message pauses first. Counts `looks`.
    bool arrives_at_once(std::uint32_t& looks) {
        if (unwaited_.load(std::memory_order_relaxed) >= kStream) return false;
        for (const std::uint32_t most = std::min(policy_.spins, kFirstLooks); looks < most; ++looks) {
            if (!looks_empty()) {
                unwaited_.store(0, std::memory_order_relaxed);
                return true;
            }
            memory_.pause();
        }
        return false;
    }

    // Returns when there may be a message, at the deadline, or after `slice`. `looks`: were taken already.
    void await_message(Nanoseconds deadline, Nanoseconds slice, std::uint32_t looks, Effort& effort) {
        // Behind a stream the next message is on its way: let the writer get a few cache lines ahead, rather than share
        // each line with it, message by message (docs/decisions/0026).
        if (policy_.spins > 0 && unwaited_.load(std::memory_order_relaxed) >= kStream) memory_.delay(kLead);
        unwaited_.store(0, std::memory_order_relaxed);
        for (; looks < policy_.spins; ++looks) {
            if (!looks_empty()) return;
            memory_.pause();
        }
        const Nanoseconds start = memory_.now();
        u64 seq = 0;
        if (!design_.plants(Bug::lost_wakeup)) seq = memory_.load(at::seq, order(Site::load_seq));
        memory_.store(at::sleepers, 1, std::memory_order_relaxed);  // raised again before every sleep
        memory_.fence(order(Site::sleeper_fence));
        if (!looks_empty()) return;
        if (design_.plants(Bug::lost_wakeup)) seq = memory_.load(at::seq, order(Site::load_seq));
        memory_.wait(at::seq, seq, std::min(deadline, start + slice));
        ++effort.sleeps;
        effort.slept += memory_.now() - start;
    }

    M memory_;
    Geometry geometry_;
    Policy policy_;
    const std::atomic<u64>* me_;
    [[no_unique_address]] D design_;
    std::atomic<u64> seen_owner_{0};  // in the way of the last round
    std::atomic<u64> suspect_{0};
    std::atomic<Nanoseconds> suspected_since_{0};
    std::atomic<u64> unwaited_{0};  // messages read since a read had to wait, those of that one too
};

}  // namespace ipc
