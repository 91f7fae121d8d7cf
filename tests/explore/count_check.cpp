// Run by test_fiber.py: an exploration counts on every processor's fibers what it counts on any other's.
#include <cstdio>
#include <utility>

#include "examples/vyukov_queue.hpp"
#include "harness/native/explorer/atomic.hpp"
#include "harness/native/explorer/channel_program.hpp"
#include "harness/native/explorer/exhaustive.hpp"

namespace {

void count(const char* name, explorer::Exhaustive& driver) {
    const explorer::Counts seen = driver.explore();
    std::printf("%s: %llu complete, %llu cut, %llu failed, exhausted %d\n", name,
                static_cast<unsigned long long>(seen.complete), static_cast<unsigned long long>(seen.cut),
                static_cast<unsigned long long>(seen.failed), seen.exhausted);
}

void queue() {
    explorer::Program program;
    const sim::Building building(program);
    examples::VyukovQueue<sim::Simulated, int, 2> shared;
    for (int worker = 0; worker < 3; ++worker) {
        program.workers.emplace_back([&shared, worker] {
            for (int operation = 0; operation < 2; ++operation) {
                int value = 0;
                if (worker % 2 == 0)
                    shared.push(worker * 10 + operation);
                else
                    shared.pop(value);
            }
        });
    }
    explorer::ExhaustiveOptions options;
    options.waiting = false;
    explorer::Exhaustive driver(program, options);
    count("queue", driver);
}

// Two writers of a message each and their reader, all of whom may wait.
void channel(explorer::Model model) {
    explorer::ChannelPlan plan;
    plan.capacity = 32;
    const auto call = [](harness::Kind kind, std::uint64_t value) {
        harness::ScriptOperation operation{};
        operation.kind = kind;
        operation.value = value;
        operation.size = kind == harness::Kind::write ? 8 : 0;
        operation.timeout = -1;
        operation.count = 1;
        return operation;
    };
    plan.scripts = {{call(harness::Kind::write, 1)},
                    {call(harness::Kind::write, 2)},
                    {call(harness::Kind::read, 0), call(harness::Kind::read, 0)}};
    explorer::ChannelProgram whole(std::move(plan));
    explorer::ExhaustiveOptions options;
    options.model = model;
    explorer::Exhaustive driver(whole.program(), options);
    driver.judge = [&whole, model](const explorer::Graph& graph) {
        return whole.judge(graph, model == explorer::Model::sc ? explorer::Precedence::every_real_time
                                                               : explorer::Precedence::happens_before);
    };
    driver.answers = [&whole] { return whole.answers(); };
    count(model == explorer::Model::sc ? "channel sc" : "channel rc11", driver);
}

}  // namespace

int main() {
    queue();
    channel(explorer::Model::rc11);
    channel(explorer::Model::sc);
}
