// Exploring a structure of one's own: the Treiber stack, and the bug that appears without its tags.
//
//   g++ -std=c++20 -O2 -I. examples/explore_treiber.cpp -o explore_treiber && ./explore_treiber
//
// Exit code 0 if the tagged stack is right in every execution and the untagged one is not.
#include <cstdio>
#include <memory>

#include "examples/treiber_stack.hpp"
#include "harness/native/explorer/atomic.hpp"
#include "harness/native/explorer/exhaustive.hpp"
#include "harness/native/explorer/replay.hpp"

namespace {

// One worker pops; the other pops two nodes and pushes the first back. A node must never be taken by two at once.
template <bool tagged>
explorer::Counts explore(std::string& what) {
    explorer::Program program;
    const sim::Building building(program);
    struct Shared {
        examples::TreiberStack<sim::Simulated, 2, tagged> stack;
        sim::atomic<int> holders[3];
        // Take and give back; two holders at once are the bug.
        void take(std::uint32_t node) {
            sim::check(node == 0 || holders[node].fetch_add(1, std::memory_order_acq_rel) == 0, "one holder");
        }
        void give(std::uint32_t node) {
            holders[node].fetch_sub(1, std::memory_order_acq_rel);
            stack.push(node);
        }
    };
    const auto shared = std::make_shared<Shared>();
    program.workers.emplace_back([shared] {
        shared->stack.push(1);
        shared->stack.push(2);
        const std::uint32_t first = shared->stack.pop();
        shared->take(first);
        const std::uint32_t second = shared->stack.pop();
        shared->take(second);
        if (first != 0) shared->give(first);
    });
    program.workers.emplace_back([shared] {
        shared->take(shared->stack.pop());
        shared->take(shared->stack.pop());
    });
    explorer::Exhaustive driver(program);
    driver.on_failure = [&](const explorer::Graph& graph) {
        const explorer::Failure& failure = driver.failures().back();
        what = failure.what + ", schedule " +
               explorer::encode(explorer::steps_to(graph, 2, failure, explorer::Model::rc11), explorer::fingerprint("treiber"),
                                explorer::Model::rc11);
    };
    return driver.explore();
}

}  // namespace

int main() {
    std::string what;
    const explorer::Counts right = explore<true>(what);
    std::printf("tagged:   %llu executions, %llu wrong%s\n", static_cast<unsigned long long>(right.complete),
                static_cast<unsigned long long>(right.failed), right.exhausted ? ", exhausted" : "");
    const explorer::Counts wrong = explore<false>(what);
    std::printf("untagged: wrong after %llu executions: %s\n", static_cast<unsigned long long>(wrong.runs),
                what.c_str());
    return right.exhausted && right.failed == 0 && wrong.failed > 0 ? 0 : 1;
}
