// The channel as a program to explore: workers that run scripts on one channel over the simulated memory, and the
// verdict on the history that each execution leaves.
//
// A history is the calls of all workers with their answers, ordered by happens-before (a call precedes another if its
// last access happens before the point where the other began), and then the calls of one reader who comes after
// everybody and drains the channel: what a write published and nobody took must still be there, once. Every distinct
// history is judged once (fifo_search.hpp).
//
// Weak memory has no one instant at which a worker that only looked was right: after A published and B removed, A may
// still be told FULL and B EMPTY, each by an old store that nothing forbids it to read (store buffering). So what is
// asked is that the calls that changed the channel have an order that explains them together with all that any one
// worker was told. Only where that fails is an answer wrong under every interleaving.
#pragma once

#include <algorithm>
#include <bit>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include "final_memory.hpp"
#include "fifo_search.hpp"
#include "harness/native/mutants.hpp"
#include "harness/native/payload.hpp"
#include "waiting.hpp"

namespace explorer {

struct ChannelPlan {
    ipc::u64 capacity = 64;
    std::vector<std::vector<harness::ScriptOperation>> scripts;
    harness::Planted design;
    std::vector<Kill> kills;
    std::uint32_t max_round_trips = 0;
};

class ChannelProgram {
public:
    static constexpr std::size_t largest_payload = 256;

    explicit ChannelProgram(ChannelPlan plan) : plan_(std::move(plan)), search_(plan_.capacity) {
        if (plan_.capacity < 32 || plan_.capacity % 16 != 0 || plan_.capacity > 4096) {
            throw std::invalid_argument(
                "an explored channel has a capacity from 32 to 4096 bytes, a multiple of 16; got " +
                std::to_string(plan_.capacity));
        }
        std::size_t calls = 0;
        for (const auto& script : plan_.scripts) {
            calls += script.size();
            for (const auto& operation : script) {
                if (harness::is_batch(operation.kind))
                    throw std::invalid_argument(
                        "write_many and read_many are not explored; use single writes and reads");
                if (operation.size > largest_payload) {
                    throw std::invalid_argument("an explored payload has at most " + std::to_string(largest_payload) +
                                                " bytes; got " + std::to_string(operation.size));
                }
            }
        }
        if (calls + plan_.capacity / 16 > max_calls) {
            throw std::invalid_argument("too large to explore: " + std::to_string(calls) +
                                        " calls; a history has at most " + std::to_string(max_calls) +
                                        " calls, those that drain the channel included");
        }
        const ipc::Geometry geometry(plan_.capacity, 1);
        block_ = std::make_unique<SimBlock>(program_, geometry, plan_.kills);
        program_.set_initial(block_->location(geometry.header_at(0)), ipc::unpublished_header(0));
        logs_.resize(plan_.scripts.size());
        for (std::size_t worker = 0; worker < plan_.scripts.size(); ++worker) {
            logs_[worker].resize(plan_.scripts[worker].size());
            program_.workers.emplace_back([this, worker] { work(worker); });
        }
        program_.doing = [this](int worker) { return doing(static_cast<std::size_t>(worker)); };
    }

    Program& program() { return program_; }
    int workers() const { return static_cast<int>(logs_.size()); }

    // --- of the execution that was run last --------------------------------------------------------------------------

    // FNV-1a of what the calls answered.
    std::uint64_t answers() const {
        std::uint64_t hash = 14695981039346656037U;
        for (const Log& log : logs_) {
            for (std::size_t at = 0; at < log.used; ++at) {
                const Call& call = log.calls[at].call;
                for (const std::uint64_t part : {std::uint64_t{call.status}, std::uint64_t{call.id}, call.value,
                                                 std::uint64_t{call.size}, std::uint64_t{call.intact}})
                    hash = (hash ^ part) * 1099511628211U;
            }
        }
        return hash;
    }
    // Is the worker in a call that reads, peeks or skips?
    bool is_reading(int worker) const {
        const Log& log = logs_[static_cast<std::size_t>(worker)];
        return log.used > 0 && !harness::writes(log.calls[log.used - 1].call.kind);
    }
    // Accesses of the worker's longest call that reads, peeks or skips.
    int longest_reading(int worker) const {
        const Log& log = logs_[static_cast<std::size_t>(worker)];
        int longest = 0;
        for (std::size_t at = 0; at < log.used; ++at) {
            const Logged& logged = log.calls[at];
            if (logged.returned && !harness::writes(logged.call.kind))
                longest = std::max(longest, logged.end - logged.begin);
        }
        return longest;
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
        return state == State::suspended ||
               (state == State::waiting && !knows_newest(graph, holder, machine.round_begin(holder)));
    }
    std::size_t distinct_histories() const { return judged_.size(); }

    // Digests of the histories judged since this was last asked.
    std::vector<std::uint64_t> take_digests() { return std::exchange(digests_, {}); }

    // --- for an execution whose program is written while it runs: the workers are then to be run from their start -----

    void append(int worker, const harness::ScriptOperation& operation) {
        const auto at = static_cast<std::size_t>(worker);
        plan_.scripts[at].push_back(operation);
        logs_[at].resize(plan_.scripts[at].size());
    }
    SimBlock& block() { return *block_; }
    // What has been called so far, worker by worker, and what was answered.
    std::vector<Call> calls() const {
        std::vector<Call> calls;
        for (const Log& log : logs_) {
            for (std::size_t at = 0; at < log.used; ++at) calls.push_back(log.calls[at].call);
        }
        return calls;
    }
    // Is the last call that this worker began still under way?
    bool in_call(int worker) const {
        const Log& log = logs_[static_cast<std::size_t>(worker)];
        return log.used > 0 && !log.calls[log.used - 1].returned;
    }

    // Why the history of this execution is wrong, if it is.
    std::optional<std::string> judge(const Graph& graph) {
        collect(graph);
        drain(graph);
        std::string key(reinterpret_cast<const char*>(calls_.data()), calls_.size() * sizeof(Call));
        const auto [judged, fresh] = judged_.try_emplace(std::move(key), true);
        if (fresh) {
            digests_.push_back(std::hash<std::string>{}(judged->first));
            judged->second = explained();
        }
        if (judged->second) return std::nullopt;
        return "no order of the calls on a FIFO explains their answers: " + text();
    }

private:
    struct Logged {
        Call call;
        int begin = 0;  // accesses of the worker before the call
        int end = 0;    // ... and when it had returned
        bool returned = false;
    };
    struct Log {
        std::vector<Logged> calls;
        std::size_t used = 0;
        void resize(std::size_t size) { calls.resize(size); }
    };

    struct OneMessage {
        std::byte* buffer;
        ipc::u64 size = 0;
        std::byte* reserve(ipc::u64 length, ipc::Position) {
            size = length;
            return length <= largest_payload ? buffer : nullptr;
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

    void work(std::size_t worker) {
        Log& log = logs_[worker];
        log.used = 0;
        block_->clock(static_cast<int>(worker)) = {};
        Machine& machine = *Machine::running();
        const std::atomic<ipc::u64> me{ipc::owner_word(static_cast<unsigned>(worker), worker + 1)};
        ipc::Channel<SimMemory, harness::Planted> channel(SimMemory(*block_), block_->geometry(),
                                                          policy(plan_.max_round_trips), &me, plan_.design);
        ipc::u64 seen = harness::kNoId;
        for (const harness::ScriptOperation& operation : plan_.scripts[worker]) {
            Logged& logged = log.calls[log.used++];
            logged = {};
            logged.begin = machine.consumed();
            Call& call = logged.call;
            call.kind = operation.kind;
            call.worker = static_cast<std::uint8_t>(worker);
            if (harness::writes(operation.kind)) {
                call.value = operation.value;
                call.size = operation.size;
            } else if (operation.kind == harness::Kind::skip) {
                call.target = seen;
            }
            machine.begin_round();
            const ipc::Status status = perform(channel, operation, call);
            if (status == ipc::Status::mismatch || (status == ipc::Status::ok && operation.kind == harness::Kind::peek))
                seen = call.id;
            call.status = static_cast<std::uint8_t>(status);
            logged.end = machine.consumed();
            logged.returned = true;
        }
    }

    template <class Channel>
    ipc::Status perform(Channel& channel, const harness::ScriptOperation& operation, Call& call) {
        using harness::Kind;
        std::array<std::byte, largest_payload> buffer{};
        ipc::DirectHook hook;
        ipc::Effort effort;
        OneMessage sink{buffer.data()};
        ipc::Position id = 0;
        ipc::Status status = ipc::Status::corrupted;
        const ipc::Nanoseconds now = channel.memory().now();
        const ipc::Nanoseconds deadline =
            operation.timeout == harness::kNoTimeout ? ipc::never : now + operation.timeout;
        block_->begin_call(call.worker, deadline);
        const std::span<const std::byte> message(buffer.data(), operation.size);
        if (harness::writes(operation.kind)) harness::fill_payload(buffer.data(), operation.size, operation.value);
        switch (operation.kind) {
            case Kind::write: status = channel.write(message, id, deadline, effort, hook); break;
            case Kind::try_write: status = channel.try_write(message, id, effort); break;
            case Kind::read: status = channel.read(sink, id, deadline, effort, hook); break;
            case Kind::try_read: status = channel.try_read(sink, id, effort, hook); break;
            case Kind::peek: status = channel.peek(sink, id, effort, hook); break;
            case Kind::skip: status = channel.skip(call.target, id, effort); break;
            case Kind::skip_force: status = channel.skip_force(id, effort); break;
            default: break;
        }
        if (status == ipc::Status::timeout && channel.memory().now() < deadline) {
            Machine::running()->fail(
                Fault::history,
                "a time-out " + std::to_string(deadline - channel.memory().now()) + " ns before its deadline",
                std::source_location::current());
        }
        if (status == ipc::Status::ok || status == ipc::Status::mismatch) call.id = id;
        if (status == ipc::Status::ok && harness::carries_payload(operation.kind)) {
            call.value = harness::payload_value(buffer.data(), sink.size);
            call.size = static_cast<std::uint32_t>(sink.size);
            call.intact = harness::payload_intact(buffer.data(), sink.size);
        }
        return status;
    }

    // --- afterwards ------------------------------------------------------------------------------------------------

    void collect(const Graph& graph) {
        calls_.clear();
        ends_.clear();
        for (std::size_t worker = 0; worker < logs_.size(); ++worker) {
            for (std::size_t at = 0; at < logs_[worker].used; ++at) {
                const Logged& logged = logs_[worker].calls[at];
                calls_.push_back(logged.call);
                ends_.push_back(logged.returned ? logged.end : -1);
            }
        }
        std::size_t at = 0;
        for (std::size_t worker = 0; worker < logs_.size(); ++worker) {
            for (std::size_t index = 0; index < logs_[worker].used; ++index, ++at) {
                const int begin = logs_[worker].calls[index].begin;
                View known;
                if (begin > 0)
                    known = graph[{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(begin - 1)}].hb;
                for (std::size_t other = 0; other < calls_.size(); ++other) {
                    const bool own = calls_[other].worker == worker && other < at;
                    const bool before = ends_[other] > 0 && known.seen[calls_[other].worker] >= ends_[other];
                    if (other != at && (own || before)) calls_[at].before |= std::uint32_t{1} << other;
                }
            }
        }
    }

    // Did the call leave the channel as it was?
    static bool only_looked(const Call& call) {
        return call.kind == harness::Kind::peek ||
               (call.status != static_cast<std::uint8_t>(ipc::Status::ok) && call.status != harness::kPending);
    }

    // One order for each worker's view: what changed the channel, and what that worker was told besides.
    bool explained() {
        const std::size_t afterwards = logs_.size();
        bool looked = false;
        for (std::size_t worker = 0; worker < afterwards; ++worker) {
            const auto of_worker = [worker](const Call& call) { return call.worker == worker && only_looked(call); };
            if (std::none_of(calls_.begin(), calls_.end(), of_worker)) continue;
            looked = true;
            if (!search_.explains(seen_by(worker))) return false;
        }
        return looked || search_.explains(calls_);
    }
    const std::vector<Call>& seen_by(std::size_t worker) {
        view_.clear();
        std::array<std::uint32_t, max_calls> renamed{};
        for (std::size_t at = 0; at < calls_.size(); ++at) {
            const Call& call = calls_[at];
            if (only_looked(call) && call.worker != worker && call.worker != logs_.size()) continue;
            renamed[at] = std::uint32_t{1} << view_.size();
            Call kept = call;
            kept.before = 0;
            view_.push_back(kept);
        }
        for (std::size_t at = 0; at < calls_.size(); ++at) {
            if (renamed[at] == 0) continue;
            std::uint32_t& before = view_[static_cast<std::size_t>(std::countr_zero(renamed[at]))].before;
            for (std::size_t other = 0; other < calls_.size(); ++other) {
                if ((calls_[at].before >> other & 1) != 0) before |= renamed[other];
            }
        }
        return view_;
    }

    void drain(const Graph& graph) {
        const std::atomic<ipc::u64> nobody{0};
        ipc::Channel<FinalMemory> channel(FinalMemory(*block_, program_, graph), block_->geometry(), policy(1),
                                          &nobody);
        for (;;) {
            std::array<std::byte, largest_payload> buffer{};
            OneMessage sink{buffer.data()};
            ipc::DirectHook hook;
            ipc::Effort effort;
            ipc::Position id = 0;
            const ipc::Status status = channel.try_read(sink, id, effort, hook);
            Call call;
            call.kind = harness::Kind::try_read;
            call.status = static_cast<std::uint8_t>(status);
            call.worker = static_cast<std::uint8_t>(logs_.size());
            call.before = (std::uint32_t{1} << calls_.size()) - 1;
            if (status == ipc::Status::ok) {
                call.id = id;
                call.value = harness::payload_value(buffer.data(), sink.size);
                call.size = static_cast<std::uint32_t>(sink.size);
                call.intact = harness::payload_intact(buffer.data(), sink.size);
            }
            calls_.push_back(call);
            if (status != ipc::Status::ok || calls_.size() == max_calls) return;
        }
    }

    static const char* name_of(harness::Kind kind) {
        static constexpr std::array<const char*, 9> kinds{"write", "try_write",  "read",       "try_read", "peek",
                                                          "skip",  "skip_force", "write_many", "read_many"};
        return kinds[static_cast<std::size_t>(kind)];
    }

    // "its call 2, try_read"
    std::string doing(std::size_t worker) const {
        const Log& log = logs_[worker];
        if (log.used == 0) return {};
        return "its call " + std::to_string(log.used) + ", " + name_of(log.calls[log.used - 1].call.kind);
    }

    std::string text() const {
        static constexpr std::array<const char*, 10> statuses{
            "ok", "full", "empty", "timeout", "mismatch", "too_large", "retry_limit", "closed", "corrupted", "pending"};
        std::string text;
        for (const Call& call : calls_) {
            if (!text.empty()) text += "; ";
            if (call.worker == logs_.size())
                text += "afterwards";
            else
                text += static_cast<char>('A' + call.worker);
            text.append(" ").append(name_of(call.kind));
            if (call.value != 0 || harness::writes(call.kind)) text.append(" ").append(std::to_string(call.value));
            if (call.target != harness::kNoId) text.append(" target ").append(std::to_string(call.target));
            text.append(" = ").append(call.status < statuses.size() ? statuses[call.status] : "?");
            if (call.id != harness::kNoId) text.append(" @").append(std::to_string(call.id));
            if (!call.intact) text += " torn";
        }
        return text;
    }

    ChannelPlan plan_;
    Program program_;
    std::unique_ptr<SimBlock> block_;
    std::vector<Log> logs_;
    std::vector<Call> calls_;
    std::vector<Call> view_;
    std::vector<int> ends_;
    FifoSearch search_;
    std::unordered_map<std::string, bool> judged_;  // is it explained?
    std::vector<std::uint64_t> digests_;
};

}  // namespace explorer
