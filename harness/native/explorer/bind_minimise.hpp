// minimise() in Python.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "minimise.hpp"
#include "subject.hpp"

namespace explorer {

struct MinimalSchedule {
    Found failure;
    Cost cost;
    bool exact;
    std::uint64_t executions;
};

inline MinimalSchedule minimise(Subject& subject, const std::string& schedule, const std::string& model, int alone,
                                std::uint64_t executions, double seconds) {
    Signals signals;
    std::optional<MinimalSchedule> result;
    {
        const nanobind::gil_scoped_release release;
        const std::lock_guard lock(exploring);
        const std::string program = subject.fingerprint(alone);
        MinimiseOptions options;
        options.model = model_of(model);
        options.alone = alone;
        options.executions = executions;
        options.seconds = seconds;
        options.interrupted = [&signals] { return signals.arrived(); };
        Minimiser minimiser(*subject.program, subject.judge_of_graphs(options.model),
                            subject.judge_of_walks(options.model), subject.may_wait(alone), options);
        const Minimal minimal = minimiser.minimise(decode(schedule, program, options.model));
        result = {found(minimal.failure, encode(minimal.steps, program, options.model)), minimal.cost, minimal.exact,
                  minimal.executions};
    }
    signals.rethrow();
    return *result;
}

inline void bind_minimise(nanobind::module_& module) {
    using namespace nanobind::literals;
    nanobind::class_<MinimalSchedule>(module, "Minimal", "A failure with its cheapest schedule.")
        .def_ro("failure", &MinimalSchedule::failure)
        .def_prop_ro(
            "stale", [](const MinimalSchedule& self) { return self.cost.stale; },
            "Accesses that took, or were put below, something older than the newest.")
        .def_prop_ro(
            "switches", [](const MinimalSchedule& self) { return self.cost.switches; },
            "Steps made by another worker than the step before.")
        .def_prop_ro(
            "chosen", [](const MinimalSchedule& self) { return self.cost.chosen; },
            "Time-outs, and failures for no reason.")
        .def_prop_ro("steps", [](const MinimalSchedule& self) { return self.cost.steps; })
        .def_ro("exact", &MinimalSchedule::exact, "Every execution was seen: no schedule is cheaper.")
        .def_ro("executions", &MinimalSchedule::executions, "Seen on the way.");
    module.def("minimise", &minimise, "subject"_a, "schedule"_a, "model"_a = "rc11", "alone"_a = -1,
               "executions"_a = 200'000, "seconds"_a = 5.0,
               "The schedule that fails in the same way with the fewest stale accesses, then context switches, then other "
               "choices, then steps; exact if there are no more executions than allowed.");
}

}  // namespace explorer
