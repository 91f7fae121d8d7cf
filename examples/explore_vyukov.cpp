// Exploring a structure of one's own: the bounded queue, and what each of its four memory orders is for.
//
//   g++ -std=c++20 -O2 -I. examples/explore_vyukov.cpp -o explore_vyukov && ./explore_vyukov
//
// Exit code 0 if the queue is right in every execution, and with any of its orders weakened it is not.
#include <cstdio>
#include <memory>
#include <utility>

#include "examples/vyukov_queue.hpp"
#include "harness/native/explorer/atomic.hpp"
#include "harness/native/explorer/exhaustive.hpp"
#include "harness/native/explorer/replay.hpp"

namespace {

// One worker pushes three messages, another pops three times: more than the two cells, so that one is used again. A
// smaller program would miss two of the four orders.
explorer::Counts explore(examples::QueueOrders orders, std::string& what) {
    explorer::Program program;
    const sim::Building building(program);
    const auto queue = std::make_shared<examples::VyukovQueue<sim::Simulated, int, 2>>(orders);
    program.workers.emplace_back([queue] {
        for (int message = 1; message <= 3; ++message) queue->push(message);
    });
    program.workers.emplace_back([queue] {
        int last = 0;
        for (int tries = 0; tries < 3; ++tries) {
            int message = 0;
            if (!queue->pop(message)) continue;
            sim::check(message > last, "messages come in their order");
            last = message;
        }
    });
    explorer::Exhaustive driver(program);
    driver.on_failure = [&](const explorer::Graph& graph) {
        const explorer::Failure& failure = driver.failures().back();
        what = failure.what + ", schedule " +
               explorer::encode(explorer::steps_to(graph, 2, failure, explorer::Model::rc11),
                                explorer::fingerprint("vyukov"), explorer::Model::rc11);
    };
    return driver.explore();
}

}  // namespace

int main() {
    std::string what;
    const explorer::Counts right = explore({}, what);
    std::printf("as it is:  %llu executions, %llu wrong%s\n", static_cast<unsigned long long>(right.complete),
                static_cast<unsigned long long>(right.failed), right.exhausted ? ", exhausted" : "");
    bool convicted = right.exhausted && right.failed == 0;
    for (const auto& [name, order] : {std::pair{"push_load", &examples::QueueOrders::push_load},
                                      std::pair{"push_store", &examples::QueueOrders::push_store},
                                      std::pair{"pop_load", &examples::QueueOrders::pop_load},
                                      std::pair{"pop_store", &examples::QueueOrders::pop_store}}) {
        examples::QueueOrders orders;
        orders.*order = std::memory_order_relaxed;
        const explorer::Counts wrong = explore(orders, what);
        std::printf("%-10s relaxed: wrong after %llu executions: %s\n", name,
                    static_cast<unsigned long long>(wrong.runs), what.c_str());
        convicted = convicted && wrong.failed > 0;
    }
    return convicted ? 0 : 1;
}
