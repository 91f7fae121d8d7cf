// The history that an execution leaves, and the verdict on it.
//
// A history is the calls of all workers with their answers, and then the calls of one reader who comes after everybody
// and drains the channel: what a write published and nobody took must still be there, once. What "before" means between
// calls of different workers depends on the model:
//
//   sc     real time: the call returned before the other was invoked, in the order of steps. An execution graph stands
//          for many orders of steps, so a history is judged in every real-time order that its graph allows
//          (real_time.hpp); a schedule that is walked again has one order. All answers are explained together.
//   rc11   happens-before: the call's last access happens before the point where the other began. Weak memory has no
//          one instant at which a worker that only looked was right: after A published and B removed, A may still be
//          told FULL and B EMPTY, each by an old store that nothing forbids it to read (store buffering). So what is
//          asked is that the calls that changed the channel have an order that explains them together with all that any
//          one worker was told. Only where that fails is an answer wrong under every interleaving.
//
// Every distinct history is judged once (fifo_search.hpp).
#pragma once

#include <algorithm>
#include <bit>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "channel/core/channel.hpp"
#include "fifo_search.hpp"
#include "final_memory.hpp"
#include "handover.hpp"
#include "harness/native/payload.hpp"
#include "interned.hpp"
#include "real_time.hpp"

namespace explorer {

// How calls of different workers are ordered in an execution.
enum class Precedence : std::uint8_t {
    happens_before,    // RC11
    every_real_time,   // sc, of a graph: every order that some interleaving has
    order_of_steps,    // sc, of a walk: the one in which the steps were made
};

struct Logged {
    Call call;
    int begin = 0;      // accesses of the worker before the call; of a TIMEOUT, before its deadline had passed
    int end = 0;        // ... and when it had returned
    int copied = 0;     // the first access of the copy that was returned ...
    int words = 0;      // ... and how many there are
    bool returned = false;
    bool continues = false;  // not the first message of its batch: same interval, and after the one before
};

inline const char* name_of(harness::Kind kind) {
    static constexpr std::array<const char*, 11> kinds{"write", "try_write",  "read",       "try_read",  "peek",
                                                       "skip",  "skip_force", "write_many", "read_many", "state",
                                                       "shutdown"};
    return kinds[static_cast<std::size_t>(kind)];
}

// What a worker's calls answered; written on its fiber, which may own no memory.
class Log {
public:
    void reserve(std::size_t calls) { calls_.resize(calls); }
    void restart() { used_ = 0; }
    Logged& add(const Logged& logged) { return calls_[used_++] = logged; }
    void keep(std::size_t calls) { used_ = calls; }
    std::size_t used() const { return used_; }
    Logged& operator[](std::size_t at) { return calls_[at]; }
    const Logged& operator[](std::size_t at) const { return calls_[at]; }

    // "its call 2, try_read"; a batch is one call.
    std::string doing() const {
        if (used_ == 0) return {};
        std::size_t calls = 0;
        for (std::size_t at = 0; at < used_; ++at) calls += !calls_[at].continues;
        return "its call " + std::to_string(calls) + ", " + name_of(calls_[used_ - 1].call.kind);
    }

private:
    std::vector<Logged> calls_;
    std::size_t used_ = 0;
};

class ChannelHistory {
public:
    static constexpr std::size_t largest_payload = 256;

    explicit ChannelHistory(ipc::u64 capacity) : search_(capacity) {}

    std::size_t distinct() const { return judged_.size(); }
    // Digests of the histories judged since this was last asked.
    std::vector<std::uint64_t> take_digests() { return std::exchange(digests_, {}); }
    // Real-time orders judged so far, of all graphs together.
    std::uint64_t orders() const { return orders_; }

    // Why this execution is wrong, if it is.
    std::optional<std::string> judge(const Graph& graph, const std::vector<Log>& logs, const SimBlock& block,
                                     const Program& program, Precedence precedence) {
        steps_.clear();
        collect(graph, logs, block);
        drain(graph, block, program);
        answers_ = known_.insert({reinterpret_cast<const char*>(calls_.data()), calls_.size() * sizeof(Call)}).first;
        switch (precedence) {
            case Precedence::happens_before:
                order_by_happens_before(graph);
                if (!is_right([this] { return explained_to_each(); })) return wrong("");
                return copies_are_over(graph, program);
            case Precedence::order_of_steps:
                order_by_steps(graph);
                if (!is_right([this] { return search_.explains(calls_); })) return wrong(" in real time");
                return std::nullopt;
            case Precedence::every_real_time:
                const bool right = real_time_.every(graph, intervals_, [this](const RealTime::Before& order) {
                    ++orders_;
                    order_by(order);
                    return is_right([this] { return search_.explains(calls_); });
                });
                if (right) return std::nullopt;
                steps_ = real_time_.steps();
                return wrong(" in real time");
        }
        return std::nullopt;
    }

    // Is there nothing in the channel, to somebody who comes after everybody?
    bool is_empty(const Graph& graph, const SimBlock& block, const Program& program) const {
        const std::atomic<ipc::u64> nobody{0};
        ipc::Channel<FinalMemory> channel(FinalMemory(block, program, graph), block.geometry(), once(), &nobody);
        std::array<std::byte, largest_payload> buffer{};
        OneMessage sink{buffer.data()};
        ipc::DirectHook hook;
        ipc::Effort effort;
        ipc::Position id = 0;
        return channel.peek(sink, id, effort, hook) == ipc::Status::empty;
    }

    // After a history that was wrong in a real-time order: the interleaving in which it is wrong.
    const std::vector<EventId>& steps() const { return steps_; }

private:
    // --- the calls ---------------------------------------------------------------------------------------------------

    // A read of a living worker that has not returned has not taken anything.
    static bool is_idle(const Logged& logged, const SimBlock& block) {
        const bool reads = logged.call.kind == harness::Kind::read || logged.call.kind == harness::Kind::read_many;
        return reads && !logged.returned && !block.kills(logged.call.worker);
    }

    void collect(const Graph& graph, const std::vector<Log>& logs, const SimBlock& block) {
        workers_ = logs.size();
        calls_.clear();
        logged_.clear();
        intervals_.clear();
        interval_of_.clear();
        for (std::size_t worker = 0; worker < logs.size(); ++worker) {
            for (std::size_t at = 0; at < logs[worker].used(); ++at) {
                const Logged& logged = logs[worker][at];
                if (is_idle(logged, block)) continue;
                const int of = static_cast<int>(worker);
                const int end = logged.returned ? logged.end : graph.size(of);
                if (!logged.continues) intervals_.push_back({of, logged.begin, end, logged.returned});
                calls_.push_back(logged.call);
                logged_.push_back(&logged);
                interval_of_.push_back(intervals_.size() - 1);
            }
        }
    }

    struct OneMessage {
        std::byte* buffer;
        ipc::u64 size = 0;
        std::byte* reserve(ipc::u64 length, ipc::Position) {
            size = length;
            return length <= largest_payload ? buffer : nullptr;
        }
    };

    static ipc::Policy once() {
        ipc::Policy policy;
        policy.max_round_trips = 1;
        return policy;
    }

    void drain(const Graph& graph, const SimBlock& block, const Program& program) {
        const std::atomic<ipc::u64> nobody{0};
        ipc::Channel<FinalMemory> channel(FinalMemory(block, program, graph), block.geometry(), once(), &nobody);
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
            call.worker = static_cast<std::uint8_t>(workers_);
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

    // --- their order -------------------------------------------------------------------------------------------------

    // From the order of the intervals; the messages of a batch follow each other.
    void order_by(const RealTime::Before& order) {
        for (std::size_t at = 0; at < logged_.size(); ++at) {
            std::uint32_t before = 0;
            for (std::size_t other = 0; other < logged_.size(); ++other) {
                if ((order[interval_of_[at]] >> interval_of_[other] & 1) != 0) before |= std::uint32_t{1} << other;
            }
            if (logged_[at]->continues) before |= std::uint32_t{1} << (at - 1);
            calls_[at].before = before;
        }
    }

    void order_by_happens_before(const Graph& graph) {
        order_by(pairwise([&graph](const Interval& interval, const Interval& other) {
            if (interval.begin == 0) return false;
            const View& known = graph[{static_cast<std::int16_t>(interval.worker),
                                       static_cast<std::int16_t>(interval.begin - 1)}].hb;
            return other.end > 0 && known.seen[static_cast<unsigned>(other.worker)] >= other.end;
        }));
    }

    void order_by_steps(const Graph& graph) {
        const auto stamp = [&graph](int worker, int index) {
            return graph[{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(index)}].stamp;
        };
        order_by(pairwise([&](const Interval& interval, const Interval& other) {
            if (interval.end == interval.begin || other.end == other.begin) return false;
            return stamp(other.worker, other.end - 1) < stamp(interval.worker, interval.begin);
        }));
    }

    template <class Precedes>
    RealTime::Before pairwise(Precedes precedes) const {
        RealTime::Before order{};
        for (std::size_t at = 0; at < intervals_.size(); ++at) {
            for (std::size_t other = 0; other < intervals_.size(); ++other) {
                if (other == at || !intervals_[other].returned) continue;
                const bool own = intervals_[other].worker == intervals_[at].worker;
                if (own ? other < at : precedes(intervals_[at], intervals_[other]))
                    order[at] |= std::uint32_t{1} << other;
            }
        }
        return order;
    }

    // --- the verdict -------------------------------------------------------------------------------------------------

    template <class Explained>
    bool is_right(Explained explained) {
        const auto [history, fresh] = judged_.insert(answers_and_order());
        if (fresh) {
            const std::hash<std::string_view> hash;
            const std::string_view before = judged_[history].substr(sizeof answers_);
            digests_.push_back(hash(known_[answers_]) * 0x9e3779b97f4a7c15U ^ hash(before));
            right_.push_back(explained());
        }
        return right_[history];
    }
    // Those who drain come after everybody, so their order says nothing. Of the others' only bytes that can be set.
    std::string_view answers_and_order() {
        const std::size_t bytes = (logged_.size() + 7) / 8;
        key_.assign(reinterpret_cast<const char*>(&answers_), sizeof answers_);
        for (std::size_t at = 0; at < logged_.size(); ++at)
            key_.append(reinterpret_cast<const char*>(&calls_[at].before), bytes);
        return key_;
    }

    // Did the call leave the channel as it was?
    static bool only_looked(const Call& call) {
        return call.kind == harness::Kind::peek || call.kind == harness::Kind::state ||
               (call.status != static_cast<std::uint8_t>(ipc::Status::ok) && call.status != harness::kPending);
    }

    // One order for each worker's view: what changed the channel, and what that worker was told besides.
    bool explained_to_each() {
        bool looked = false;
        for (std::size_t worker = 0; worker < workers_; ++worker) {
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
            if (only_looked(call) && call.worker != worker && call.worker != workers_) continue;
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

    std::optional<std::string> copies_are_over(const Graph& graph, const Program& program) const {
        for (const Logged* logged : logged_) {
            if (logged->words == 0 || !logged->returned) continue;
            if (auto unfinished =
                    unfinished_copy(graph, program, logged->call.worker, logged->copied, logged->words))
                return unfinished;
        }
        return std::nullopt;
    }

    std::string wrong(const char* how) const {
        return std::string("no order of the calls on a FIFO explains their answers") + how + ": " + text();
    }

    std::string text() const {
        static constexpr std::array<const char*, 10> statuses{
            "ok", "full", "empty", "timeout", "mismatch", "too_large", "retry_limit", "closed", "corrupted", "pending"};
        std::string text;
        for (const Call& call : calls_) {
            if (!text.empty()) text += "; ";
            if (call.worker == workers_)
                text += "afterwards";
            else
                text += static_cast<char>('A' + call.worker);
            text.append(" ").append(name_of(call.kind));
            if (call.value != 0 || harness::writes(call.kind))
                text.append(" ").append(harness::message_name(call.value));
            const bool looks = call.kind == harness::Kind::state;
            if (call.target != harness::kNoId && !looks) text.append(" target ").append(std::to_string(call.target));
            text.append(" = ").append(call.status < statuses.size() ? statuses[call.status] : "?");
            if (call.id != harness::kNoId) text.append(" @").append(std::to_string(call.id));
            if (looks && call.target != harness::kNoId) {
                text.append("..").append(std::to_string(call.target));
                text.append(" entries ").append(std::to_string(call.entries));
                if (call.closed) text += " closed";
            }
            if (!call.intact) text += " torn";
        }
        return text;
    }

    std::size_t workers_ = 0;
    std::vector<Call> calls_;              // and then those of the drain
    std::vector<const Logged*> logged_;    // of each call of a worker
    std::vector<std::size_t> interval_of_;
    std::vector<Interval> intervals_;
    std::vector<Call> view_;
    std::vector<EventId> steps_;
    RealTime real_time_;
    FifoSearch search_;
    std::uint64_t orders_ = 0;
    // Many histories differ in their order alone: what was called and answered is kept once, under a number, and a history
    // is that number and the order.
    Interned known_;
    std::uint32_t answers_ = 0;  // of this execution
    Interned judged_;
    std::vector<bool> right_;  // is it explained?
    std::string key_;
    std::vector<std::uint64_t> digests_;
};

}  // namespace explorer
