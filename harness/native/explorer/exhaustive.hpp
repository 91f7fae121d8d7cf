// The exhaustive driver: every consistent execution graph of a program, each once.
//
// TruSt (Kokologiannakis, Marmanis, Gladstein, Vafeiadis: Truly stateless, optimal dynamic partial order reduction,
// POPL 2022), algorithms 1 and 2:
//
//   next      the first half of a read-modify-write is completed at once; else the leftmost worker that can go on
//   read      reads from every coherent store of the graph
//   write     takes every coherent place; and revisits every read that is not before it (in porf), keeping what was
//             added up to that read and what is before the write, provided that all events so deleted, and the read,
//             are a maximal extension: they could be added back by always choosing the newest
//
// The alternatives of a step are kept on a stack of small records. All that a record needs of its graph is a prefix,
// and what is above it on the stack leaves that prefix as it was; so only a backward revisit, whose graph is no prefix,
// copies. A graph lives as long as records refer to it. What grows from one record is independent of all others: the
// stack of an exploration that stopped is a list of parts (frontier.hpp), which any process can go on from.
//
// A retry loop's round that made no difference (waiting.hpp) is a wait (the assume-transformation of spin loops:
// Kokologiannakis, Ren, Vafeiadis, Dynamic partial order reductions for spinloops, FMCAD 2021): the worker stops at
// pause(), and executions in which it would have gone on are those in which its reads found something else. What still
// waits at the end has either read something stale (then the execution is a cut one) or is stuck for ever.
#pragma once

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <span>

#include "blocked.hpp"
#include "extension.hpp"
#include "frontier.hpp"
#include "stops.hpp"
#include "waiting.hpp"

namespace explorer {

struct ExhaustiveOptions {
    Model model = Model::rc11;
    bool waiting = true;        // treat a failed round that made no difference as waiting
    int spurious_failures = 1;  // of compare_exchange_weak, per worker and execution
    int rounds = 64;            // of one retry loop that are no waits; a worker that has made them goes no further
    std::uint64_t executions = UINT64_MAX;
    double seconds = 1e18;
    std::function<bool()> interrupted;  // asked now and then: is all to stop? May be empty
    bool stop_at_failure = true;
    Stops stops;
    int alone = -1;  // if not negative: only this worker must end; what the others wait for is their affair
};

struct Counts {
    std::uint64_t complete = 0;  // graphs in which every worker finished
    std::uint64_t cut = 0;       // graphs in which a worker waits for what it could have read
    std::uint64_t excused = 0;   // graphs in which a worker waits for ever, as it may; as good as complete
    std::uint64_t moot = 0;      // started, but a read-modify-write was too late: a revisit covers them
    std::uint64_t bounded = 0;  // graphs in which a worker has gone round, or made accesses, as often as it may
    std::uint64_t failed = 0;
    std::uint64_t runs = 0;
    std::uint64_t events = 0;  // added, over all executions
    std::size_t deepest = 0;   // stack of alternatives
    std::size_t graphs = 0;    // alive at once
    bool exhausted = false;

    // Executions, however they ended, as a budget of them counts.
    std::uint64_t visited() const { return complete + excused + cut + bounded; }
};

class Exhaustive : public Driver {
public:
    using Observer = std::function<void(const Graph&)>;

    Exhaustive(Program& program, ExhaustiveOptions options = {})
        : options_(options), extension_(program, options.model), machine_(program, *this, options.rounds) {}

    Observer on_complete;  // of each execution that is whole: nobody could go on
    Observer on_end;       // of every execution, whole or not, that has not failed
    // Of each execution that is whole: why it is wrong, if it is.
    std::function<std::optional<std::string>(const Graph&)> judge;
    std::function<std::uint64_t()> answers;  // a hash of what the calls of the last execution answered
    // Of a worker that waits for ever: may it?
    std::function<bool(Machine&, const Graph&, int)> may_wait;
    // Of a worker after a failed round that made no difference: does it go round all the same?
    std::function<bool(int)> goes_round;
    Observer on_failure;  // called with the graph of each failure, which the arguments of failures() go with

    const std::vector<Failure>& failures() const { return failures_; }
    const std::set<std::string>& bounds() const { return bounds_; }  // that were met, and the loops
    Machine& machine() { return machine_; }

    // What of an exploration's parts was not explored: parts again, which exclude each other.
    const std::vector<std::string>& left() const { return left_; }

    // Explore the parts of an exploration, or all of it. Parts are a stack, like what is left: the last, which is likely
    // the smallest, goes first. `program` is the fingerprint that parts carry.
    Counts explore(std::span<const std::string> parts = {}, std::string_view program = {}) {
        start_ = looked_ = std::chrono::steady_clock::now();
        work_ = next_look_ = 0;
        over_ = false;
        counts_ = {};
        failures_.clear();
        bounds_.clear();
        left_.clear();
        if (parts.empty()) {
            begin();
            if (!explore_below()) leave(program);
        }
        for (std::size_t at = parts.size(); at-- > 0;) {
            if (begin(decode_part(parts[at], program))) explore_below();
            if (!alternatives_.empty()) leave(program);
            if (left_.empty() && !(at > 0 && limit_reached())) continue;
            left_.insert(left_.begin(), parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(at));
            break;
        }
        counts_.exhausted =
            left_.empty() && counts_.bounded == 0 && !(options_.stop_at_failure && counts_.failed > 0);
        return counts_;
    }

    // --- Driver ----------------------------------------------------------------------------------------------------

    bool step(int worker, const Operation& operation) override {
        if (!operation.exclusive && options_.stops.reached(*graph_, worker)) return false;
        if (verifying_) {
            failed({Fault::internal, "a second run of the same execution went on where the first had ended",
                    operation.where, worker});
            return false;
        }
        ++counts_.events;
        if (operation.location != no_location) {
            const EventId other = extension_.race(*graph_, worker, operation);
            if (!other.is_initial()) {
                failed(race_with(machine_.program(), other, worker, operation));
                return false;
            }
        }
        const EventId id = extension_.add(*graph_, worker, operation);
        switch (operation.kind) {
            case Kind::read: read(id); break;
            case Kind::write: write(id); break;
            case Kind::choice:
                for (Word value = 1; value < operation.value; ++value)
                    remember({.kind = Alternative::choice, .value = value});
                break;
            case Kind::fence: break;
        }
        return !abandoned_ && !one_step_;
    }

    void failed(Failure failure) override {
        ++counts_.failed;
        abandoned_ = true;
        failures_.push_back(std::move(failure));
        if (on_failure) on_failure(*graph_);
    }

    void at_bound(int worker, const Rounds& rounds) override {
        if (auto livelock = kept_going_round(machine_, *graph_, worker, rounds)) machine_.fail(std::move(*livelock));
    }
    int retry(int worker, const Rounds& rounds) override {
        if (!options_.waiting || (goes_round && goes_round(worker))) return go_on;
        return waits_since(*graph_, worker, rounds);
    }

protected:  // estimate.hpp walks the same tree
    void remember(Alternative alternative) {
        alternative.graph = static_cast<std::uint32_t>(live_ - 1);
        alternative.length = static_cast<std::uint32_t>(graph_->order().size());
        alternatives_.push_back(alternative);
        counts_.deepest = std::max(counts_.deepest, alternatives_.size());
    }

    void use(Graph& graph) {
        graph_ = &graph;
        machine_.use(graph);
    }

    // --- the order of exploration ----------------------------------------------------------------------------------

    void begin() {
        live_ = 1;
        if (graphs_.empty()) graphs_.emplace_back();
        graphs_.front().clear();
        use(graphs_.front());
        alternatives_.clear();
    }
    // Make a part the bottom of the stack. False: it was inconsistent, or it is too late to look.
    bool begin(const Part& part) {
        begin();
        if (!rebuild_) rebuild_.emplace(machine_.program(), extension_);
        (*rebuild_)(part, graphs_.front());
        machine_.forget();  // the workers share what they log to with those of the rebuild
        alternatives_.push_back(part.alternative);
        return next();
    }

    // Everything that grows from the current graph, depth first. False: stopped before the end.
    bool explore_below() {
        do {
            run();
        } while (!limit_reached() && next());
        return alternatives_.empty();
    }

    bool limit_reached() {
        if (options_.stop_at_failure && counts_.failed > 0) return true;
        if (counts_.visited() >= options_.executions) return true;
        return is_over();
    }

    // Is the time over, or are we interrupted? The clock is looked at after so many events or alternatives, for neither
    // a run nor the way to the next one is always short.
    bool is_over() {
        if (over_ || ++work_ + counts_.events < next_look_) return over_;
        next_look_ = work_ + counts_.events + look_every;
        const auto now = std::chrono::steady_clock::now();
        over_ = std::chrono::duration<double>(now - start_).count() > options_.seconds;
        if (!over_ && options_.interrupted && now - looked_ > std::chrono::milliseconds(50)) {
            looked_ = now;
            over_ = options_.interrupted();
        }
        return over_;
    }

    // Say what is left on the stack. An alternative needs a prefix of its graph, and those below it shorter ones.
    void leave(std::string_view program) {
        for (std::size_t at = alternatives_.size(); at-- > 0;) {
            Graph& graph = graphs_[alternatives_[at].graph];
            graph.truncate(alternatives_[at].length);
            left_.push_back(encode_part(graph, alternatives_[at], program));
        }
        std::reverse(left_.begin(), left_.end());
        alternatives_.clear();
    }

    // --- one step --------------------------------------------------------------------------------------------------

    void read(EventId id) {
        Graph& graph = *graph_;
        const Location location = graph[id].location;
        const int newest = graph.newest(location);
        // before a plain read every store has happened, or there is a race
        const int oldest = graph[id].order == Order::plain ? newest : extension_.oldest_source(graph, id);
        for (int position = oldest; position < newest; ++position) offer_source(id, graph.store_at(location, position));
        const EventId source = graph.store_at(location, newest);
        offer_spurious(id, source);
        extension_.read_from(graph, id, source);
    }
    void offer_source(EventId id, EventId source) {
        remember({.kind = Alternative::source, .event = source});
        offer_spurious(id, source);
    }
    void offer_spurious(EventId id, EventId source) {
        const Graph& graph = *graph_;
        if (!graph[id].weak) return;
        const Word found = extension_.value_of(graph, source, graph[id].location);
        if (!extension_.may_fail_spuriously(graph, id, found, options_.spurious_failures)) return;
        remember({.kind = Alternative::source, .spurious = true, .event = source});
    }

    void write(EventId id) {
        Graph& graph = *graph_;
        const Event& event = graph[id];
        if (event.order != Order::plain) {
            for (const EventId other : graph.accesses(event.location)) {
                if (graph[other].is_read() && !event.porf.contains(other) && may_revisit(other, id)) {
                    remember({.kind = Alternative::revisit, .event = other});
                }
            }
        }
        if (event.exclusive) {
            const int position = extension_.exclusive_place(graph, id);
            if (position < 0) {
                abandoned_ = true;
                ++counts_.moot;
                return;
            }
            graph.place(id, position);
            return;
        }
        const int newest = graph.newest(event.location) + 1;
        const int floor = event.order == Order::plain ? newest : extension_.oldest_source(graph, id) + 1;
        for (int position = newest - 1; position >= floor; --position) {
            if (extension_.may_place(graph, event.location, position))
                remember({.kind = Alternative::place, .position = position});
        }
        graph.place(id, newest);
    }

    // --- backward revisits -----------------------------------------------------------------------------------------

    // What stays when `write` revisits `read`: everything added up to the read, and what is before the write.
    View kept(EventId read, EventId write) const {
        const Graph& graph = *graph_;
        const std::uint32_t cut = graph[read].stamp;
        View keep = graph[write].porf;
        for (int worker = 0; worker < machine_.workers(); ++worker) {
            auto& count = keep.seen[static_cast<unsigned>(worker)];
            while (count < graph.size(worker) && graph[{static_cast<std::int16_t>(worker), count}].stamp <= cut)
                ++count;
        }
        return keep;
    }

    bool may_revisit(EventId read, EventId write) const {
        const Graph& graph = *graph_;
        if (!is_maximal(read, write)) return false;
        const View keep = kept(read, write);
        for (int worker = 0; worker < machine_.workers(); ++worker) {
            for (std::int16_t index = keep.seen[static_cast<unsigned>(worker)]; index < graph.size(worker); ++index) {
                if (!is_maximal({static_cast<std::int16_t>(worker), index}, write)) return false;
            }
        }
        return true;
    }

    // Did this event choose the newest among what was there when it was added, or is before the revisiting write?
    bool is_maximal(EventId id, EventId write) const {
        const Graph& graph = *graph_;
        const Event& event = graph[id];
        if (event.kind == Kind::fence) return true;
        if (event.kind == Kind::choice) return event.value == 0;
        if (event.spurious) return false;
        const View& prefix = graph[write].porf;
        const auto previous = [&](EventId other) {
            return prefix.contains(other) || graph[other].stamp <= event.stamp;
        };
        EventId store = event.source;
        if (event.is_write()) {
            store = id;
            for (const EventId other : graph.accesses(event.location)) {
                const Event& access = graph[other];
                if (access.stamp >= event.stamp) break;
                if (access.is_read() && access.source == id) return false;
            }
        } else if (!previous(store)) {
            return false;
        }
        for (int later = graph.position(store) + 1; later <= graph.newest(event.location); ++later) {
            if (previous(graph.store_at(event.location, later))) return false;
        }
        return true;
    }

    void revisit(EventId read, EventId write) {
        const View keep = kept(read, write);
        Graph& before = *graph_;
        before.unplace(write);
        if (graphs_.size() == live_) graphs_.emplace_back();
        Graph& graph = graphs_[live_++];
        counts_.graphs = std::max(counts_.graphs, live_);
        graph.assign_restricted(before, keep);
        use(graph);
        extension_.read_from(graph, read, write);

        const Event& event = graph[write];
        const int floor = extension_.oldest_source(graph, write) + 1;
        const int lowest = coherence_floor(graph, extension_.known_before(graph, read), event.location);
        const bool spurious = extension_.may_fail_spuriously(graph, read, event.value, options_.spurious_failures);
        const auto offer = [&](int position) {
            if (position <= lowest) return;  // the store takes the place above what the read already knows
            remember({.kind = Alternative::revisited, .event = read, .position = position});
            if (spurious)
                remember({.kind = Alternative::revisited, .spurious = true, .event = read, .position = position});
        };
        if (event.exclusive) {
            const int position = extension_.exclusive_place(graph, write);
            if (position > 0) offer(position);
            return;
        }
        for (int position = graph.newest(event.location) + 1; position >= floor; --position) {
            if (extension_.may_place(graph, event.location, position)) offer(position);
        }
    }

    // --- executions ------------------------------------------------------------------------------------------------

    // Go to the next graph that is still to be explored.
    bool next() {
        while (!alternatives_.empty() && !is_over()) {
            const Alternative alternative = alternatives_.back();
            alternatives_.pop_back();
            live_ = alternative.graph + 1;
            Graph& graph = graphs_[alternative.graph];
            use(graph);
            graph.truncate(alternative.length);
            const EventId last = graph.order().back();
            switch (alternative.kind) {
                case Alternative::source:
                    extension_.read_from(graph, last, alternative.event, alternative.spurious);
                    break;
                case Alternative::choice: extension_.choose(graph, last, alternative.value); break;
                case Alternative::place:
                    graph.unplace(last);
                    graph.place(last, alternative.position);
                    break;
                case Alternative::revisit: revisit(alternative.event, last); continue;
                case Alternative::revisited:
                    graph.unplace(last);
                    graph.place(last, alternative.position);
                    extension_.read_from(graph, alternative.event, last, alternative.spurious);
                    break;
            }
            if (extension_.consistent(graph)) return true;
        }
        return false;
    }

    // Run the workers to the end of one execution.
    void run() {
        ++counts_.runs;
        abandoned_ = false;
        const int updating = unfinished_update();
        if (updating >= 0) {
            one_step_ = true;
            machine_.resume(updating);
            one_step_ = false;
            if (abandoned_) return;
        }
        bool waits = false;
        for (int worker = 0; worker < machine_.workers(); ++worker) {
            State state = machine_.state(worker);
            if (state == State::fresh || state == State::suspended) state = machine_.resume(worker);
            if (abandoned_) return;
            waits = waits || (state == State::waiting && must_end(worker)) || state == State::bounded;
        }
        if (!waits) {
            ++counts_.complete;
            end();
            if (counts_.complete % verify_every == 1) verify();
        } else {
            stand_still();
        }
    }

    // Of an execution that is whole.
    void end() {
        if (on_end) on_end(*graph_);
        std::optional<std::string> wrong;
        {
            const Machine::Completed completed(machine_);
            if (on_complete) on_complete(*graph_);
            if (judge) wrong = judge(*graph_);
        }
        if (wrong) failed({Fault::history, std::move(*wrong), std::source_location::current(), -1});
    }

    // A worker whose read-modify-write has read and not yet written.
    int unfinished_update() const {
        for (int worker = 0; worker < machine_.workers(); ++worker) {
            const Event* last = graph_->last(worker);
            if (last != nullptr && last->updates()) return worker;
        }
        return -1;
    }

    void stand_still() {
        const Standstill still = standstill(machine_, *graph_, [this](int worker) { return must_end(worker); });
        const auto may = [this](int worker) { return may_wait && may_wait(machine_, *graph_, worker); };
        if (!still.could_go_on && !std::all_of(still.for_ever.begin(), still.for_ever.end(), may)) {
            failed(blocked(machine_, *graph_, still.for_ever));
            return;
        }
        for (const int worker : still.at_bound) bounds_.insert(bound_of(machine_, worker, options_.rounds));
        if (still.at_bound.empty() && !still.could_go_on) {
            ++counts_.excused;
            end();
            return;
        }
        ++(still.at_bound.empty() ? counts_.cut : counts_.bounded);
        if (on_end) on_end(*graph_);
    }
    bool must_end(int worker) const { return options_.alone < 0 || options_.alone == worker; }

    // Run a sample a second time, from the start: the same reads must lead to the same accesses.
    void verify() {
        const std::uint64_t answered = answers ? answers() : 0;
        verifying_ = true;
        machine_.forget();
        for (int worker = 0; worker < machine_.workers() && !abandoned_; ++worker) {
            machine_.resume(worker);
            if (!abandoned_ && machine_.given(worker) != graph_->size(worker)) {
                failed({Fault::internal,
                        machine_.program().describe_worker(worker) + " made " +
                            std::to_string(machine_.given(worker)) + " accesses where it had made " +
                            std::to_string(graph_->size(worker)) + ", although its reads returned the same",
                        std::source_location::current(), worker});
            }
        }
        verifying_ = false;
        if (!abandoned_ && answers && answers() != answered) {
            failed({Fault::internal, "the calls answered otherwise than before although their reads returned the same",
                    std::source_location::current(), -1});
        }
    }

    static constexpr std::uint64_t verify_every = 1000;
    static constexpr std::uint64_t look_every = 1024;

    ExhaustiveOptions options_;
    Extension extension_;
    Machine machine_;
    Counts counts_;
    std::vector<Failure> failures_;
    std::vector<std::string> left_;
    std::optional<Rebuild> rebuild_;
    std::vector<Alternative> alternatives_;
    std::deque<Graph> graphs_;
    std::size_t live_ = 0;
    Graph* graph_ = nullptr;
    std::set<std::string> bounds_;
    bool abandoned_ = false;  // the current execution ends here
    bool one_step_ = false;   // stop the worker after its next access
    bool verifying_ = false;
    std::chrono::steady_clock::time_point start_;
    std::chrono::steady_clock::time_point looked_;  // whether we are interrupted
    std::uint64_t work_ = 0;                        // besides events: runs and alternatives
    std::uint64_t next_look_ = 0;
    bool over_ = false;
};

}  // namespace explorer
