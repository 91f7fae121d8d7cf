// The binding of the search for an order that a sequential specification accepts.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/tuple.h>

#include <chrono>
#include <string>

#include "harness/native/checks/order_search.hpp"

namespace nb = nanobind;

namespace harness::checks {

namespace {

template <class T>
using Array = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

template <class T>
std::span<const T> column(const Array<T>& array) {
    return {array.data(), array.shape(0)};
}

void require(bool holds, const char* problem) {
    if (!holds) throw nb::value_error(problem);
}

void check(const OrderQuestion& question) {
    const std::size_t count = question.count();
    const auto within = [](std::span<const Number> numbers, Number least, std::size_t below) {
        return std::ranges::all_of(
            numbers, [=](Number one) { return one >= least && one < static_cast<Number>(below); });
    };
    require(question.pending.size() == count && question.observes.size() == count &&
                question.needs_from.size() == count + 1 && question.bars_from.size() == count + 1,
            "pending, observes, needs_from and bars_from do not go with kinds");
    require(question.events.size() <= 2 * count && within(question.events, 0, 2 * count), "events name no operation");
    std::vector<bool> told(2 * count);
    for (const Number event : question.events) {
        require(!told[static_cast<std::size_t>(event)], "an event comes twice");
        told[static_cast<std::size_t>(event)] = true;
    }
    for (std::size_t i = 0; i < count; ++i)
        require(told[i] && told[count + i] == !question.pending[i], "a call, or a return, is missing or too many");
    const auto lists = [&](std::span<const Number> from, std::span<const Number> list) {
        return within(list, 0, count) && within(from, 0, list.size() + 1) && std::ranges::is_sorted(from);
    };
    require(lists(question.needs_from, question.needs) && lists(question.bars_from, question.bars),
            "needs or bars name no operation");
}

std::tuple<bool, bool, nb::bytes, Number, std::uint64_t> search_order(
    const Array<Number>& events, const Array<Number>& kinds, const Array<std::uint8_t>& pending,
    const Array<std::uint8_t>& observes, const Array<Number>& needs_from, const Array<Number>& needs,
    const Array<Number>& bars_from, const Array<Number>& bars, const nb::typed<nb::callable, int(int, int)>& ask,
    double seconds, std::size_t most_words, std::uint64_t most_steps) {
    const OrderQuestion question{column(events),     column(kinds), column(pending),   column(observes),
                                 column(needs_from), column(needs), column(bars_from), column(bars)};
    check(question);
    const auto begun = std::chrono::steady_clock::now();
    const auto answer = [&ask](Number state, Number operation) { return nb::cast<Number>(ask(state, operation)); };
    const auto go_on = [&] {
        if (PyErr_CheckSignals() != 0) throw nb::python_error();
        const nb::gil_scoped_release others_may_run;
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count() < seconds;
    };
    const OrderFound found = OrderSearch(question, answer, go_on, most_words, most_steps).run();
    return {found.decided, found.linearizable, nb::bytes(found.order.data(), found.order.size() * sizeof(Number)),
            found.stuck, found.steps};
}

}  // namespace

void bind_order_search(nb::module_& module) {
    module.def("search_order", &search_order, nb::kw_only(), nb::arg("events"), nb::arg("kinds"), nb::arg("pending"),
               nb::arg("observes"), nb::arg("needs_from"), nb::arg("needs"), nb::arg("bars_from"),
               nb::arg("bars"), nb::arg("ask"), nb::arg("seconds"), nb::arg("most_words"), nb::arg("most_steps"),
               "Search for an order that a specification accepts (harness/native/checks/order_search.hpp).\n\n"
               "Returns (decided, linearizable, the order or the longest prefix of one, int32; the operation where it "
               "is stuck, or -1; steps tried).");
}

}  // namespace harness::checks
