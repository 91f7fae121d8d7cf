// Bindings of the progress driver, of the estimate, and of the structures that its checks are tested with.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <mutex>
#include <optional>

#include "estimate.hpp"
#include "planted.hpp"
#include "progress.hpp"
#include "replay.hpp"
#include "subject.hpp"

namespace explorer {

inline void bind_progress(nanobind::module_& module) {
    using namespace nanobind::literals;

    nanobind::class_<Progress>(module, "Progress", "How one worker fares when all others stop for ever.")
        .def_ro("stop_points", &Progress::stop_points, "Vectors of stop points of the others.")
        .def_ro("executions", &Progress::executions, "In which the worker ended.")
        .def_ro("excused", &Progress::excused, "In which it waits for ever for a writer stopped inside its copy.")
        .def_ro("cut", &Progress::cut, "In which it waits for a store that it has not seen yet.")
        .def_ro("bounded", &Progress::bounded, "That were left at a bound.")
        .def_ro("bounds", &Progress::bounds, "Which, and in which loop.")
        .def_ro("longest", &Progress::longest, "Accesses of its longest call that reads (of the whole worker, if there "
                                               "are no calls).")
        .def_ro("exhausted", &Progress::exhausted);

    module.def(
        "alone",
        [](Subject& subject, int worker, const std::string& model, std::uint64_t executions, double seconds) {
            if (worker < 0 || worker >= static_cast<int>(subject.program->workers.size()))
                throw std::invalid_argument("the program has no worker " + std::to_string(worker));
            ExhaustiveOptions options;
            options.model = model_of(model);
            options.executions = executions;
            options.seconds = seconds;
            Signals signals;
            options.interrupted = [&signals] { return signals.arrived(); };
            std::optional<nanobind::gil_scoped_release> release(std::in_place);
            std::unique_lock lock(exploring);
            Alone alone(*subject.program, options, worker);
            std::vector<Found> failures;
            const int workers = static_cast<int>(subject.program->workers.size());
            alone.prepare = [&](Exhaustive& driver) { driver.may_wait = subject.may_wait(worker); };
            alone.is_judged = [&](int of) { return !subject.channel || subject.channel->is_reading(of); };
            alone.longest = [&](const Graph& graph) {
                return subject.channel ? subject.channel->longest_reading(worker) : graph.size(worker);
            };
            alone.on_failure = [&](const Graph& graph, const Failure& failure) {
                failures.push_back(
                    found(failure, encode(steps_to(graph, workers, failure, options.model), subject.fingerprint(worker),
                                          options.model)));
            };
            const Progress progress = alone.prove();
            lock.unlock();
            release.reset();
            signals.rethrow();
            return std::tuple(progress, failures);
        },
        "subject"_a, "worker"_a, "model"_a = "rc11", "executions"_a = UINT64_MAX, "seconds"_a = 1e18,
        "One worker, while all others stop for ever: for each vector of stop points, every execution. The failures are "
        "those in which it cannot end.");
    nanobind::class_<Estimate>(module, "Estimate",
                                 "How many executions a program has, about, however they end.")
        .def_ro("mean", &Estimate::mean, "Of all probes: unbiased.")
        .def_ro("median", &Estimate::median, "Of all probes: too low rather than too high, and steady.")
        .def_ro("lowest", &Estimate::lowest, "Of the probes.")
        .def_ro("highest", &Estimate::highest, "Of the probes.")
        .def_ro("error", &Estimate::error, "Standard error of the mean.")
        .def_ro("probes", &Estimate::probes)
        .def_ro("width", &Estimate::width, "Nodes in a front of a probe, at most: as many as the time allowed.")
        .def_ro("runs", &Estimate::runs, "Of the machine, for all probes together.")
        .def_ro("exact", &Estimate::exact, "The program is so small that a probe has gone through it.");
    module.def(
        "estimate",
        [](Subject& subject, const std::string& model, bool waiting, std::uint64_t probes, std::size_t width,
           double seconds, std::uint64_t seed) {
            if (probes < 1 || width < 1) throw std::invalid_argument("an estimate takes a probe, and a probe a node");
            ExhaustiveOptions options;
            options.model = model_of(model);
            options.waiting = waiting;
            Signals signals;
            options.interrupted = [&signals] { return signals.arrived(); };
            const auto estimate = [&] {
                const nanobind::gil_scoped_release release;
                const std::lock_guard lock(exploring);
                return Prober(*subject.program, options, seed, width).estimate(probes, seconds);
            }();
            signals.rethrow();
            return estimate;
        },
        "subject"_a, "model"_a = "rc11", "waiting"_a = true, "probes"_a = 100, "width"_a = 300, "seconds"_a = 1.0, "seed"_a = 1,
        "Estimate the number of executions by random probes of the tree of alternatives, each at most so many nodes wide; "
        "narrower where several such would take longer than the seconds.");
    module.def(
        "planted", [](const std::string& name) { return Subject{planted::program(name), "planted " + name, nullptr}; },
        "name"_a, "A small structure with a bug of progress or determinism, or its right twin (planted.hpp).");
    module.def("values_outside", &planted::values_outside,
               "A counter from 1 that two workers add to: its value outside them, before and in complete executions.");
    module.def("act_outside", &planted::act_outside, "what"_a, "What only a worker may do, outside one: an error.");
}

}  // namespace explorer
