// What judges a history, by itself, for its tests.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "describe.hpp"
#include "exhaustive.hpp"
#include "subject.hpp"

namespace explorer {

// kind, status, value, id, target, size, entries, closed, bit set of the calls before it
using RawHistoryCall =
    std::tuple<std::uint8_t, std::uint8_t, ipc::u64, ipc::u64, ipc::u64, std::uint32_t, std::uint32_t, bool,
               std::uint32_t>;

inline bool explains(ipc::u64 capacity, const std::vector<RawHistoryCall>& raw) {
    if (raw.size() > max_calls) {
        throw std::invalid_argument("a history has at most " + std::to_string(max_calls) + " calls; got " +
                                    std::to_string(raw.size()));
    }
    std::vector<Call> calls;
    for (const auto& [kind, status, value, id, target, size, entries, closed, before] : raw) {
        Call& call = calls.emplace_back();
        call.kind = static_cast<harness::Kind>(kind);
        call.status = status;
        call.value = value;
        call.id = id;
        call.target = target;
        call.size = size;
        call.entries = entries;
        call.closed = closed;
        call.before = before;
    }
    return FifoSearch(capacity).explains(calls);
}

// Of each graph of a program under sc: its text, and the strongest real-time orders of its calls.
using GraphOrders = std::pair<std::string, std::vector<std::vector<std::uint32_t>>>;

inline std::vector<GraphOrders> real_time_orders(Subject& subject, const std::vector<std::vector<int>>& calls) {
    const std::lock_guard lock(exploring);
    const int workers = static_cast<int>(subject.program->workers.size());
    if (calls.size() != subject.program->workers.size())
        throw std::invalid_argument("the program has " + std::to_string(workers) + " workers; got calls of " +
                                    std::to_string(calls.size()));
    std::vector<Interval> intervals;
    for (int worker = 0; worker < workers; ++worker) {
        int begin = 0;
        for (const int events : calls[static_cast<std::size_t>(worker)]) {
            intervals.push_back({worker, begin, begin + events, true});
            begin += events;
        }
    }
    ExhaustiveOptions options;
    options.model = Model::sc;
    Exhaustive driver(*subject.program, options);
    RealTime real_time;
    std::vector<GraphOrders> found;
    driver.on_complete = [&](const Graph& graph) {
        auto& [text, orders] = found.emplace_back(describe(graph, workers), std::vector<std::vector<std::uint32_t>>{});
        real_time.every(graph, intervals, [&orders, &intervals](const RealTime::Before& before) {
            orders.emplace_back(before.begin(), before.begin() + static_cast<std::ptrdiff_t>(intervals.size()));
            return true;
        });
    };
    driver.explore();
    return found;
}

inline void bind_history(nanobind::module_& module) {
    using namespace nanobind::literals;
    module.def("explains", &explains, "capacity"_a, "calls"_a,
               "Is a history of (kind, status, value, id, target, size, entries, closed, before) one of a FIFO?");
    module.def("real_time_orders", &real_time_orders, "subject"_a, "calls"_a,
               "Of each execution under sc: its graph, and the strongest real-time orders of calls of so many events, as "
               "bit sets of what precedes each.");
}

}  // namespace explorer
