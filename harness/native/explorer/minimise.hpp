// The cheapest schedule with which a program fails as it did: fewest stale accesses, then fewest context switches, then
// fewest other choices of the environment, then shortest.
//
// That few preemptions suffice for most bugs, so that schedules are best searched in the order of their number, is the
// observation behind iterative context bounding (Musuvathi & Qadeer, PLDI 2007). Here executions are cheaper to
// enumerate than schedules: whether an execution fails is a property of its graph, each graph is visited once by the
// exhaustive driver, and the cheapest schedule of one graph is a shortest path (linearization.hpp). So a program whose
// graphs were all seen has its exact minimum. First come the graphs of the interleaving semantics: exactly those that
// have a schedule with nothing stale.
//
// A program with more graphs than the budget allows falls back to improving the given schedule step by step, as delta
// debugging does (Zeller & Hildebrandt, TSE 2002). Nothing is returned that a replay has not seen to fail so.
#pragma once

#include <functional>
#include <utility>

#include "exhaustive.hpp"
#include "linearization.hpp"
#include "progress.hpp"
#include "replay.hpp"

namespace explorer {

struct MinimiseOptions {
    Model model = Model::rc11;
    int alone = -1;  // if not negative: where a schedule ends, all workers but this one stop for ever
    int spurious_failures = 1;
    std::uint64_t executions = 200'000;  // of each exhaustive pass
    double seconds = 10.0;               // of each exhaustive pass
    int attempts = 2'000;                // of local improvement
    std::function<bool()> interrupted;   // asked now and then: is all to stop? May be empty
};

struct Minimal {
    std::vector<Step> steps;
    Cost cost;
    Failure failure;
    bool exact = false;  // every execution was seen to its end: no schedule is cheaper
    std::uint64_t executions = 0;
};

// Follows a schedule as far as it goes: a step of a worker that cannot make one is left out, and where the schedule
// ends the worker that went last goes on, or the one that goes on alone.
class Lenient final : public Strategy {
public:
    Lenient(const std::vector<Step>& steps, int alone) : steps_(&steps), alone_(alone) {}
    void begin() override {
        at_ = 0;
        last_ = -1;
    }
    int worker(std::span<const int> enabled, const Machine&) override {
        const auto can = [&enabled](int worker) {
            return std::find(enabled.begin(), enabled.end(), worker) != enabled.end();
        };
        while (at_ < steps_->size() && !can((*steps_)[at_].worker)) ++at_;
        choice_ = 0;
        if (at_ < steps_->size()) {
            last_ = (*steps_)[at_].worker;
            choice_ = (*steps_)[at_++].choice;
        } else if (alone_ >= 0 && can(alone_)) {
            last_ = alone_;
        } else if (!can(last_)) {
            last_ = enabled.front();
        }
        return last_;
    }
    int choice(int) override { return choice_; }
    bool is_over() const override { return at_ >= steps_->size(); }

private:
    const std::vector<Step>* steps_;
    int alone_;
    std::size_t at_ = 0;
    int last_ = -1;
    int choice_ = 0;
};

class Minimiser {
public:
    using Judge = std::function<std::optional<std::string>(const Graph&)>;
    using MayWait = std::function<bool(Machine&, const Graph&, int)>;

    Minimiser(Program& program, Judge judge_of_graphs, Judge judge_of_walks, MayWait may_wait, MinimiseOptions options)
        : options_(std::move(options)),
          program_(&program),
          judge_(std::move(judge_of_graphs)),
          may_wait_(std::move(may_wait)),
          walk_(program,
                {.model = options_.model, .spurious_failures = options_.spurious_failures, .alone = options_.alone}) {
        walk_.judge = std::move(judge_of_walks);
        walk_.may_wait = may_wait_;
        walk_.on_event = [this](EventId id, const Operation&) { count(id); };
    }

    // Throws std::invalid_argument if the schedule does not fail.
    Minimal minimise(const std::vector<Step>& given) {
        Scripted scripted(given);
        const std::optional<Minimal> first = attempt(scripted);
        if (!first) throw std::invalid_argument("the schedule to be minimised does not fail");
        best_ = *first;
        improve_order();
        best_.exact = search(Model::sc) && best_.cost.stale == 0;
        if (best_.cost.stale > 0 && options_.model == Model::rc11) best_.exact = search(Model::rc11);
        if (!best_.exact) improve_locally();
        best_.executions = executions_;
        return best_;
    }

private:
    // One walk; what it cost, if it failed.
    std::optional<Minimal> attempt(Strategy& strategy) {
        cost_ = {};
        ++executions_;
        if (walk_.run(strategy) != End::failed) return std::nullopt;
        const std::vector<Step>& steps = walk_.steps();
        cost_.steps = static_cast<int>(steps.size());
        for (std::size_t at = 1; at < steps.size(); ++at) cost_.switches += steps[at].worker != steps[at - 1].worker;
        return Minimal{.steps = steps, .cost = cost_, .failure = walk_.failures().front()};
    }
    void count(EventId id) {
        const Graph& graph = walk_.graph();
        const Event& event = graph[id];
        if (event.kind == Kind::choice) cost_.chosen += event.value != 0;
        if (event.is_read()) {
            cost_.stale += graph.position(event.source) < graph.newest(event.location);
            cost_.chosen += event.spurious;
        } else if (event.is_write() && !event.exclusive) {
            cost_.stale += event.position < graph.newest(event.location);
        }
    }
    bool fails_so(const Failure& failure) const {
        return failure.fault == best_.failure.fault && failure.blocked == best_.failure.blocked;
    }
    // Take it if it fails in the same way and is cheaper.
    bool consider(Strategy& strategy) {
        const std::optional<Minimal> found = attempt(strategy);
        if (!found || !fails_so(found->failure) || found->cost >= best_.cost) return false;
        best_ = *found;
        return true;
    }
    bool consider(const std::vector<Step>& steps) {
        Lenient lenient(steps, options_.alone);
        return consider(lenient);
    }

    // The cheapest order of one failing graph, if it is cheaper than `bound`. `access` is the one that failed.
    //
    // A failure of one worker's access needs only what is before it, and for a race what it races with.
    std::optional<Ordered> cheapest(const Graph& graph, const Failure& failure, const Operation& access,
                                    const Cost& bound) const {
        const int workers = static_cast<int>(program_->workers.size());
        // whoever is stuck alone knows the newest of all that it looks at: what it has not met makes no difference
        if (options_.alone >= 0) {
            const Event* last = graph.last(options_.alone);
            return Linearization(graph, workers, last == nullptr ? View{} : last->porf).cheapest(bound);
        }
        if (is_of_all(failure)) return Linearization(graph, workers, Linearization::all_of(graph, workers)).cheapest(bound);
        const Event* last = graph.last(failure.worker);
        const View before = last == nullptr ? View{} : last->porf;
        if (failure.fault != Fault::race) return Linearization(graph, workers, before).cheapest(bound);
        std::optional<Ordered> best;
        if (access.location >= graph.locations()) return best;
        const View known = happens_before(graph, failure.worker);
        for (const EventId other : graph.accesses(access.location)) {
            if (!races(graph, other, known, access.kind == Kind::write, access.order == Order::plain)) continue;
            View needed = before;
            needed.join(graph[other].porf);
            auto ordered = Linearization(graph, workers, needed, failure.worker).cheapest(best ? best->cost : bound);
            if (ordered) best = std::move(ordered);
        }
        return best;
    }
    static bool is_of_all(const Failure& failure) { return failure.worker < 0 || failure.fault == Fault::stuck; }

    // The failing execution that has just been walked, in its cheapest order.
    void improve_order() {
        static constexpr Operation none{};
        const Failure& failure = best_.failure;
        const Operation& access = failure.fault == Fault::race ? walk_.machine().pending(failure.worker) : none;
        if (const auto ordered = cheapest(walk_.graph(), failure, access, best_.cost)) consider(ordered->steps);
    }

    // Look at every failing execution under a model. True if those are all that there are.
    bool search(Model model) {
        ExhaustiveOptions options;
        options.model = model;
        options.spurious_failures = options_.spurious_failures;
        options.executions = options_.executions;
        options.seconds = options_.seconds;
        options.interrupted = options_.interrupted;
        options.stop_at_failure = false;
        std::vector<Ordered> found;  // each cheaper than the one before
        bool all_seen = true;        // an execution ends with the first access that fails: others may do so sooner
        const auto look = [&](const Graph& graph, const Failure& failure, const Operation& access) {
            all_seen = all_seen && is_of_all(failure);
            if (!fails_so(failure)) return;
            auto ordered = cheapest(graph, failure, access, found.empty() ? best_.cost : found.back().cost);
            if (ordered) found.push_back(std::move(*ordered));
        };
        all_seen = (options_.alone < 0 ? look_at_all(options, look) : look_at_all_stops(options, look)) && all_seen;
        // replayed only now: a walk runs the same workers, and would disturb the driver's
        for (std::size_t at = found.size(); at-- > 0;) {
            if (consider(found[at].steps)) return all_seen && at + 1 == found.size();
        }
        return all_seen && found.empty();
    }

    // Every failing execution, to `look`. True if there are no more.
    template <class Look>
    bool look_at_all(const ExhaustiveOptions& options, Look look) {
        static constexpr Operation none{};
        Exhaustive driver(*program_, options);
        driver.judge = judge_;
        driver.may_wait = may_wait_;
        driver.on_failure = [&](const Graph& graph) {
            const Failure& failure = driver.failures().back();
            look(graph, failure, failure.fault == Fault::race ? driver.machine().pending(failure.worker) : none);
        };
        const Counts counts = driver.explore();
        executions_ += counts.runs;
        return counts.exhausted;
    }
    // ... of the worker that goes on alone, wherever the others stop.
    template <class Look>
    bool look_at_all_stops(const ExhaustiveOptions& options, Look look) {
        static constexpr Operation none{};
        Alone alone(*program_, options, options_.alone);
        alone.prepare = [this](Exhaustive& driver) { driver.may_wait = may_wait_; };
        alone.on_failure = [&](const Graph& graph, const Failure& failure) { look(graph, failure, none); };
        const Progress progress = alone.prove(false);
        executions_ += progress.executions + progress.excused + progress.cut;
        return progress.exhausted;
    }

    // --- for programs that are too large ---------------------------------------------------------------------------

    // One change after another, as long as one makes the schedule cheaper.
    void improve_locally() {
        int left = options_.attempts;
        while (improve_by_one(left)) improve_order();
    }
    bool is_spent(int& left) const { return left-- <= 0 || (options_.interrupted && options_.interrupted()); }
    bool improve_by_one(int& left) {
        const std::vector<Step> steps = best_.steps;
        if (!is_of_all(best_.failure)) {  // it may take but one worker
            for (int worker = 0; worker < static_cast<int>(program_->workers.size()); ++worker) {
                if (is_spent(left)) return false;
                if (consider({{worker, 0}})) return true;
            }
        }
        for (std::size_t at = 0; at < steps.size(); ++at) {
            if (steps[at].choice == 0) continue;
            std::vector<Step> changed = steps;
            changed[at].choice = 0;
            if (is_spent(left)) return false;
            if (consider(changed)) return true;
        }
        for (std::size_t begin = 0, end = 0; begin < steps.size(); begin = end) {
            while (end < steps.size() && steps[end].worker == steps[begin].worker) ++end;
            std::vector<Step> without = steps;
            const auto from = static_cast<std::ptrdiff_t>(begin);
            const auto to = static_cast<std::ptrdiff_t>(end);
            without.erase(without.begin() + from, without.begin() + to);
            if (is_spent(left)) return false;
            if (consider(without)) return true;
            // the turn that the worker has before this one, or after it, is made longer instead
            for (const std::ptrdiff_t place : {turn_before(without, from, steps[begin].worker),
                                               turn_after(without, from, steps[begin].worker)}) {
                if (place < 0) continue;
                std::vector<Step> moved = without;
                moved.insert(moved.begin() + place, steps.begin() + from, steps.begin() + to);
                if (is_spent(left)) return false;
                if (consider(moved)) return true;
            }
        }
        return false;
    }
    static std::ptrdiff_t turn_before(const std::vector<Step>& steps, std::ptrdiff_t at, int worker) {
        while (at > 0 && steps[static_cast<std::size_t>(at - 1)].worker != worker) --at;
        return at > 0 ? at : -1;
    }
    static std::ptrdiff_t turn_after(const std::vector<Step>& steps, std::ptrdiff_t at, int worker) {
        const auto size = static_cast<std::ptrdiff_t>(steps.size());
        while (at < size && steps[static_cast<std::size_t>(at)].worker != worker) ++at;
        return at < size ? at : -1;
    }

    Minimal best_;
    MinimiseOptions options_;
    Program* program_;
    Judge judge_;  // of the exhaustive driver's graphs
    MayWait may_wait_;
    Walk walk_;
    Cost cost_;  // of the walk under way
    std::uint64_t executions_ = 0;
};

}  // namespace explorer
