// The stepper in Python, and a walk along a string of bytes.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include "choices.hpp"
#include "describe.hpp"
#include "stepper.hpp"

namespace explorer {

inline std::optional<Found> found_if_any(const std::optional<Failure>& failure) {
    if (!failure) return std::nullopt;
    return found(*failure, {});
}

inline constexpr std::uint32_t kMostMessagesOfACall = 64;

inline harness::ScriptOperation script_operation(std::uint8_t kind, ipc::u64 value, std::uint32_t size,
                                                 ipc::Nanoseconds timeout, std::uint32_t count) {
    if (kind >= static_cast<std::uint8_t>(harness::Kind::count))
        throw std::invalid_argument("unknown kind " + std::to_string(kind));
    if (count < 1 || count > kMostMessagesOfACall)
        throw std::invalid_argument("count is from 1 to " + std::to_string(kMostMessagesOfACall) + "; got " + std::to_string(count));
    harness::ScriptOperation operation{};
    operation.kind = static_cast<harness::Kind>(kind);
    operation.value = value;
    operation.size = size;
    operation.timeout = timeout;
    operation.count = count;
    return operation;
}

// Every call of a stepper may run fibers, and only one machine at a time may do so.
struct Exclusively {
    std::lock_guard<std::mutex> lock{exploring};
};

inline void bind_stepper(nanobind::module_& module) {
    namespace nb = nanobind;
    using namespace nb::literals;

    static constexpr std::array<const char*, 4> kinds{"read", "write", "fence", "choice"};
    nb::class_<Stepper>(module, "Stepper", "One execution under the caller's control; the subject belongs to it.")
        .def(
            "__init__",
            [](Stepper* self, Subject& subject, const std::string& model, std::size_t most_kills,
               std::size_t most_steps) {
                const std::lock_guard lock(exploring);
                new (self) Stepper(subject, model_of(model), most_kills, most_steps);
            },
            "subject"_a, "model"_a = "rc11", "most_kills"_a = 0, "most_steps"_a = 10'000, nb::keep_alive<1, 2>())
        .def_prop_ro("workers", &Stepper::workers)
        .def_prop_ro("steps", [](const Stepper& self) { return self.walk().steps().size(); }, "Made so far.")
        .def_prop_ro(
            "graph", [](const Stepper& self) { return describe(self.walk().graph(), self.workers()); },
            "The execution so far as text: the same for two executions exactly if they are the same.")
        .def_prop_ro("over", &Stepper::over, "It has failed, or finish() was called, or a step was a dead end.")
        .def("enabled", &Stepper::enabled, nb::call_guard<Exclusively>(), "Workers that could make a step.")
        .def("waits", &Stepper::waits, nb::call_guard<Exclusively>(), "worker"_a,
             "Is it in a retry loop, or asleep, and nothing that it waits for has changed?")
        .def("in_call", &Stepper::in_call, nb::call_guard<Exclusively>(), "worker"_a,
             "Has it begun a call that has not returned?")
        .def("is_killed", &Stepper::is_killed, "worker"_a)
        .def("is_killable", &Stepper::is_killable, nb::call_guard<Exclusively>(), "worker"_a)
        .def(
            "next",
            [](Stepper& self, int worker) { return kinds[static_cast<std::size_t>(self.next(worker).kind)]; },
            nb::call_guard<Exclusively>(), "worker"_a, "What an enabled worker would do: read, write, fence or choice.")
        .def("choices", &Stepper::choices, nb::call_guard<Exclusively>(), "worker"_a,
             "In how many ways; 0 is the newest store, or the ordinary course of things.")
        .def(
            "start",
            [](Stepper& self, int worker, std::uint8_t kind, ipc::u64 value, std::uint32_t size,
               ipc::Nanoseconds timeout, std::uint32_t count) {
                self.start(worker, script_operation(kind, value, size, timeout, count));
            },
            nb::call_guard<Exclusively>(), "worker"_a, "kind"_a, "value"_a = 0, "size"_a = 0,
            "timeout"_a = harness::kNoTimeout, "count"_a = 1,
            "Begin the next call of a worker that is between calls; it stops before its first access.")
        .def("step", &Stepper::step, nb::call_guard<Exclusively>(), "worker"_a,
             "choice"_a = 0, "An enabled worker makes its next access. A choice that is forbidden becomes the next newer; returns the one that "
             "was made.")
        .def("kill", &Stepper::kill, nb::call_guard<Exclusively>(), "worker"_a,
             "An enabled worker stops for ever before its next access.")
        .def("judge", [](Stepper& self) { return found_if_any(self.judge()); }, nb::call_guard<Exclusively>(),
             "When nobody can make a step: the failure so far, or what is wrong with the history.")
        .def("finish", [](Stepper& self) { return found_if_any(self.finish()); }, nb::call_guard<Exclusively>(),
             "When nobody can make a step: as judge(), and whoever waits is stuck. It is over then.")
        .def_prop_ro(
            "failure",
            [](const Stepper& self) {
                return self.failed() ? std::optional(found(self.walk().failures().front(), {})) : std::nullopt;
            },
            "What has gone wrong so far.")
        .def_prop_ro(
            "calls",
            [](const Stepper& self) {
                std::vector<std::tuple<int, int, ipc::u64, int, ipc::u64>> rows;
                for (const Call& call : self.calls())
                    rows.emplace_back(call.worker, static_cast<int>(call.kind), call.value, call.status, call.id);
                return rows;
            },
            "The history: worker, kind, value, status and entry id of each call, worker by worker.")
        .def_prop_ro(
            "kills",
            [](const Stepper& self) {
                std::vector<std::pair<int, int>> kills;
                for (const Kill& kill : self.kills()) kills.emplace_back(kill.worker, kill.step);
                return kills;
            },
            "Worker and step of each kill so far.")
        .def("schedule", &Stepper::schedule, "of"_a,
             "Replays the execution on a subject that has its calls and kills from the start.");

    module.def(
        "expect_kills",
        [](Subject& subject, std::size_t most) {
            if (!subject.channel) throw std::invalid_argument("only the workers of a channel can be killed");
            subject.channel->block().expect_kills(most);
            subject.identity += " most kills " + std::to_string(most);
        },
        "subject"_a, "most"_a,
        "As many kills as its workers reckon with, if more than are planned; a stepper that may kill had so many.");
    module.def(
        "walk",
        [](Subject& subject, nb::bytes choices, const std::string& model) {
            const std::lock_guard lock(exploring);
            Choices strategy(std::string(choices.c_str(), choices.size()));
            const WalkOptions options{.model = model_of(model)};
            Walk walk(*subject.program, options);
            walk.judge = subject.judge_of_walks(options.model);
            const std::string program = fingerprint(subject.identity);
            const End end = walk.run(strategy);
            std::string schedule = encode(walk.steps(), program, options.model);
            std::optional<Found> failure;
            if (end == End::failed) failure = found(walk.failures().front(), schedule);
            return std::pair(schedule, failure);
        },
        "subject"_a, "choices"_a, "model"_a = "rc11",
        "One execution along a string of bytes: zero is the worker that went last, and the newest store. Its schedule, "
        "and its failure if it has one.");
}

}  // namespace explorer
