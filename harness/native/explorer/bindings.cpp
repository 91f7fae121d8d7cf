// The explorer in Python: what harness/explore is built on.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/set.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>

#include "examples/vyukov_queue.hpp"
#include "harness/native/explorer/atomic.hpp"
#include "harness/native/explorer/bind_history.hpp"
#include "harness/native/explorer/bind_minimise.hpp"
#include "harness/native/explorer/bind_progress.hpp"
#include "harness/native/explorer/bind_stepper.hpp"
#include "harness/native/explorer/describe.hpp"
#include "harness/native/explorer/exhaustive.hpp"
#include "harness/native/explorer/litmus.hpp"
#include "harness/native/explorer/pct.hpp"
#include "harness/native/explorer/pos.hpp"
#include "harness/native/explorer/replay.hpp"
#include "harness/native/explorer/selfcheck.hpp"
#include "harness/native/explorer/subject.hpp"
#include "harness/native/explorer/uniform.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using namespace explorer;

namespace {

struct Result {
    Counts counts;
    double seconds = 0;
    std::vector<Found> failures;
    std::vector<std::string> left;
    std::set<std::string> graphs;
    std::set<std::string> bounds;
    std::uint64_t repeated = 0;              // complete graphs that had been seen before
    std::array<int, max_workers> longest{};  // accesses of each worker, at most
};

Result explore(Subject& subject, ExhaustiveOptions options, bool graphs, const std::vector<std::string>& parts) {
    const std::lock_guard lock(exploring);
    Result result;
    Exhaustive driver(*subject.program, options);
    const int workers = static_cast<int>(subject.program->workers.size());
    const std::string program = subject.fingerprint();
    driver.on_complete = [&](const Graph& graph) {
        for (int worker = 0; worker < workers; ++worker) {
            int& longest = result.longest[static_cast<unsigned>(worker)];
            longest = std::max(longest, graph.size(worker));
        }
        if (graphs && !result.graphs.insert(describe(graph, workers)).second) ++result.repeated;
    };
    driver.judge = subject.judge_of_graphs(options.model);
    driver.may_wait = subject.may_wait(-1);
    std::vector<Step> first;
    driver.on_failure = [&](const Graph& graph) {
        const Failure& failure = driver.failures().back();
        std::vector<Step> steps = subject.steps(graph, failure, options.model);
        result.failures.push_back(found(failure, encode(steps, program, options.model)));
        if (result.failures.size() == 1) first = std::move(steps);
    };
    if (subject.channel) driver.answers = [&subject] { return subject.channel->answers(); };
    const auto start = std::chrono::steady_clock::now();
    result.counts = driver.explore(parts, program);
    result.left = driver.left();
    result.bounds = driver.bounds();
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    // a walk waits where an exploration without waiting goes round, so that there an endless loop would not come again
    const bool again = options.waiting && !result.failures.empty() && result.failures.front().fault != Fault::internal;
    if (again) {
        Walk walk(*subject.program, {.model = options.model, .spurious_failures = options.spurious_failures});
        walk.judge = subject.judge_of_walks(options.model);
        walk.may_wait = subject.may_wait(-1);
        if (fails_otherwise(walk, first, result.failures.front().fault)) {
            result.failures.front().what = std::string(nondeterminism) + "; it was: " + result.failures.front().what;
            result.failures.front().fault = Fault::internal;
        }
    }
    return result;
}

std::unique_ptr<Strategy> make_strategy(const std::string& name, std::uint64_t seed, int workers) {
    if (name == "uniform") return std::make_unique<Uniform>(seed);
    if (name == "pct") return std::make_unique<Pct>(seed, workers);
    if (name == "pos") return std::make_unique<Pos>(seed);
    throw std::invalid_argument("unknown sampling strategy '" + name + "'; there are 'uniform', 'pct' and 'pos'");
}

Result sample(Subject& subject, WalkOptions options, const std::string& strategy_name, std::uint64_t seed,
              std::uint64_t executions, double seconds, bool stop_at_failure, bool graphs, Signals& signals) {
    const std::lock_guard lock(exploring);
    Result result;
    Walk walk(*subject.program, options);
    const int workers = static_cast<int>(subject.program->workers.size());
    const std::string program = subject.fingerprint();
    walk.judge = subject.judge_of_walks(options.model);
    walk.may_wait = subject.may_wait(-1);
    const auto strategy = make_strategy(strategy_name, seed, workers);
    const auto start = std::chrono::steady_clock::now();
    std::function<std::uint64_t()> answers;
    if (subject.channel) answers = [&subject] { return subject.channel->answers(); };
    double next_look = 0.05;
    while (result.counts.runs < executions) {
        ++result.counts.runs;
        const End end = walk.run(*strategy);
        if (end == End::failed || result.counts.runs % 1000 == 1) {
            const std::vector<Step> steps = walk.steps();
            if (differs_again(walk, end, answers)) {
                ++result.counts.failed;
                result.failures.push_back(found({Fault::internal, nondeterminism, std::source_location::current(), -1},
                                                encode(steps, program, options.model)));
                break;
            }
        }
        switch (end) {
            case End::complete:
                ++result.counts.complete;
                if (graphs && !result.graphs.insert(describe(walk.graph(), workers)).second) ++result.repeated;
                break;
            case End::failed:
                ++result.counts.failed;
                result.failures.push_back(found(walk.failures().front(), encode(walk.steps(), program, options.model)));
                break;
            case End::cut: ++result.counts.cut; break;
            case End::bounded:
                ++result.counts.bounded;
                result.bounds.insert(walk.bound());
                break;
            case End::dead_end: ++result.counts.moot; break;
        }
        result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        if ((stop_at_failure && result.counts.failed > 0) || result.seconds > seconds) break;
        if (result.seconds < next_look) continue;
        if (signals.arrived()) break;
        next_look = result.seconds + 0.05;
    }
    return result;
}

Order order_named(const std::string& name) {
    static constexpr std::array<const char*, 6> names{"plain", "relaxed", "acquire", "release", "acq_rel", "seq_cst"};
    for (std::size_t index = 0; index < names.size(); ++index) {
        if (name == names[index]) return static_cast<Order>(index);
    }
    throw std::invalid_argument("unknown memory order '" + name +
                                "'; there are plain, relaxed, acquire, release, acq_rel, seq_cst");
}

using RawInstruction = std::tuple<std::string, Location, Word, Word, std::string, std::string>;

Instruction instruction(const RawInstruction& raw) {
    static constexpr std::array<const char*, 11> codes{"load",  "store", "exchange", "add",   "compare", "compare_weak",
                                                       "fence", "guard", "await",    "check", "choose"};
    const auto& [code, location, value, expected, order, failure] = raw;
    for (std::size_t index = 0; index < codes.size(); ++index) {
        if (code == codes[index]) {
            return {static_cast<Instruction::Code>(index),
                    location,
                    value,
                    expected,
                    order_named(order),
                    order_named(failure)};
        }
    }
    throw std::invalid_argument("unknown litmus instruction '" + code + "'");
}

Subject litmus(std::size_t locations, const std::vector<std::vector<RawInstruction>>& workers) {
    Litmus program{locations, {}};
    std::string identity = "litmus " + std::to_string(locations);
    for (const auto& raw : workers) {
        auto& code = program.workers.emplace_back();
        identity += " |";
        for (const auto& step : raw) {
            code.push_back(instruction(step));
            const auto& [name, location, value, expected, order, failure] = step;
            identity += " " + name + " " + std::to_string(location) + " " + std::to_string(value) + " " +
                        std::to_string(expected) + " " + order + " " + failure;
        }
    }
    return {make_program(program), identity, nullptr};
}

Subject vyukov_queue(int workers, int operations, const std::string& weakened) {
    examples::QueueOrders orders;
    if (weakened == "push_load")
        orders.push_load = std::memory_order_relaxed;
    else if (weakened == "push_store")
        orders.push_store = std::memory_order_relaxed;
    else if (weakened == "pop_load")
        orders.pop_load = std::memory_order_relaxed;
    else if (weakened == "pop_store")
        orders.pop_store = std::memory_order_relaxed;
    else if (!weakened.empty()) {
        throw std::invalid_argument("unknown order '" + weakened +
                                    "'; the queue has push_load, push_store, pop_load, pop_store");
    }
    auto program = std::make_unique<Program>();
    const sim::Building building(*program);
    const auto queue = std::make_shared<examples::VyukovQueue<sim::Simulated, int, 2>>(orders);
    for (int worker = 0; worker < workers; ++worker) {
        program->workers.emplace_back([queue, worker, operations] {
            for (int operation = 0; operation < operations; ++operation) {
                int value = 0;
                if (worker % 2 == 0)
                    queue->push(worker * 10 + operation);
                else
                    queue->pop(value);
            }
        });
    }
    return {std::move(program),
            "vyukov queue " + std::to_string(workers) + "x" + std::to_string(operations) + " " + weakened, nullptr};
}

// One access of a replayed execution.
struct Traced {
    int worker;
    int index;
    std::string kind;  // read, write, fence, choice
    std::string order;
    std::string location;
    Word value;
    bool message;
    bool exclusive;
    std::optional<std::pair<int, int>> source;  // of a read: worker and index of the store
    int stale;                                  // how many newer stores there were
    std::string file;
    unsigned line;
};

const char* const order_names[] = {"plain", "relaxed", "acquire", "release", "acq_rel", "seq_cst"};

Traced traced(const Graph& graph, const Program& program, EventId id, const Operation& operation) {
    static constexpr std::array<const char*, 4> kinds{"read", "write", "fence", "choice"};
    const Event& event = graph[id];
    Traced step{id.worker,
                id.index,
                kinds[static_cast<std::size_t>(event.kind)],
                order_names[static_cast<std::size_t>(event.order)],
                {},
                event.value,
                operation.message,
                event.exclusive || event.updates(),
                std::nullopt,
                0,
                operation.where.file_name(),
                operation.where.line()};
    if (event.location != no_location) step.location = program.name(event.location);
    if (event.is_read()) {
        step.stale = graph.newest(event.location) - graph.position(event.source);
        if (!event.source.is_initial()) step.source = {event.source.worker, event.source.index};
    } else if (event.is_write()) {
        step.stale = graph.newest(event.location) - event.position;
    }
    return step;
}

// kind, value, size, time-out, count
using RawCall = std::tuple<std::uint8_t, ipc::u64, std::uint32_t, ipc::Nanoseconds, std::uint32_t>;

Subject channel(ipc::u64 capacity, const std::vector<std::vector<RawCall>>& scripts, const std::string& mutant,
                std::uint32_t every, const std::vector<std::pair<int, int>>& kills, std::uint32_t max_round_trips,
                bool survivors) {
    ChannelPlan plan;
    plan.capacity = capacity;
    plan.max_round_trips = max_round_trips;
    plan.survivors = survivors;
    std::ostringstream identity;
    identity << "channel " << capacity << ' ' << max_round_trips << ' ' << mutant << ' ' << every;
    if (survivors) identity << " survivors";
    if (!mutant.empty()) {
        const auto design = harness::planted(mutant, every);
        if (!design) throw std::invalid_argument("unknown mutant '" + mutant + "'; harness.mutants lists them");
        plan.design = *design;
    }
    for (const auto& [worker, step] : kills) {
        if (worker < 0 || worker >= static_cast<int>(scripts.size()) || step < 0) {
            throw std::invalid_argument("a kill is a worker of the program and a step from 0; got " +
                                        std::to_string(worker) + ", " + std::to_string(step));
        }
        plan.kills.push_back({worker, step});
        identity << " kill " << worker << '@' << step;
    }
    for (const auto& script : scripts) {
        auto& operations = plan.scripts.emplace_back();
        identity << " |";
        for (const auto& [kind, value, size, timeout, count] : script) {
            if (kind >= static_cast<std::uint8_t>(harness::Kind::count))
                throw std::invalid_argument("unknown kind " + std::to_string(kind));
            harness::ScriptOperation operation{};
            operation.kind = static_cast<harness::Kind>(kind);
            operation.value = value;
            operation.size = size;
            operation.timeout = timeout;
            operation.count = count;
            operations.push_back(operation);
            identity << ' ' << int{kind} << ' ' << value << ' ' << size << ' ' << timeout << ' ' << count;
        }
    }
    auto whole = std::make_shared<ChannelProgram>(std::move(plan));
    return {std::shared_ptr<Program>(whole, &whole->program()), identity.str(), whole};
}

}  // namespace

NB_MODULE(_explorer, module) {
    module.doc() = "Explores the executions of small concurrent programs under RC11 and sequential consistency.";

    nb::class_<Subject>(module, "Subject", "A program that can be explored.")
        .def_ro("identity", &Subject::identity, "What tells it from other programs.")
        .def_prop_ro(
            "histories",
            [](const Subject& subject) { return subject.channel ? subject.channel->history().distinct() : 0; },
            "Distinct histories judged so far.")
        .def(
            "take_histories",
            [](Subject& subject) {
                std::vector<std::uint64_t> digests;
                if (subject.channel) digests = subject.channel->take_digests();
                return nb::bytes(digests.data(), digests.size() * sizeof(std::uint64_t));
            },
            "Of the histories judged since this was last asked, 8 bytes each that tell them apart.")
        .def_prop_ro(
            "orders", [](const Subject& subject) { return subject.channel ? subject.channel->history().orders() : 0; },
            "Real-time orders judged so far, of all graphs together (model sc).")
        .def_prop_ro(
            "fingerprint", [](const Subject& subject) { return subject.fingerprint(); },
            "As schedules carry it.");

    nb::class_<Found>(module, "Failure", "An execution that is no good.")
        .def_prop_ro(
            "fault", [](const Found& failure) { return fault_name(failure.fault); },
            "race, check, exception, unbounded, stuck or internal.")
        .def_ro("what", &Found::what)
        .def_ro("file", &Found::file)
        .def_ro("line", &Found::line)
        .def_ro("worker", &Found::worker)
        .def_prop_ro(
            "blocked", [](const Found& failure) { return blocked_name(failure.blocked); },
            "How workers are stuck: deadlock, livelock or lost wake-up; empty if they are not.")
        .def_ro("schedule", &Found::schedule, "Replays it.");

    nb::class_<Traced>(module, "Step", "One access of a replayed execution.")
        .def_ro("worker", &Traced::worker)
        .def_ro("index", &Traced::index)
        .def_ro("kind", &Traced::kind, "read, write, fence or choice.")
        .def_ro("order", &Traced::order)
        .def_ro("location", &Traced::location)
        .def_ro("value", &Traced::value)
        .def_ro("message", &Traced::message, "The value is the identity of a message.")
        .def_ro("exclusive", &Traced::exclusive, "Half of a read-modify-write that succeeds.")
        .def_ro("source", &Traced::source, "Of a read: worker and index of the store, or None for the initial one.")
        .def_ro("stale", &Traced::stale, "How many newer stores there were.")
        .def_ro("file", &Traced::file)
        .def_ro("line", &Traced::line);

    nb::class_<Result>(module, "Result", "What an exploration saw.")
        .def_prop_ro(
            "complete", [](const Result& result) { return result.counts.complete; },
            "Executions in which every worker finished.")
        .def_prop_ro(
            "excused", [](const Result& result) { return result.counts.excused; },
            "Executions in which a worker waits for ever, as it may.")
        .def_prop_ro(
            "cut", [](const Result& result) { return result.counts.cut; },
            "Executions in which a worker waits for what it could have read.")
        .def_prop_ro(
            "moot", [](const Result& result) { return result.counts.moot; }, "Begun, and covered by a revisit.")
        .def_prop_ro(
            "bounded", [](const Result& result) { return result.counts.bounded; },
            "Executions left at a bound: a worker has gone round a retry loop, or made accesses, as often as it may, or a "
            "random one has gone on for as long as it may.")
        .def_ro("bounds", &Result::bounds, "That were met, and the loops: 64 rounds of the loop at channel.hpp:123.")
        .def_prop_ro("failed", [](const Result& result) { return result.counts.failed; })
        .def_prop_ro("runs", [](const Result& result) { return result.counts.runs; })
        .def_prop_ro("events", [](const Result& result) { return result.counts.events; })
        .def_prop_ro(
            "exhausted", [](const Result& result) { return result.counts.exhausted; }, "Nothing is left to explore, and no execution was bounded.")
        .def_prop_ro(
            "longest",
            [](const Result& result) { return std::vector<int>(result.longest.begin(), result.longest.end()); },
            "Accesses of each worker, in the longest of its executions.")
        .def_ro("seconds", &Result::seconds)
        .def_ro("failures", &Result::failures)
        .def_ro("left", &Result::left, "Parts that were not explored; no execution is in two of them.")
        .def_ro("graphs", &Result::graphs, "Complete graphs as text, if asked for.")
        .def_ro("repeated", &Result::repeated, "Complete graphs that had been seen before.");

    bind_progress(module);
    module.def("litmus", &litmus, "locations"_a, "workers"_a,
               "A litmus program from instructions (harness/explore/litmus.py).");
    module.def("vyukov_queue", &vyukov_queue, "workers"_a, "operations"_a, "weakened"_a = "",
               "The queue of examples/vyukov_queue.hpp with capacity 2: even workers push, odd ones pop.");
    module.def("channel", &channel, "capacity"_a, "scripts"_a, "mutant"_a = "", "every"_a = 0,
               "kills"_a = std::vector<std::pair<int, int>>{}, "max_round_trips"_a = 0, "survivors"_a = false,
               "Workers that run scripts of (kind, value, size, timeout, count) on one channel; kills are (worker, step). "
               "Survivors may wait for ever for a message that the dead would have written.");
    module.def(
        "explore",
        [](Subject& subject, const std::string& model, bool waiting, int spurious_failures, std::uint64_t executions,
           double seconds, bool stop_at_failure, bool graphs, const std::vector<std::string>& parts) {
            ExhaustiveOptions options;
            options.model = model_of(model);
            options.waiting = waiting;
            options.spurious_failures = spurious_failures;
            options.executions = executions;
            options.seconds = seconds;
            options.stop_at_failure = stop_at_failure;
            Signals signals;
            options.interrupted = [&signals] { return signals.arrived(); };
            Result result;
            {
                const nb::gil_scoped_release release;
                result = explore(subject, options, graphs, parts);
            }
            signals.rethrow();
            return result;
        },
        "subject"_a, "model"_a = "rc11", "waiting"_a = true, "spurious_failures"_a = 1, "executions"_a = UINT64_MAX,
        "seconds"_a = 1e18, "stop_at_failure"_a = true, "graphs"_a = false,
        "parts"_a = std::vector<std::string>{},
        "Every execution, each once; or those of some parts that an exploration had left.");
    module.def(
        "sample",
        [](Subject& subject, const std::string& strategy, std::uint64_t seed, std::uint64_t executions,
           const std::string& model, int spurious_failures, double seconds, bool stop_at_failure, bool graphs) {
            WalkOptions options;
            options.model = model_of(model);
            options.spurious_failures = spurious_failures;
            Signals signals;
            Result result;
            {
                const nb::gil_scoped_release release;
                result = sample(subject, options, strategy, seed, executions, seconds, stop_at_failure, graphs, signals);
            }
            signals.rethrow();
            return result;
        },
        "subject"_a, "strategy"_a, "seed"_a, "executions"_a, "model"_a = "rc11", "spurious_failures"_a = 1,
        "seconds"_a = 1e18, "stop_at_failure"_a = true, "graphs"_a = false, "Random executions.");
    module.def(
        "trace",
        [](Subject& subject, const std::string& schedule, const std::string& model, int alone) {
            const std::lock_guard lock(exploring);
            std::vector<Step> script = decode(schedule, subject.fingerprint(alone), model_of(model));
            const WalkOptions options{.model = model_of(model), .alone = alone};
            Scripted strategy(std::move(script));
            Walk walk(*subject.program, options);
            walk.may_wait = subject.may_wait(alone);
            std::vector<Traced> steps;
            walk.on_event = [&](EventId id, const Operation& operation) {
                steps.push_back(traced(walk.graph(), *subject.program, id, operation));
            };
            walk.judge = subject.judge_of_walks(options.model);
            std::optional<Found> failure;
            if (walk.run(strategy) == End::failed) failure = found(walk.failures().front(), schedule);
            return std::tuple(steps, failure);
        },
        "subject"_a, "schedule"_a, "model"_a = "rc11", "alone"_a = -1,
        "One execution again, access by access, and its failure if it has one.");
    module.def(
        "replay",
        [](Subject& subject, const std::string& schedule, const std::string& model, int alone) {
            const std::lock_guard lock(exploring);
            const int workers = static_cast<int>(subject.program->workers.size());
            std::vector<Step> script = decode(schedule, subject.fingerprint(alone), model_of(model));
            const WalkOptions options{.model = model_of(model), .alone = alone};
            Scripted strategy(std::move(script));
            Walk walk(*subject.program, options);
            walk.may_wait = subject.may_wait(alone);
            walk.judge = subject.judge_of_walks(options.model);
            const End end = walk.run(strategy);
            std::optional<Found> failure;
            if (end == End::failed) failure = found(walk.failures().front(), schedule);
            return std::tuple(describe(walk.graph(), workers), failure);
        },
        "subject"_a, "schedule"_a, "model"_a = "rc11", "alone"_a = -1,
        "One execution again: its graph, and its failure if it has one.");
    bind_history(module);
    bind_minimise(module);
    bind_stepper(module);
}
