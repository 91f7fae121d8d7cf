// A view: for each worker, how many of its first events are known (a vector clock; Mattern 1989, Fidge 1988).
//
// The two relations that the explorer asks about most, (program order and reads-from)+ and happens-before, are closed
// downwards in program order, so that one number per worker holds the set of an event's predecessors.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

namespace explorer {

inline constexpr int max_workers = 8;
inline constexpr int max_events_per_worker = INT16_MAX - 1;

// An event's name: the index-th event of a worker. The initial store of every location is the one event of nobody.
struct EventId {
    std::int16_t worker = -1;
    std::int16_t index = -1;

    bool is_initial() const { return worker < 0; }
    friend bool operator==(EventId, EventId) = default;
};
inline constexpr EventId initial_store{};

struct alignas(16) View {
    std::array<std::int16_t, max_workers> seen{};

    bool contains(EventId event) const {
        return event.is_initial() || event.index < seen[static_cast<unsigned>(event.worker)];
    }
    void include(EventId event) {
        std::int16_t& known = seen[static_cast<unsigned>(event.worker)];
        if (known <= event.index) known = static_cast<std::int16_t>(event.index + 1);
    }
    void join(const View& other) {
        using Lanes [[gnu::vector_size(16)]] = std::int16_t;
        Lanes mine;
        Lanes theirs;
        std::memcpy(&mine, seen.data(), sizeof mine);
        std::memcpy(&theirs, other.seen.data(), sizeof theirs);
        mine = mine > theirs ? mine : theirs;
        std::memcpy(seen.data(), &mine, sizeof mine);
    }
};
static_assert(sizeof(View) == 16);

}  // namespace explorer
