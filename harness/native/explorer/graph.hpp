// An execution graph: for every worker its events in program order, which store each read reads from, and for every
// location the order of its stores (the modification order).
//
// The graph also remembers in which order its events were added. Every prefix of that order is itself a graph, so that
// going back to an earlier one is a truncation and only a backward revisit, which keeps events from both sides of a
// cut, needs a copy (Kokologiannakis et al., POPL 2022, section 3).
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "event.hpp"
#include "rows.hpp"

namespace explorer {

class Graph {
public:
    Graph() : events_(32), stores_(8), accesses_(16) { events_.resize(max_workers); }

    void clear() {
        events_.clear();
        stores_.clear();
        accesses_.clear();
        order_.clear();
        next_stamp_ = 0;
        sequential_ = 0;
    }

    Event& operator[](EventId id) {
        return events_.at(static_cast<unsigned>(id.worker), static_cast<unsigned>(id.index));
    }
    const Event& operator[](EventId id) const {
        return events_.at(static_cast<unsigned>(id.worker), static_cast<unsigned>(id.index));
    }

    int size(int worker) const { return static_cast<int>(events_.size(static_cast<unsigned>(worker))); }
    bool has(EventId id) const { return id.is_initial() || id.index < size(id.worker); }
    const Event* last(int worker) const {
        const int count = size(worker);
        return count == 0 ? nullptr : &events_.at(static_cast<unsigned>(worker), static_cast<unsigned>(count - 1));
    }
    const std::vector<EventId>& order() const { return order_; }  // of addition
    std::size_t locations() const { return stores_.rows(); }
    std::span<const EventId> stores(Location location) const { return stores_[location]; }  // without the initial one
    std::span<const EventId> accesses(Location location) const { return accesses_[location]; }  // in order of addition
    int sequential_events() const { return sequential_; }  // accesses and fences that are seq_cst

    int position(EventId store) const { return store.is_initial() ? 0 : (*this)[store].position; }
    int newest(Location location) const { return static_cast<int>(stores_.size(location)); }
    EventId store_at(Location location, int position) const {
        return position == 0 ? initial_store : stores_.at(location, static_cast<unsigned>(position - 1));
    }
    // Is the store at `position` the first half's source of some read-modify-write that is complete?
    bool is_updated(Location location, int position) const {
        return position < newest(location) && (*this)[store_at(location, position + 1)].exclusive;
    }

    EventId append(int worker, const Event& event) {
        const int index = size(worker);
        if (index >= max_events_per_worker) {
            throw std::length_error("worker " + std::to_string(worker) + " made more than " +
                                    std::to_string(max_events_per_worker) + " accesses in one execution");
        }
        const EventId id{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(index)};
        events_.push(static_cast<unsigned>(worker), event);
        Event& added = (*this)[id];
        added.stamp = next_stamp_++;
        added.placed = false;
        if (event.location != no_location) {
            if (event.location >= locations()) widen(event.location + 1U);
            accesses_.push(event.location, id);
        }
        if (event.order == Order::seq_cst) ++sequential_;
        order_.push_back(id);
        return id;
    }

    // Put a store at a place of its location's modification order, before the store that is there now.
    void place(EventId store, int position) {
        Event& event = (*this)[store];
        stores_.insert(event.location, static_cast<unsigned>(position - 1), store);
        event.position = static_cast<std::uint16_t>(position);
        event.placed = true;
        for (int later = position + 1; later <= newest(event.location); ++later)
            ++(*this)[store_at(event.location, later)].position;
    }
    void unplace(EventId store) {
        Event& event = (*this)[store];
        if (!event.placed) return;
        stores_.erase(event.location, static_cast<unsigned>(event.position - 1));
        event.placed = false;
        for (int later = event.position; later <= newest(event.location); ++later)
            --(*this)[store_at(event.location, later)].position;
    }

    // A read's order can change with what it reads: a compare_exchange has one for success and one for failure.
    void set_order(Event& event, Order order) {
        sequential_ += (order == Order::seq_cst) - (event.order == Order::seq_cst);
        event.order = order;
    }

    // Keep the first `length` events in order of addition.
    void truncate(std::size_t length) {
        while (order_.size() > length) {
            const EventId id = order_.back();
            const Event& event = (*this)[id];
            if (event.order == Order::seq_cst) --sequential_;
            if (event.location != no_location) {
                if (event.is_write()) unplace(id);
                accesses_.pop(event.location);
            }
            events_.pop(static_cast<unsigned>(id.worker));
            order_.pop_back();
        }
        next_stamp_ = order_.empty() ? 0 : (*this)[order_.back()].stamp + 1;
    }

    // Become the part of `other` that `keep` contains.
    void assign_restricted(const Graph& other, const View& keep) {
        const auto kept = [&keep](EventId id) { return keep.contains(id); };
        events_.assign(other.events_, [&keep](std::size_t worker) { return keep.seen[worker]; });
        stores_.filter(other.stores_, kept);
        accesses_.filter(other.accesses_, kept);
        order_.clear();
        sequential_ = 0;
        for (const EventId id : other.order_) {
            if (!kept(id)) continue;
            order_.push_back(id);
            if ((*this)[id].order == Order::seq_cst) ++sequential_;
        }
        for (std::size_t location = 0; location < locations(); ++location) {
            std::uint16_t position = 0;
            for (const EventId store : stores(static_cast<Location>(location))) (*this)[store].position = ++position;
        }
        next_stamp_ = other.next_stamp_;
    }

    // Have been made in this order of all events.
    void reorder(const std::vector<EventId>& order) {
        order_ = order;
        accesses_.clear();
        next_stamp_ = 0;
        for (const EventId id : order_) {
            Event& event = (*this)[id];
            event.stamp = next_stamp_++;
            if (event.location != no_location) accesses_.push(event.location, id);
        }
    }

    void widen(std::size_t locations) {
        stores_.resize(locations);
        accesses_.resize(locations);
    }

private:
    Rows<Event> events_;
    Rows<EventId> stores_;
    Rows<EventId> accesses_;
    std::vector<EventId> order_;
    std::uint32_t next_stamp_ = 0;
    int sequential_ = 0;
};

}  // namespace explorer
