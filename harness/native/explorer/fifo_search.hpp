// Is a history of channel calls, partially ordered, explained by one sequence of calls on a FIFO that can be closed?
//
// Linearizability (Herlihy & Wing 1990) decided by the search of Wing & Gong (1993) with Lowe's memoisation (2017). The
// order is whatever the model's "before" says between calls of different workers, which need not be one of intervals:
// under weak memory it means before in every interleaving that the execution stands for. A pending call may have taken
// effect or not.
#pragma once

#include <cstring>
#include <string>
#include <unordered_set>
#include <vector>

#include "harness/native/record.hpp"

namespace explorer {

// One call, or one message of a batch.
struct Call {
    ipc::u64 value = 0;
    ipc::u64 id = harness::kNoId;      // of the message, or of the head that was seen; state(): the head
    ipc::u64 target = harness::kNoId;  // skip: the id asked for; state(): the tail
    std::uint32_t before = 0;          // bit set of the calls that precede it
    std::uint32_t size = 0;            // of the payload; state(): bytes in the ring
    std::uint32_t entries = 0;         // state()
    harness::Kind kind = harness::Kind::write;
    std::uint8_t status = harness::kPending;  // an ipc::Status, or pending
    std::uint8_t worker = 0;
    bool intact = true;
    bool closed = false;                    // state()
    std::array<std::uint8_t, 7> padding{};  // named, so that equal calls are equal bytes
};
static_assert(sizeof(Call) == 48);

inline constexpr std::size_t max_calls = 32;

class FifoSearch {
public:
    explicit FifoSearch(ipc::u64 capacity) : capacity_(capacity) {}

    bool explains(const std::vector<Call>& calls) {
        calls_ = &calls;
        dead_ends_.clear();
        return search(0, {});
    }

private:
    struct Message {
        ipc::u64 value;
        std::uint32_t size;
    };
    struct State {
        ipc::Position head = 0;
        ipc::Position tail = 0;
        bool closed = false;
        std::vector<Message> messages;
    };

    bool search(std::uint32_t done, const State& state) {
        const std::vector<Call>& calls = *calls_;
        bool over = true;
        for (std::size_t at = 0; at < calls.size(); ++at) over = over && ((done >> at & 1) != 0 || pending(calls[at]));
        if (over) return true;
        if (!dead_ends_.insert(key(done, state)).second) return false;
        for (std::size_t at = 0; at < calls.size(); ++at) {
            const Call& call = calls[at];
            if ((done >> at & 1) != 0 || (call.before & ~done) != 0) continue;
            State next = state;
            if (apply(call, next) && search(done | std::uint32_t{1} << at, next)) return true;
            if (pending(call) && search(done | std::uint32_t{1} << at, state)) return true;
        }
        return false;
    }

    static bool pending(const Call& call) { return call.status == harness::kPending; }

    static std::string key(std::uint32_t done, const State& state) {
        std::string text(reinterpret_cast<const char*>(&done), sizeof done);
        text.append(reinterpret_cast<const char*>(&state.head), sizeof state.head);
        text.push_back(state.closed ? '1' : '0');
        for (const Message& message : state.messages)
            text.append(reinterpret_cast<const char*>(&message.value), sizeof message.value);
        return text;
    }

    // One call on a FIFO; false if it would not have answered so. Of a pending call: false if it would have had no
    // effect.
    bool apply(const Call& call, State& state) const {
        using harness::Kind;
        const auto status = static_cast<ipc::Status>(call.status);
        if (!pending(call) && status == ipc::Status::retry_limit) return true;
        if (harness::writes(call.kind)) return apply_write(call, status, state);
        if (call.kind == Kind::state) {
            return pending(call) ||
                   (status == ipc::Status::ok && call.id == state.head && call.target == state.tail &&
                    call.size == state.tail - state.head && call.entries == state.messages.size() &&
                    call.closed == state.closed);
        }
        if (call.kind == Kind::shutdown) {
            state.closed = true;
            return pending(call) || status == ipc::Status::ok;
        }
        return apply_read(call, status, state);
    }

    bool apply_write(const Call& call, ipc::Status status, State& state) const {
        using ipc::Status;
        const ipc::u64 need = ipc::entry_bytes(call.size);
        const bool fits = state.tail - state.head + need + ipc::kEntryAlignment <= capacity_;
        if (!pending(call)) {
            if (status == Status::too_large) return need + ipc::kEntryAlignment > capacity_;
            if (status == Status::closed) return state.closed;
            if (status == Status::full || status == Status::timeout) return !fits && !state.closed;
            if (status != Status::ok || call.id != state.tail) return false;
        }
        if (!fits || state.closed) return false;
        state.messages.push_back({call.value, call.size});
        state.tail += need;
        return true;
    }

    static bool apply_read(const Call& call, ipc::Status status, State& state) {
        using harness::Kind;
        using ipc::Status;
        const bool empty = state.messages.empty();
        if (!pending(call)) {
            if (status == Status::closed) return empty && state.closed;
            if (status == Status::empty || status == Status::timeout) return empty && !state.closed;
        }
        if (empty) return false;
        const Message front = state.messages.front();
        if (!pending(call)) {
            if (status == Status::mismatch)
                return call.kind == Kind::skip && call.id == state.head && call.target != state.head;
            if (status != Status::ok || call.id != state.head) return false;
            if (harness::carries_payload(call.kind) &&
                (call.value != front.value || call.size != front.size || !call.intact))
                return false;
        }
        if (call.kind == Kind::skip && call.target != state.head) return false;
        if (call.kind == Kind::peek) return true;
        state.messages.erase(state.messages.begin());
        state.head += ipc::entry_bytes(front.size);
        return true;
    }

    ipc::u64 capacity_;
    const std::vector<Call>* calls_ = nullptr;
    std::unordered_set<std::string> dead_ends_;
};

}  // namespace explorer
