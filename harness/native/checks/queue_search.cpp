// The binding of the search for a linearization of a bounded FIFO queue.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/tuple.h>

#include <string>

#include "harness/native/checks/queue_search.hpp"

namespace nb = nanobind;

namespace harness::checks {

namespace {

template <class T>
using Array = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class T>
std::span<const T> column(const Array<T>& array, std::size_t length, const char* name) {
    if (array.shape(0) != length)
        throw nb::value_error((std::string(name) + " has another length than its neighbours").c_str());
    return {array.data(), length};
}

void in_range(std::span<const Index> indices, std::size_t count, const char* name) {
    for (const Index index : indices)
        if (index < kNone || index >= static_cast<Index>(count))
            throw nb::value_error((std::string(name) + " names something that is not there").c_str());
}

std::tuple<int, nb::bytes, Index, std::uint64_t, std::size_t> search_queue(
    std::int64_t capacity, const Array<std::uint8_t>& action, const Array<Index>& value,
    const Array<std::int64_t>& size, const Array<Time>& invoked, const Array<Time>& returned,
    const Array<Index>& before, const Array<std::int64_t>& cost, const Array<Index>& rank,
    const Array<Time>& first_seen, const Array<Time>& last_seen, const Array<std::uint8_t>& removed,
    const Array<std::uint8_t>& unnamed, std::size_t width, std::size_t widest, Index ranked, std::uint64_t steps) {
    const std::size_t operations = action.shape(0), values = cost.shape(0);
    const QueueHistory history{
        capacity,
        column(action, operations, "action"),
        column(value, operations, "value"),
        column(size, operations, "size"),
        column(invoked, operations, "invoked"),
        column(returned, operations, "returned"),
        column(before, operations, "before"),
        column(cost, values, "cost"),
        column(rank, values, "rank"),
        column(first_seen, values, "first_seen"),
        column(last_seen, values, "last_seen"),
        column(removed, values, "removed"),
        column(unnamed, values, "unnamed"),
    };
    in_range(history.values, values, "value");
    in_range(history.befores, operations, "before");
    Found found;
    {
        const nb::gil_scoped_release others_may_run;
        found = QueueSearch(history, width, widest, ranked, steps).run();
    }
    return {static_cast<int>(found.answer), nb::bytes(found.order.data(), found.order.size() * sizeof(Index)),
            found.stuck, found.steps, found.widest};
}

}  // namespace

void bind_queue_search(nb::module_& module) {
    module.def("search_queue", &search_queue, nb::kw_only(), nb::arg("capacity"), nb::arg("action"), nb::arg("value"),
               nb::arg("size"), nb::arg("invoked"), nb::arg("returned"), nb::arg("before"), nb::arg("cost"),
               nb::arg("rank"), nb::arg("first_seen"), nb::arg("last_seen"), nb::arg("removed"), nb::arg("unnamed"),
               nb::arg("width"), nb::arg("widest"), nb::arg("ranked"), nb::arg("steps"),
               "Search for a linearization of a bounded FIFO queue (harness/native/checks/queue_search.hpp).\n\n"
               "Returns (0 linearizable, 1 refuted or 2 unknown; the certificate, int32; the operation where it is stuck, "
               "or -1; operations tried; configurations held at once).");
}

}  // namespace harness::checks
