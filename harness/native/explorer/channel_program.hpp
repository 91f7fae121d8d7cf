// The channel as a program to explore: workers that run scripts on one channel over the simulated memory, and the
// verdict on the history that each execution leaves (channel_history.hpp).
#pragma once

#include <memory>
#include <optional>
#include <stdexcept>

#include "channel_history.hpp"
#include "harness/native/mutants.hpp"
#include "waiting.hpp"

namespace explorer {

struct ChannelPlan {
    ipc::u64 capacity = 64;
    std::vector<std::vector<harness::ScriptOperation>> scripts;
    harness::Planted design;
    std::vector<Kill> kills;
    std::uint32_t max_round_trips = 0;
    bool survivors = false;  // they may wait for ever for a message that the dead would have written
};

class ChannelProgram {
public:
    static constexpr std::size_t largest_payload = ChannelHistory::largest_payload;
    static constexpr std::uint32_t largest_batch = 8;

    explicit ChannelProgram(ChannelPlan plan) : plan_(std::move(plan)), history_(plan_.capacity) {
        if (plan_.capacity < 32 || plan_.capacity % 16 != 0 || plan_.capacity > 4096) {
            throw std::invalid_argument(
                "an explored channel has a capacity from 32 to 4096 bytes, a multiple of 16; got " +
                std::to_string(plan_.capacity));
        }
        std::size_t calls = 0;
        for (const auto& script : plan_.scripts) calls += rows(script);
        if (calls + plan_.capacity / 16 > max_calls) {
            throw std::invalid_argument("too large to explore: " + std::to_string(calls) +
                                        " calls, each message of a batch counted; a history has at most " +
                                        std::to_string(max_calls) + ", those that drain the channel included");
        }
        const ipc::Geometry geometry(plan_.capacity, 1);
        block_ = std::make_unique<SimBlock>(program_, geometry, plan_.kills, plan_.max_round_trips != 0);
        program_.set_initial(block_->location(geometry.header_at(0)), ipc::unpublished_header(0));
        logs_.resize(plan_.scripts.size());
        for (std::size_t worker = 0; worker < plan_.scripts.size(); ++worker) {
            logs_[worker].reserve(rows(plan_.scripts[worker]));
            program_.workers.emplace_back([this, worker] { work(worker); });
        }
        program_.doing = [this](int worker) { return logs_[static_cast<std::size_t>(worker)].doing(); };
    }

    Program& program() { return program_; }
    const ChannelHistory& history() const { return history_; }
    int workers() const { return static_cast<int>(logs_.size()); }

    // --- of the execution that was run last --------------------------------------------------------------------------

    // FNV-1a of what the calls answered.
    std::uint64_t answers() const {
        std::uint64_t hash = 14695981039346656037U;
        for (const Log& log : logs_) {
            for (std::size_t at = 0; at < log.used(); ++at) {
                const Call& call = log[at].call;
                for (const std::uint64_t part :
                     {std::uint64_t{call.status}, std::uint64_t{call.id}, call.value, std::uint64_t{call.size},
                      std::uint64_t{call.intact}, std::uint64_t{call.target}, std::uint64_t{call.entries},
                      std::uint64_t{call.closed}})
                    hash = (hash ^ part) * 1099511628211U;
            }
        }
        return hash;
    }
    // Is the worker in a call that reads, peeks, skips or looks?
    bool is_reading(int worker) const {
        const Log& log = logs_[static_cast<std::size_t>(worker)];
        return log.used() > 0 && is_reading(log[log.used() - 1].call.kind);
    }
    // Accesses of the worker's longest call that reads, peeks, skips or looks.
    int longest_reading(int worker) const {
        const Log& log = logs_[static_cast<std::size_t>(worker)];
        int longest = 0;
        for (std::size_t at = 0; at < log.used(); ++at) {
            const Logged& logged = log[at];
            if (logged.returned && is_reading(logged.call.kind))
                longest = std::max(longest, logged.end - logged.begin);
        }
        return longest;
    }
    bool has_survivors() const { return plan_.survivors; }
    // A survivor may sleep in a read for ever if there is nothing to read, or if nobody is left to say that there is: the
    // wake-up died with its writer, or his owner word is still in place since nobody has come to write.
    bool may_sleep(Machine& machine, const Graph& graph, int worker) const {
        const Log& log = logs_[static_cast<std::size_t>(worker)];
        const harness::Kind kind = log[log.used() - 1].call.kind;
        if (machine.look_begin(worker) < 0 || (kind != harness::Kind::read && kind != harness::Kind::read_many)) return false;
        const ipc::u64 owner = machine.final_value(block_->location(ipc::at::owner));
        for (int other = 0; other < workers(); ++other) {
            if (!block_->kills(other)) continue;
            const bool is_dead = machine.final_value(block_->dead(static_cast<unsigned>(other))) != 0;
            const bool is_owner = owner != 0 && static_cast<int>(ipc::owner_slot(owner)) == other;
            if (is_dead && (is_owner || owes_a_wakeup(graph, other))) return true;
        }
        return history_.is_empty(graph, *block_, program_);
    }
    // A write may wait for ever for another writer that stopped for ever between taking the owner word and giving it
    // back; and for nothing else.
    bool may_wait(Machine& machine, const Graph& graph, int worker) const {
        if (is_reading(worker)) return false;
        const Location owner_word = block_->location(ipc::at::owner);
        const EventId newest = graph.store_at(owner_word, graph.newest(owner_word));
        const ipc::u64 owner = newest.is_initial() ? 0 : graph[newest].value;
        if (owner == 0) return false;
        const int holder = static_cast<int>(ipc::owner_slot(owner));
        if (holder == worker || holder >= workers()) return false;
        const State state = machine.state(holder);
        return state == State::suspended || (state == State::waiting && could_go_on(machine, graph, holder));
    }

    // Digests of the histories judged since this was last asked.
    std::vector<std::uint64_t> take_digests() { return history_.take_digests(); }

    // --- for an execution whose program is written while it runs: the workers are then to be run from their start -----

    void append(int worker, const harness::ScriptOperation& operation) {
        const auto at = static_cast<std::size_t>(worker);
        plan_.scripts[at].push_back(operation);
        logs_[at].reserve(rows(plan_.scripts[at]));
    }
    SimBlock& block() { return *block_; }
    // What has been called so far, worker by worker, and what was answered.
    std::vector<Call> calls() const {
        std::vector<Call> calls;
        for (const Log& log : logs_) {
            for (std::size_t at = 0; at < log.used(); ++at) calls.push_back(log[at].call);
        }
        return calls;
    }
    // Is the last call that this worker began still under way?
    bool in_call(int worker) const {
        const Log& log = logs_[static_cast<std::size_t>(worker)];
        return log.used() > 0 && !log[log.used() - 1].returned;
    }

    // Why this execution is wrong, if it is.
    std::optional<std::string> judge(const Graph& graph, Precedence precedence) {
        return history_.judge(graph, logs_, *block_, program_, precedence);
    }

private:
    // Did the worker stop between giving the owner word back after a publication and waking who sleeps?
    bool owes_a_wakeup(const Graph& graph, int worker) const {
        bool owes = false;
        for (int index = 0; index < graph.size(worker); ++index) {
            const Event& event = event_at(graph, worker, index);
            if (event.location == block_->location(ipc::at::owner) && event.exclusive)
                owes = event.value == 0;
            else if (event.location == block_->wakeups() ? event.is_write()
                                                         : event.location == block_->location(ipc::at::sleepers) &&
                                                               event.is_read() && event.value == 0)
                owes = false;
        }
        return owes;
    }

    static bool is_reading(harness::Kind kind) { return !harness::writes(kind) && kind != harness::Kind::shutdown; }

    // A call of another kind tries once, and time does not make it give up.
    static bool takes_deadline(harness::Kind kind) {
        using harness::Kind;
        return kind == Kind::write || kind == Kind::read || kind == Kind::write_many || kind == Kind::read_many ||
               kind == Kind::shutdown;
    }

    // How many calls the history of a script has, each message of a batch counted.
    static std::size_t rows(const std::vector<harness::ScriptOperation>& script) {
        std::size_t rows = 0;
        for (const auto& operation : script) {
            if (operation.size > largest_payload) {
                throw std::invalid_argument("an explored payload has at most " + std::to_string(largest_payload) +
                                            " bytes; got " + std::to_string(operation.size));
            }
            if (harness::writes(operation.kind) && operation.size < harness::kSmallestPayload) {
                throw std::invalid_argument(
                    "an explored payload has at least " + std::to_string(harness::kSmallestPayload) +
                    " bytes, which say which message it is; got " + std::to_string(operation.size));
            }
            if (!harness::is_batch(operation.kind)) {
                ++rows;
                continue;
            }
            if (operation.count < 1 || operation.count > largest_batch) {
                throw std::invalid_argument("an explored batch has 1 to " + std::to_string(largest_batch) +
                                            " messages; got " + std::to_string(operation.count));
            }
            rows += operation.count;
        }
        return rows;
    }

    // Where payloads go: one message, or several of a batch.
    struct Received {
        ipc::Position id;
        ipc::u64 size;
        int copied;  // the worker's accesses before the copy
    };
    struct Incoming {
        std::array<std::byte, largest_payload * largest_batch> bytes;
        std::array<Received, largest_batch> messages;
        std::size_t count = 0;

        void restart() { count = 0; }
        std::byte* reserve(ipc::u64 length, ipc::Position id) {
            if (length > largest_payload || count == largest_batch) return nullptr;
            messages[count] = {id, length, Machine::running()->consumed()};
            return payload(count++);
        }
        std::byte* payload(std::size_t at) { return bytes.data() + at * largest_payload; }
    };
    struct OneIncoming {
        Incoming& incoming;
        std::byte* reserve(ipc::u64 length, ipc::Position id) {
            incoming.restart();
            return incoming.reserve(length, id);
        }
    };

    // The messages of write_many, each logged as it is accepted: a writer that is killed has then published it.
    struct Outgoing {
        const harness::ScriptOperation& operation;
        Log& log;
        std::array<std::byte, largest_payload> bytes{};
        std::size_t due = 0;  // message to be accepted

        std::span<const std::byte> message(std::size_t at) {
            harness::fill_payload(bytes.data(), operation.size, operation.value + at);
            return {bytes.data(), operation.size};
        }
        void accepted(std::size_t at, ipc::Position id) {
            if (at != due++ || at >= operation.count) {
                fail("message " + std::to_string(at + 1) + " of a batch of " + std::to_string(operation.count) +
                     " was accepted as its " + std::to_string(due) + ".");
            }
            Logged& logged = log[log.used() - 1];
            logged.call.status = static_cast<std::uint8_t>(ipc::Status::ok);
            logged.call.id = id;
            if (at + 1 == operation.count) return;
            Logged next = pending(operation, logged.call.worker, logged.begin);
            next.call.value = operation.value + at + 1;
            next.continues = true;
            log.add(next);
        }
    };

    static ipc::Policy policy(std::uint32_t max_round_trips) {
        ipc::Policy policy;
        policy.max_round_trips = max_round_trips;
        policy.slice = SimMemory::endless;  // a sleeper that looks again by itself would hide a lost wake-up
        policy.spins = 0;
        return policy;
    }

    // --- on a fiber: nothing here may own memory ---------------------------------------------------------------------

    using SimChannel = ipc::Channel<SimMemory, harness::Planted>;

    // A call has answered what no call may answer, whatever the history.
    static void fail(std::string what) {
        Machine::running()->fail(Fault::history, std::move(what), std::source_location::current());
    }

    void work(std::size_t worker) {
        Log& log = logs_[worker];
        log.restart();
        block_->clock(static_cast<int>(worker)) = {};
        Machine& machine = *Machine::running();
        const std::atomic<ipc::u64> me{ipc::owner_word(static_cast<unsigned>(worker), worker + 1)};
        SimChannel channel(SimMemory(*block_), block_->geometry(), policy(plan_.max_round_trips), &me, plan_.design);
        ipc::u64 seen = harness::kNoId;
        for (const harness::ScriptOperation& operation : plan_.scripts[worker]) {
            const std::size_t first = log.used();
            Logged& logged = log.add(pending(operation, worker, machine.consumed()));
            if (operation.kind == harness::Kind::skip) logged.call.target = seen;
            machine.begin_round();
            const ipc::Status status = perform(channel, operation, log, first);
            if (status == ipc::Status::mismatch || (status == ipc::Status::ok && operation.kind == harness::Kind::peek))
                seen = logged.call.id;
            const int late = block_->clock(static_cast<int>(worker)).late;
            if (status == ipc::Status::timeout && log.used() == first + 1) logged.begin = late;
            for (std::size_t at = first; at < log.used(); ++at) {
                log[at].end = machine.consumed();
                log[at].returned = true;
            }
        }
    }

    static Logged pending(const harness::ScriptOperation& operation, std::size_t worker, int begin) {
        Logged logged;
        logged.begin = begin;
        logged.call.kind = operation.kind;
        logged.call.worker = static_cast<std::uint8_t>(worker);
        if (harness::writes(operation.kind)) {
            logged.call.value = operation.value;
            logged.call.size = operation.size;
        }
        return logged;
    }

    // Call the channel and log what it answered, from entry `first` on.
    ipc::Status perform(SimChannel& channel, const harness::ScriptOperation& operation, Log& log, std::size_t first) {
        using harness::Kind;
        const int worker = log[first].call.worker;
        ipc::DirectHook hook;
        ipc::Effort effort;
        ipc::Position id = 0;
        ipc::Status status = ipc::Status::corrupted;
        const ipc::Nanoseconds now = channel.memory().now();
        const ipc::Nanoseconds deadline =
            operation.timeout == harness::kNoTimeout ? ipc::never : now + operation.timeout;
        block_->begin_call(worker, takes_deadline(operation.kind) ? deadline : ipc::never, Machine::running()->consumed());
        Outgoing source{operation, log};
        Incoming incoming;
        OneIncoming sink{incoming};
        ipc::Snapshot snapshot;
        std::size_t messages = 1;  // read, if the call is one that reads
        switch (operation.kind) {
            case Kind::write: status = channel.write(source.message(0), id, deadline, effort, hook); break;
            case Kind::try_write: status = channel.try_write(source.message(0), id, effort); break;
            case Kind::read: status = channel.read(sink, id, deadline, effort, hook); break;
            case Kind::try_read: status = channel.try_read(sink, id, effort, hook); break;
            case Kind::peek: status = channel.peek(sink, id, effort, hook); break;
            case Kind::skip: status = channel.skip(log[first].call.target, id, effort); break;
            case Kind::skip_force: status = channel.skip_force(id, effort); break;
            case Kind::write_many:
                status = channel.write_many(source, operation.count, messages, deadline, effort, hook);
                break;
            case Kind::read_many:
                expect_several(log, first, operation.count);
                status = channel.read_many(incoming, operation.count, messages, deadline, effort, hook);
                log.keep(first + (status == ipc::Status::ok ? std::min<std::size_t>(messages, operation.count) : 1));
                break;
            case Kind::state: status = channel.snapshot(snapshot, effort); break;
            case Kind::shutdown: status = channel.shutdown(deadline, effort, hook); break;
            case Kind::count: break;
        }
        const bool ok = status == ipc::Status::ok;
        check_count(operation, status, messages, source);
        check_deadline(worker, operation.kind, status, deadline, effort);
        check_rounds(operation.kind, status, deadline, effort);
        Call& call = log[log.used() - 1].call;  // of a batch: what is left of it
        if (operation.kind == Kind::read_many && ok) {
            for (std::size_t at = 0; at < messages; ++at) deliver(log[first + at], incoming, at);
        } else if (operation.kind == Kind::state) {
            if (ok) describe(call, snapshot);
        } else if (operation.kind != Kind::write_many && operation.kind != Kind::shutdown) {
            if (ok && harness::carries_payload(operation.kind)) deliver(log[first], incoming, 0);
            if (ok || status == ipc::Status::mismatch) call.id = id;
        }
        call.status = static_cast<std::uint8_t>(status);
        if (operation.kind == Kind::peek) log[first].words = 0;  // nobody waits for a peek to be over
        return status;
    }

    // A batch does not answer more than was asked for, and says how many of its messages it has written.
    static void check_count(const harness::ScriptOperation& operation, ipc::Status status, std::size_t messages,
                            const Outgoing& source) {
        const bool ok = status == ipc::Status::ok;
        const bool reads = operation.kind == harness::Kind::read_many && ok;
        if (reads && (messages < 1 || messages > operation.count)) {
            fail("a batch of up to " + std::to_string(operation.count) + " messages answered with " +
                 std::to_string(messages));
        }
        if (operation.kind != harness::Kind::write_many) return;
        if (messages != source.due || (ok && messages != operation.count)) {
            fail("a batch of " + std::to_string(operation.count) + " messages said that it had written " +
                 std::to_string(messages) + ", of " + std::to_string(source.due) + " accepted");
        }
    }

    // A time-out comes after the deadline, and after a look at the channel since: without it nobody knows that the channel
    // was FULL or EMPTY at an instant after the deadline. No call gives up before its deadline, or answers long after it.
    void check_deadline(int worker, harness::Kind kind, ipc::Status status, ipc::Nanoseconds deadline,
                        const ipc::Effort& effort) {
        if (!takes_deadline(kind) || deadline >= SimMemory::endless) return;
        const SimBlock::Clock& clock = block_->clock(worker);
        const ipc::Nanoseconds late = clock.now - deadline;
        const bool timed_out = status == ipc::Status::timeout;
        if (status == ipc::Status::retry_limit && late < 0)
            fail("a call with a deadline gave up " + std::to_string(-late) + " ns before it");
        if (timed_out && late < 0) fail("a time-out " + std::to_string(-late) + " ns before its deadline");
        if (timed_out && clock.late == Machine::running()->consumed())
            fail("a time-out without a look at the channel after its deadline");
        if (late > most_late(effort)) fail("an answer " + std::to_string(late) + " ns after the deadline of its call");
    }

    // Without a deadline a call makes at most the rounds of its limit, and does not give up before the last of them. Of a
    // batch that is written, each part has the limit.
    void check_rounds(harness::Kind kind, ipc::Status status, ipc::Nanoseconds deadline, const ipc::Effort& effort) const {
        if (kind == harness::Kind::write_many || (takes_deadline(kind) && deadline < SimMemory::endless)) return;
        const std::uint32_t most = plan_.max_round_trips;
        if (most != 0 && effort.rounds > most)
            fail("a call of " + std::to_string(effort.rounds) + " rounds; its limit is " + std::to_string(most));
        const bool gave_up =
            status == ipc::Status::retry_limit || (kind == harness::Kind::write && status == ipc::Status::full);
        if (gave_up && (most == 0 || effort.rounds < most))
            fail("a call gave up after " + std::to_string(effort.rounds) + " rounds; its limit is " +
                 (most == 0 ? "none" : std::to_string(most)));
    }

    // How long after its deadline a call may answer. Time passes in pauses only: in the one in which the deadline passes,
    // then once for each round that was lost to others, and for each entry that a recovery goes past.
    ipc::Nanoseconds most_late(const ipc::Effort& effort) const {
        const auto entries = static_cast<ipc::Nanoseconds>(plan_.capacity / ipc::kEntryAlignment);
        return SimMemory::longest_pause * (1 + effort.conflicts + effort.recoveries * entries);
    }

    // Until the call returns it may have removed any number of messages.
    static void expect_several(Log& log, std::size_t first, std::uint32_t count) {
        for (std::uint32_t at = 1; at < count; ++at) {
            Logged next = log[first];
            next.continues = true;
            log.add(next);
        }
    }

    static void deliver(Logged& logged, Incoming& incoming, std::size_t at) {
        const Received& message = incoming.messages[at];
        const std::byte* payload = incoming.payload(at);
        logged.call.status = static_cast<std::uint8_t>(ipc::Status::ok);
        logged.call.id = message.id;
        logged.call.value = harness::payload_value(payload, message.size);
        logged.call.size = static_cast<std::uint32_t>(message.size);
        logged.call.intact = harness::payload_intact(payload, message.size);
        logged.copied = message.copied;
        logged.words = static_cast<int>((message.size + 7) / 8);
    }

    static void describe(Call& call, const ipc::Snapshot& snapshot) {
        call.id = snapshot.head;
        call.target = snapshot.tail;
        call.size = static_cast<std::uint32_t>(snapshot.bytes);
        call.entries = static_cast<std::uint32_t>(snapshot.entries);
        call.closed = snapshot.closed;
    }

    ChannelPlan plan_;
    Program program_;
    std::unique_ptr<SimBlock> block_;
    std::vector<Log> logs_;
    ChannelHistory history_;
};

}  // namespace explorer
