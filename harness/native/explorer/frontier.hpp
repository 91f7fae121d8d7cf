// What an exploration has still to do, as text that another process can go on from.
//
//     part1:5c0ffee1:A1BA2!;s12
//
// is version 1, the fingerprint of the program, the events of a prefix of a graph in the order in which they were added,
// and the alternative that is to be taken there. An event is its worker's letter and a number, left out if it is 0: of a
// read, its source (the store's place among these events, from 1, or 0 for the initial store; '!' if it failed
// spuriously); of a write, its position in the modification order; of a choice, what was chosen. All else about an event
// follows from running the program, which must therefore make the same accesses: if it does not, the part is refused.
//
// The fiber that makes an access knows what it is, so the events are made again by running the workers, each for as long
// as the store that its next read reads from is there. That is one order that respects (program order | reads-from);
// afterwards the graph is told in which order they had been added, on which the backward revisits depend.
#pragma once

#include <charconv>
#include <climits>
#include <string>
#include <string_view>
#include <vector>

#include "extension.hpp"

namespace explorer {

// Something else that could have been done where the graph had `length` events.
struct Alternative {
    enum Kind : std::uint8_t {
        source,     // the last event reads from `event`
        place,      // the last event takes `position`
        choice,     // the last event chooses `value`
        revisit,    // the last event is read by the read `event`
        revisited,  // the last event, just read by a revisit, takes `position`
    };
    Kind kind = source;
    bool spurious = false;
    EventId event{};
    int position = 0;
    Word value = 0;
    std::uint32_t graph = 0;
    std::uint32_t length = 0;
};

class PartError : public std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

inline constexpr std::string_view part_version = "part1:";
inline constexpr std::string_view alternative_letters = "spcrR";  // by Alternative::Kind

// What is to be done with `graph`, which has exactly alternative.length events.
inline std::string encode_part(const Graph& graph, const Alternative& alternative, std::string_view program) {
    std::vector<std::vector<std::size_t>> places(static_cast<std::size_t>(max_workers));  // by event, from 1
    std::size_t added = 0;
    for (const EventId id : graph.order()) {
        auto& row = places[static_cast<std::size_t>(id.worker)];
        row.resize(static_cast<std::size_t>(id.index) + 1);
        row.back() = ++added;
    }
    const auto place_of = [&places](EventId id) -> std::size_t {
        if (id.is_initial()) return 0;
        return places[static_cast<std::size_t>(id.worker)][static_cast<std::size_t>(id.index)];
    };
    std::string text = std::string(part_version).append(program).append(":");
    const auto number = [&text](Word value, bool spurious = false) {
        if (value != 0) text += std::to_string(value);
        if (spurious) text += '!';
    };
    for (const EventId id : graph.order()) {
        const Event& event = graph[id];
        text += static_cast<char>('A' + id.worker);
        switch (event.kind) {
            case Kind::read: number(place_of(event.source), event.spurious); break;
            case Kind::write: number(event.placed ? event.position : Word{0}); break;
            case Kind::choice: number(event.value); break;
            case Kind::fence: break;
        }
    }
    text += ';';
    text += alternative_letters[alternative.kind];
    switch (alternative.kind) {
        case Alternative::source:
        case Alternative::revisit: number(place_of(alternative.event), alternative.spurious); break;
        case Alternative::place: number(static_cast<Word>(alternative.position)); break;
        case Alternative::choice: number(alternative.value); break;
        case Alternative::revisited:
            number(place_of(alternative.event), alternative.spurious);
            text += '.';
            number(static_cast<Word>(alternative.position));
            break;
    }
    return text;
}

// A part that was read: how each event of the prefix came to be, in the order of addition.
struct Part {
    struct Made {
        EventId id;
        Word number = 0;
        bool spurious = false;
    };
    std::vector<Made> events;
    Alternative alternative;
};

inline Part decode_part(std::string_view text, std::string_view program) {
    const std::string whole(text.substr(0, 80));
    const auto refuse = [&whole](const std::string& why) { throw PartError("the part '" + whole + "' " + why); };
    if (!text.starts_with(part_version)) refuse("does not begin with '" + std::string(part_version) + "'");
    text.remove_prefix(part_version.size());
    if (text.size() <= program.size() || !text.starts_with(program) || text[program.size()] != ':')
        refuse("is not of the program " + std::string(program));
    text.remove_prefix(program.size() + 1);
    const auto number = [&text, &refuse](Word most) {
        Word value = 0;
        if (text.empty() || text.front() < '0' || text.front() > '9') return value;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc{} || value > most) refuse("has a number that is too large");
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        return value;
    };
    const auto taken = [&text](char character) {
        if (!text.starts_with(character)) return false;
        text.remove_prefix(1);
        return true;
    };
    Part part;
    std::array<std::int16_t, max_workers> sizes{};
    while (!text.empty() && text.front() >= 'A' && text.front() < 'A' + max_workers) {
        const int worker = text.front() - 'A';
        text.remove_prefix(1);
        auto& size = sizes[static_cast<std::size_t>(worker)];
        if (size == max_events_per_worker) refuse("has too many events");
        Part::Made made{{static_cast<std::int16_t>(worker), size++}};
        made.number = number(~Word{0});
        made.spurious = taken('!');
        part.events.push_back(made);
    }
    const auto event = [&part, &number]() -> EventId {
        const Word place = number(part.events.size());
        return place == 0 ? initial_store : part.events[place - 1].id;
    };
    if (part.events.empty() || !taken(';') || text.empty()) refuse("lacks its events or its alternative");
    const std::size_t kind = alternative_letters.find(text.front());
    if (kind == std::string_view::npos)
        refuse("has an alternative that is none of '" + std::string(alternative_letters) + "'");
    text.remove_prefix(1);
    Alternative& alternative = part.alternative;
    alternative.kind = static_cast<Alternative::Kind>(kind);
    alternative.length = static_cast<std::uint32_t>(part.events.size());
    constexpr Word most_stores = max_workers * max_events_per_worker;
    switch (alternative.kind) {
        case Alternative::source:
        case Alternative::revisit:
            alternative.event = event();
            alternative.spurious = taken('!');
            break;
        case Alternative::place: alternative.position = static_cast<int>(number(most_stores)); break;
        case Alternative::choice: alternative.value = number(~Word{0}); break;
        case Alternative::revisited:
            alternative.event = event();
            alternative.spurious = taken('!');
            if (!taken('.')) refuse("lacks the position of its alternative");
            alternative.position = static_cast<int>(number(most_stores));
            break;
    }
    if (!text.empty()) refuse("goes on after its end");
    return part;
}

// Makes the graph of a part again.
class Rebuild final : public Driver {
public:
    Rebuild(Program& program, Extension& extension) : extension_(&extension), machine_(program, *this, INT_MAX) {}

    void operator()(const Part& part, Graph& graph) {
        part_ = &part;
        graph_ = &graph;
        added_ = 0;
        wrong_.clear();
        for (auto& row : rows_) row.clear();
        for (const Part::Made& made : part.events) rows_[static_cast<std::size_t>(made.id.worker)].push_back(&made);
        graph.clear();
        machine_.use(graph);
        machine_.forget();
        for (std::size_t before = ~std::size_t{0}; added_ < part.events.size() && before != added_ && wrong_.empty();) {
            before = added_;
            for (int worker = 0; worker < machine_.workers() && wrong_.empty(); ++worker) {
                if (wanted(worker) != nullptr) machine_.resume(worker);
            }
        }
        if (wrong_.empty() && added_ < part.events.size()) wrong_ = "the workers stop before its last event";
        if (!wrong_.empty()) {
            throw PartError("the program does not do what the part says: " + wrong_ +
                            "; is it the same, and of the same version, everywhere?");
        }
        order_.clear();
        for (const Part::Made& made : part.events) order_.push_back(made.id);
        graph.reorder(order_);
    }

    // --- Driver ----------------------------------------------------------------------------------------------------

    bool step(int worker, const Operation& operation) override {
        const Part::Made* made = wanted(worker);
        if (made == nullptr || !wrong_.empty()) return false;
        EventId source = initial_store;
        if (operation.kind == Kind::read && made->number != 0) {
            if (made->number > part_->events.size()) return refuse("a read from an event that is not there");
            source = part_->events[made->number - 1].id;
            if (!graph_->has(source)) return false;
            if (!(*graph_)[source].is_write() || (*graph_)[source].location != operation.location)
                return refuse("a read from what does not store there");
        }
        const EventId id = extension_->add(*graph_, worker, operation);
        ++added_;
        switch (operation.kind) {
            case Kind::read: extension_->read_from(*graph_, id, source, made->spurious); break;
            case Kind::write:
                if (made->number != 0) graph_->place(id, place(operation.location, made->number));
                break;
            case Kind::choice:
                if (made->number >= operation.value) return refuse("a choice that there is not");
                extension_->choose(*graph_, id, made->number);
                break;
            case Kind::fence: break;
        }
        return true;
    }
    void failed(Failure failure) override { wrong_ = failure.what; }
    int retry(int worker, const Rounds& rounds) override {
        return wanted(worker) != nullptr ? go_on : rounds.begin;
    }

private:
    const Part::Made* wanted(int worker) const {
        const auto& row = rows_[static_cast<std::size_t>(worker)];
        const auto next = static_cast<std::size_t>(graph_->size(worker));
        return next < row.size() ? row[next] : nullptr;
    }
    bool refuse(const char* why) {
        wrong_ = why;
        return false;
    }
    // Where a store goes that will have `position` once all are there.
    int place(Location location, Word position) const {
        if (location >= graph_->locations()) return 1;
        int below = 0;
        for (const EventId store : graph_->stores(location)) {
            const auto& row = rows_[static_cast<std::size_t>(store.worker)];
            below += row[static_cast<std::size_t>(store.index)]->number < position;
        }
        return below + 1;
    }

    Extension* extension_;
    Machine machine_;
    const Part* part_ = nullptr;
    Graph* graph_ = nullptr;
    std::array<std::vector<const Part::Made*>, max_workers> rows_;
    std::vector<EventId> order_;
    std::size_t added_ = 0;
    std::string wrong_;
};

}  // namespace explorer
