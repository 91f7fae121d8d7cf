// The progress driver's proof that a worker depends on nobody: it ends, in a bounded number of its own accesses, though
// all others stop for ever, each anywhere.
//
// That is lock-freedom with respect to delays: the non-blocking condition of Herlihy and Shavit (On the nature of
// progress, OPODIS 2011, section 3), which a lock, a sequence lock's reader and every other wait for another worker
// fail. For every vector of stop points the exhaustive driver goes through all executions, in which the worker may meet
// the others before, while and after they come to their stops. A stop matters by the stores that precede it alone, so
// that a point is a number of stores; a worker that ends before it is one that never stops.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "exhaustive.hpp"

namespace explorer {

struct Progress {
    std::uint64_t stop_points = 0;  // vectors of them
    std::uint64_t executions = 0;   // in which the worker ended
    std::uint64_t excused = 0;      // ... in which it waits for ever, as it may
    std::uint64_t cut = 0;          // ... in which it waits for a store that was made and that it has not seen yet
    std::uint64_t bounded = 0;      // ... that were left at a bound
    std::set<std::string> bounds;   // which, and in which loop
    int longest = 0;                // accesses of its longest call
    bool exhausted = true;
};

class Alone {
public:
    Alone(Program& program, ExhaustiveOptions options, int worker) : program_(&program), options_(options) {
        options_.alone = worker;
        for (int other = 0; other < static_cast<int>(program.workers.size()); ++other) {
            if (other != worker) others_.push_back(other);
        }
    }

    std::function<void(Exhaustive&)> prepare;                    // of each exploration
    std::function<bool(int)> is_judged;                          // is what the worker is at to be free of waits?
    std::function<int(const Graph&)> longest;                    // accesses of its longest call of that kind
    std::function<void(const Graph&, const Failure&)> on_failure;

    // `measured`: how long is its longest call?
    Progress prove(bool measured = true) {
        start_ = std::chrono::steady_clock::now();
        measured_ = measured;
        sweep(0);
        return progress_;
    }

private:
    // Every stop point of the others from `at` on. Which workers, as bits, came to their stops in some execution?
    unsigned sweep(std::size_t at) {
        if (at == others_.size()) return explore();
        const int worker = others_[at];
        unsigned all = 0;
        for (int stores = 0; !over_; ++stores) {
            options_.stops.stores[static_cast<unsigned>(worker)] = stores;
            const unsigned reached = sweep(at + 1);
            all |= reached;
            if ((reached >> worker & 1) == 0) break;
        }
        return all;
    }

    // Of the rounds that a worker may lose to others, the reduction of retry loops shows the last one alone. So there
    // are two passes: does the worker end, and then, every round gone through, after how many accesses?
    unsigned explore() {
        ++progress_.stop_points;
        const unsigned reached = explore(false);
        return over_ || !measured_ ? reached : explore(true);
    }

    unsigned explore(bool every_round) {
        ExhaustiveOptions options = options_;
        options.seconds -= std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
        if (options.seconds <= 0 || progress_.executions >= options.executions) {
            progress_.exhausted = false;
            over_ = true;
            return 0;
        }
        options.executions -= progress_.executions;
        Exhaustive driver(*program_, options);
        unsigned reached = 0;
        driver.on_end = [&](const Graph& graph) {
            for (const int other : others_) {
                if (options.stops.reached(graph, other)) reached |= 1U << other;
            }
            if (every_round) progress_.longest = std::max(progress_.longest, longest(graph));
        };
        driver.on_failure = [&](const Graph& graph) { on_failure(graph, driver.failures().back()); };
        if (prepare) prepare(driver);
        if (every_round) {
            driver.goes_round = [this](int worker) { return worker == options_.alone && is_judged(worker); };
        }
        const Counts counts = driver.explore();
        over_ = over_ || !counts.exhausted;
        progress_.exhausted = progress_.exhausted && counts.exhausted;
        if (!every_round && !over_ && measured_) return reached;
        progress_.executions += counts.complete;
        progress_.excused += counts.excused;
        progress_.cut += counts.cut;
        progress_.bounded += counts.bounded;
        progress_.bounds.insert(driver.bounds().begin(), driver.bounds().end());
        return reached;
    }

    Program* program_;
    ExhaustiveOptions options_;
    std::vector<int> others_;
    Progress progress_;
    bool over_ = false;
    bool measured_ = true;
    std::chrono::steady_clock::time_point start_;
};

}  // namespace explorer
