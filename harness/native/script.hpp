// A worker: runs its script on a channel and leaves one record per operation (one per message of a batch).
//
// A record is marked pending before its call and completed after it, so that a worker killed in between leaves exactly
// what is known: an operation that began and never returned (Herlihy & Wing, Linearizability, 1990, section 2).
//
// A worker that writes runs its script once; a write that the retry policy gave up is tried again, each try a record
// of its own. A worker that does not write repeats its script until the stream has ended and it has found nothing: it
// cannot know beforehand how many messages will be its.
#pragma once

#include <array>

#include "channel/core/block.hpp"
#include "harness/native/instrumented_memory.hpp"
#include "harness/native/payload.hpp"
#include "harness/native/run_memory.hpp"
#include "harness/native/tally.hpp"

namespace harness {

// Between the invocation stamp and the call: without it the call's first load could come before the clock was read.
inline void stamp_fence() {
#if defined(__x86_64__) || defined(__i386__)
    _mm_lfence();
#elif defined(__aarch64__)
    asm volatile("isb" ::: "memory");
#endif
}

// Nothing of what stands before is moved behind, by the compiler: a killed process leaves its stores in program order.
inline void in_program_order() { std::atomic_signal_fence(std::memory_order_seq_cst); }

// Waits end when the run does.
class RunHook {
public:
    RunHook(const RunMemory& run, bool repeats) : run_(run), repeats_(repeats) {}

    template <class F>
    bool waiting(F&& step) {
        if (over()) return false;
        step();
        return !over();
    }
    template <class F>
    void copying(u64, F&& step) { step(); }

private:
    bool over() const {
        return run_.stopped() || ipc::monotonic_now() >= run_.deadline() ||
               (repeats_ && run_.stream() == Stream::abandoned);
    }
    const RunMemory& run_;
    bool repeats_;
};

// For the participant's counters.
using Tallies = std::array<Tally, ipc::kOperations>;

constexpr ipc::Operation counted_as(Kind kind) {
    if (writes(kind)) return ipc::Operation::write;
    if (kind == Kind::peek) return ipc::Operation::peek;
    return kind == Kind::skip || kind == Kind::skip_force ? ipc::Operation::skip : ipc::Operation::read;
}

template <ipc::Memory M, ipc::Design D>
class ScriptWorker {
public:
    // `faults` null: this worker is not to be killed.
    ScriptWorker(ipc::Channel<M, D>& channel, const RunMemory& run, std::size_t number, Faults* faults)
        : channel_(channel),
          run_(run),
          number_(number),
          control_(run.worker(number)),
          script_(run.script(number)),
          records_(run.records(number)),
          repeats_(std::none_of(script_.begin(), script_.end(), [](const auto& op) { return writes(op.kind); })),
          hook_(run, repeats_),
          faults_(faults) {
        u64 outgoing = 0, batch = 1;
        for (const ScriptOperation& operation : script_) {
            const u64 count = operation.kind == Kind::write_many ? operation.count : 1;
            if (writes(operation.kind)) outgoing = std::max(outgoing, count * ipc::round_up(operation.size, 8));
            if (operation.kind == Kind::read_many) batch = std::max<u64>(batch, operation.count);
        }
        outgoing_.resize(outgoing);
        incoming_.resize(channel.geometry().capacity() + 8 * batch);
        received_.reserve(batch);
    }

    // Returns after the script, or when the run is over for it; run.worker(number) says which.
    void operator()(Nanoseconds give_up) {
        run_.prefault(number_);
        if (!run_.arrive(number_, give_up)) return run_.end(number_, Phase::cut, Reason::stopped);
        last_ = ipc::monotonic_now();
        Reason reason = Reason::none;
        Outcome outcome;
        do {
            outcome = pass(reason);
            looping_ = true;
        } while (outcome == Outcome::go_on && repeats_ && !script_.empty());
        run_.end(number_, outcome == Outcome::cut ? Phase::cut : Phase::finished, reason);
    }

    const Tallies& tallies() const { return tallies_; }

private:
    enum class Outcome { go_on, done, again, cut };

    // What a call answered.
    struct Answer {
        ipc::Status status = ipc::Status::ok;
        std::size_t messages = 0;  // completed, of a batch
    };

    // read_many's payloads, one after another, each at a multiple of 8.
    struct Received {
        std::byte* data;
        std::uint32_t size;
        ipc::Position id;
    };
    struct Sink {
        ScriptWorker& worker;
        void restart() {
            worker.received_.clear();
            worker.filled_ = 0;
        }
        std::byte* reserve(u64 length, ipc::Position id) {
            if (length > worker.incoming_.size() - worker.filled_) return nullptr;
            std::byte* const at = worker.incoming_.data() + worker.filled_;
            worker.filled_ += ipc::round_up(length, 8);
            worker.received_.push_back({at, static_cast<std::uint32_t>(length), id});
            return at;
        }
    };
    struct SingleSink {
        ScriptWorker& worker;
        u64 size = 0;
        std::byte* reserve(u64 length, ipc::Position) {
            size = length;
            return length <= worker.incoming_.size() ? worker.incoming_.data() : nullptr;
        }
    };
    struct Source {
        const std::byte* data;
        std::uint32_t size;
        OperationRecord* rows;
        u64 count;
        std::span<const std::byte> message(std::size_t i) const { return {data + i * ipc::round_up(size, 8), size}; }
        void accepted(std::size_t i, ipc::Position id) {
            if (i < count) rows[i].id = id;
        }
    };

    Outcome pass(Reason& reason) {
        for (const ScriptOperation& operation : script_) {
            u64 skip_messages = 0;  // of a batch, those that an earlier try has written
            for (;;) {
                if (!may_go_on(operation, reason)) return Outcome::cut;
                think(operation);
                const Outcome outcome = perform(operation, skip_messages, reason);
                if (outcome == Outcome::again) continue;
                if (outcome != Outcome::go_on) return outcome;
                break;
            }
        }
        return Outcome::go_on;
    }

    bool may_go_on(const ScriptOperation& operation, Reason& reason) const {
        const u64 rows = is_batch(operation.kind) ? operation.count : 1;
        if (last_ >= run_.deadline()) reason = Reason::deadline;
        else if (run_.stopped()) reason = Reason::stopped;
        else if (records_.size() - used_ < rows) reason = Reason::records_full;
        else return true;
        return false;
    }

    // A worker that repeats its script, or a write, without success lets the others work.
    void think(const ScriptOperation& operation) {
        Nanoseconds time = operation.think;
        if ((looping_ || retrying_) && fruitless_ > 0) time += kFirstPause << std::min(fruitless_ - 1, kPauseDoublings);
        if (time == 0) return;
        straight_on_ = false;
        for (const Nanoseconds end = ipc::monotonic_now() + time; time > 0; time = end - ipc::monotonic_now()) {
            if (run_.stopped()) return;
            channel_.memory().delay(std::min(time, kPauseSlice));
        }
    }

    Outcome perform(const ScriptOperation& operation, u64& skip_messages, Reason& reason) {
        const u64 first_value = operation.value + skip_messages;
        const u64 rows = is_batch(operation.kind) ? operation.count - skip_messages : 1;
        OperationRecord* const row = &records_[used_];
        if (writes(operation.kind)) prepare(operation, first_value, rows);
        const bool stream_ended = run_.stream() != Stream::open;
        if (is_batch(operation.kind)) ++batch_;
        for (u64 i = 0; i < rows; ++i) mark_pending(row[i], operation, first_value + i);
        if (faults_ != nullptr && calls_ == control_.kill_after) faults_->arm(control_.kill_step);

        const Nanoseconds invoked = stamp(operation);
        for (u64 i = 0; i < rows; ++i) row[i].invoked = invoked;
        in_program_order();
        control_.used.store(used_ + rows, std::memory_order_relaxed);
        in_program_order();
        stamp_fence();
        ipc::Effort effort;
        const Answer answer = call(operation, rows, invoked, row, effort);
        last_ = ipc::monotonic_now();
        straight_on_ = !is_batch(operation.kind) && size_ <= kSmall;

        if (answer.status == ipc::Status::interrupted)
            return interrupted(operation, answer, stream_ended, row, effort, reason);
        control_.completed.store(++calls_, std::memory_order_relaxed);
        tallies_[static_cast<std::size_t>(counted_as(operation.kind))].add(effort);
        used_ += complete(operation, answer, row, effort);
        if (is_batch(operation.kind)) control_.used.store(used_, std::memory_order_relaxed);
        return judge(operation, answer, stream_ended, skip_messages, reason);
    }

    // Reading the clock is half of what a record costs. A worker that goes straight from one call to the next, with
    // nothing in between but a small payload, reads it once: the next call begins a nanosecond after the last response,
    // which is before its first step. An interval that is a little too long accuses nobody.
    Nanoseconds stamp(const ScriptOperation& operation) const {
        const bool small = !writes(operation.kind) || (!is_batch(operation.kind) && operation.size <= kSmall);
        return straight_on_ && small ? last_ + 1 : ipc::monotonic_now();
    }

    void prepare(const ScriptOperation& operation, u64 first_value, u64 count) {
        for (u64 i = 0; i < count; ++i)
            fill_payload(outgoing_.data() + i * ipc::round_up(operation.size, 8), operation.size, first_value + i);
    }

    void mark_pending(OperationRecord& row, const ScriptOperation& operation, u64 value) {
        row.returned = kNeverReturned;
        row.value = writes(operation.kind) ? value : 0;
        row.id = kNoId;
        row.target = operation.kind == Kind::skip ? seen_id_ : kNoId;
        row.timeout = operation.timeout;
        row.size = writes(operation.kind) ? operation.size : 0;
        row.retries = 0;
        row.batch = is_batch(operation.kind) ? batch_ : 0;
        row.slept = 0;
        row.worker = static_cast<std::uint16_t>(number_);
        row.kind = operation.kind;
        row.status = kPending;
        row.flags = 0;
    }

    // The id of a write is stored straight into its record: a writer killed after its publication has then said which
    // entry it published.
    Answer call(const ScriptOperation& operation, u64 rows, Nanoseconds invoked, OperationRecord* row,
                ipc::Effort& effort) {
        const Nanoseconds deadline = operation.timeout == kNoTimeout ? ipc::never : invoked + operation.timeout;
        switch (operation.kind) {
            case Kind::write: return {channel_.write(outgoing(operation), row->id, deadline, effort, hook_)};
            case Kind::try_write: return {channel_.try_write(outgoing(operation), row->id, effort)};
            case Kind::read: return take([&](auto& sink, auto& id) {
                return channel_.read(sink, id, deadline, effort, hook_);
            });
            case Kind::try_read: return take([&](auto& sink, auto& id) {
                return channel_.try_read(sink, id, effort, hook_);
            });
            case Kind::peek: return take([&](auto& sink, auto& id) {
                return channel_.peek(sink, id, effort, hook_);
            });
            case Kind::skip: return {channel_.skip(seen_id_, id_, effort)};
            case Kind::skip_force: return {channel_.skip_force(id_, effort)};
            case Kind::write_many: {
                Source source{outgoing_.data(), operation.size, row, rows};
                Answer answer;
                answer.status = channel_.write_many(source, rows, answer.messages, deadline, effort, hook_);
                return within(answer, rows);
            }
            case Kind::read_many: {
                Sink sink{*this};
                sink.restart();
                Answer answer;
                answer.status = channel_.read_many(sink, rows, answer.messages, deadline, effort, hook_);
                return within(answer, rows);
            }
            case Kind::state:
            case Kind::shutdown:
            case Kind::count: break;
        }
        return {ipc::Status::corrupted};
    }

    std::span<const std::byte> outgoing(const ScriptOperation& operation) const {
        return {outgoing_.data(), operation.size};
    }

    // A batch that claims more messages than it was for is wrong, and has no rows for them.
    static Answer within(const Answer& answer, u64 rows) {
        return answer.messages <= rows ? answer : Answer{ipc::Status::corrupted};
    }

    template <class F>
    Answer take(F&& read) {
        SingleSink sink{*this};
        const ipc::Status status = read(sink, id_);
        size_ = static_cast<std::uint32_t>(sink.size);
        return {status};
    }

    // Fills in what the call answered; returns how many rows stay.
    u64 complete(const ScriptOperation& operation, const Answer& answer, OperationRecord* row,
                 const ipc::Effort& effort) {
        u64 rows = 0;
        if (is_batch(operation.kind)) {
            for (; rows < answer.messages; ++rows) {
                if (operation.kind == Kind::read_many) {
                    const Received& message = received_[rows];
                    deliver(row[rows], message.data, message.size, message.id);
                }
                close(row[rows], ipc::Status::ok, rows == 0 ? &effort : nullptr);
            }
            if (answer.status == ipc::Status::ok) return rows;
        } else if (carries_payload(operation.kind)) {
            if (answer.status == ipc::Status::ok) deliver(*row, incoming_.data(), size_, id_);
        } else if (!writes(operation.kind)) {
            if (answer.status == ipc::Status::ok || answer.status == ipc::Status::mismatch) row->id = id_;
        }
        if (writes(operation.kind) && answer.status != ipc::Status::ok) row[rows].id = kNoId;
        close(row[rows], answer.status, rows == 0 ? &effort : nullptr);
        return rows + 1;
    }

    static void deliver(OperationRecord& row, const std::byte* payload, std::uint32_t size, ipc::Position id) {
        row.value = payload_value(payload, size);
        row.size = size;
        row.id = id;
        row.flags = payload_intact(payload, size) ? kIntact : 0;
    }

    // A batch is one call: its first row carries what the call cost.
    void close(OperationRecord& row, ipc::Status status, const ipc::Effort* effort) const {
        if (effort != nullptr) {
            row.retries = effort->retries();
            row.slept = static_cast<std::uint32_t>(std::clamp<Nanoseconds>(effort->slept, 0, UINT32_MAX));
        }
        row.returned = last_;
        in_program_order();
        row.status = static_cast<std::uint8_t>(status);
    }

    // The hook gave up. At the end of an abandoned stream the call has certainly found nothing, and is forgotten: it had
    // no effect. At the end of the run it stays pending, except for the messages of a batch that were written.
    Outcome interrupted(const ScriptOperation& operation, const Answer& answer, bool stream_ended, OperationRecord* row,
                        const ipc::Effort& effort, Reason& reason) {
        const bool over = run_.stopped() || last_ >= run_.deadline();
        if (!over) {
            control_.used.store(used_, std::memory_order_relaxed);
            return stream_ended ? Outcome::done : Outcome::go_on;
        }
        for (u64 i = 0; i < answer.messages; ++i)
            close(row[i], ipc::Status::ok, i == 0 ? &effort : nullptr);
        if (writes(operation.kind)) row[answer.messages].id = kNoId;  // of a round that was refused
        used_ += answer.messages + 1;
        control_.used.store(used_, std::memory_order_relaxed);
        reason = last_ >= run_.deadline() ? Reason::deadline : Reason::stopped;
        return Outcome::cut;
    }

    Outcome judge(const ScriptOperation& operation, const Answer& answer, bool stream_ended, u64& skip_messages,
                  Reason& reason) {
        using ipc::Status;
        const Status status = answer.status;
        if (status == Status::corrupted) {
            reason = Reason::corrupted;
            return Outcome::cut;
        }
        if (operation.kind == Kind::peek ? status == Status::ok : status == Status::mismatch) seen_id_ = id_;
        const bool fruitful = operation.kind == Kind::peek ? false : status == Status::ok;
        fruitless_ = fruitful ? 0 : fruitless_ + 1;
        if (writes(operation.kind)) {
            // What the policy's limit ended had no effect and is offered again; TIMEOUT, and try_write's FULL, are answers.
            const bool given_up = status == Status::retry_limit ||
                                  (status == Status::full && operation.kind != Kind::try_write);
            skip_messages += answer.messages;
            retrying_ = given_up;
            return given_up ? Outcome::again : Outcome::go_on;
        }
        if (!repeats_) return Outcome::go_on;
        const bool nothing = status == Status::empty || status == Status::timeout;
        return status == Status::closed || (nothing && stream_ended && run_.stream() == Stream::abandoned)
                   ? Outcome::done
                   : Outcome::go_on;
    }

    static constexpr Nanoseconds kFirstPause = 1'000;
    static constexpr std::uint32_t kPauseDoublings = 10;
    static constexpr Nanoseconds kPauseSlice = 20'000'000;
    static constexpr std::uint32_t kSmall = 64;  // bytes of payload that are made or verified in no time

    ipc::Channel<M, D>& channel_;
    const RunMemory& run_;
    const std::size_t number_;
    WorkerControl& control_;
    const std::span<const ScriptOperation> script_;
    const std::span<OperationRecord> records_;
    const bool repeats_;
    RunHook hook_;
    Faults* faults_;

    std::vector<std::byte> outgoing_, incoming_;
    std::vector<Received> received_;
    Tallies tallies_;
    u64 filled_ = 0;
    u64 used_ = 0;
    u64 calls_ = 0;
    std::uint32_t batch_ = 0;
    std::uint32_t fruitless_ = 0;  // calls in a row that moved no message
    bool looping_ = false, retrying_ = false;
    bool straight_on_ = false;     // from the last response to the next call
    Nanoseconds last_ = 0;
    u64 seen_id_ = kNoId;          // what SKIP takes
    ipc::Position id_ = 0;
    std::uint32_t size_ = 0;       // of the last payload received
};

}  // namespace harness
