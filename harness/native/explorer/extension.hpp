// Extending a graph by one event, consistently: what every driver has in common.
#pragma once

#include "consistency.hpp"
#include "interleaving.hpp"
#include "machine.hpp"
#include "psc.hpp"

namespace explorer {

// The failure of an access that races with another.
inline Failure race_with(const Program& program, EventId other, int worker, const Operation& operation) {
    return {Fault::race, program.name(operation.location) + " is also accessed by " + worker_name(other.worker),
            operation.where, worker};
}

class Extension {
public:
    Extension(const Program& program, Model model) : program_(&program), model_(model) {}

    Model model() const { return model_; }

    Word value_of(const Graph& graph, EventId store, Location location) const {
        return store.is_initial() ? program_->initial(location) : graph[store].value;
    }

    // What must not come after an access that follows the event before `id` in its worker.
    View known_before(const Graph& graph, EventId id) const {
        if (id.index == 0) return {};
        const Event& previous = graph[{id.worker, static_cast<std::int16_t>(id.index - 1)}];
        return model_ == Model::sc ? previous.porf : previous.hb;
    }
    // ... by an access that the worker has yet to make
    int oldest(const Graph& graph, int worker, Location location) const {
        const Event* last = graph.last(worker);
        if (last == nullptr) return 0;
        return coherence_floor(graph, model_ == Model::sc ? last->porf : last->hb, location);
    }
    int oldest_source(const Graph& graph, EventId read) const {
        return coherence_floor(graph, known_before(graph, read), graph[read].location);
    }

    EventId add(Graph& graph, int worker, const Operation& operation) {
        const EventId id = graph.append(worker, operation.event());
        graph[id].serial = ++serial_;
        if (graph[id].kind != Kind::read) set_views(graph, id);  // a read's depend on its source
        return id;
    }
    void read_from(Graph& graph, EventId read, EventId source, bool spurious = false) {
        Event& event = graph[read];
        event.source = source;
        event.value = value_of(graph, source, event.location);
        event.spurious = spurious;
        event.serial = ++serial_;
        const bool failed = event.update == Update::if_equal && !event.updates();
        graph.set_order(event, failed ? event.failure : event.success);
        set_views(graph, read);
    }
    void choose(Graph& graph, EventId choice, Word value) {
        graph[choice].value = value;
        graph[choice].serial = ++serial_;
    }

    // A reading half that finds this value fails or succeeds; may the environment make it fail although it could
    // succeed?
    bool may_fail_spuriously(const Graph& graph, EventId read, Word found, int allowed) const {
        const Event& event = graph[read];
        if (!event.weak || found != event.expected) return false;
        int failed = 0;
        for (std::int16_t index = 0; index < read.index; ++index) failed += graph[{read.worker, index}].spurious;
        return failed < allowed;
    }

    // The second half's place is next to the store that the first half read; -1 if another read-modify-write is there.
    int exclusive_place(const Graph& graph, EventId write) const {
        const EventId read{write.worker, static_cast<std::int16_t>(write.index - 1)};
        const int source = graph.position(graph[read].source);
        return graph.is_updated(graph[write].location, source) ? -1 : source + 1;
    }
    // An ordinary store may go anywhere above the floor, but not between the halves of a read-modify-write.
    bool may_place(const Graph& graph, Location location, int position) const {
        return !graph.is_updated(location, position - 1);
    }

    // Axioms that coherence, atomicity and porf-acyclicity leave open.
    bool consistent(const Graph& graph) {
        return model_ == Model::sc ? interleaving_.exists(graph) : psc_.holds(graph);
    }

    EventId race(const Graph& graph, int worker, const Operation& operation) const {
        return race_of(graph, happens_before(graph, worker), operation.location, operation.kind == Kind::write,
                       operation.order == Order::plain);
    }

private:
    const Program* program_;
    Model model_;
    SequentialConsistency psc_;
    Interleaving interleaving_;
    std::uint32_t serial_ = 0;
};

}  // namespace explorer
