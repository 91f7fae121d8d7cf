// Litmus programs: straight-line workers over a few locations, as data.
//
// A guard ends its worker unless the last value read is the one named, which is all the control flow that litmus tests
// need; `await` reads in a retry loop until it finds a value.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "machine.hpp"

namespace explorer {

struct Instruction {
    enum class Code : std::uint8_t {
        load,
        store,
        exchange,
        add,
        compare,
        compare_weak,
        fence,
        guard,
        await,
        check,
        choose
    };
    Code code = Code::load;
    Location location = 0;
    Word value = 0;     // stored, added, awaited, guarded or checked for; how many choices
    Word expected = 0;  // of a compare
    Order order = Order::relaxed;
    Order failure = Order::relaxed;
};

struct Litmus {
    std::size_t locations = 0;
    std::vector<std::vector<Instruction>> workers;
};

inline void interpret(const std::vector<Instruction>& code) {
    Machine& machine = *Machine::running();
    const auto here = std::source_location::current();
    Word last = 0;
    for (const Instruction& step : code) {
        switch (step.code) {
            case Instruction::Code::load: last = machine.load(step.location, step.order, here); break;
            case Instruction::Code::store: machine.store(step.location, step.value, step.order, here); break;
            case Instruction::Code::exchange:
                last = machine.modify(step.location, step.order, [&step](Word) { return step.value; }, here);
                break;
            case Instruction::Code::add:
                last =
                    machine.modify(step.location, step.order, [&step](Word found) { return found + step.value; }, here);
                break;
            case Instruction::Code::compare:
            case Instruction::Code::compare_weak: {
                last = step.expected;
                machine.compare_exchange(step.location, last, step.value, step.order, step.failure,
                                         step.code == Instruction::Code::compare_weak, here);
                break;
            }
            case Instruction::Code::fence: machine.fence(step.order, here); break;
            case Instruction::Code::guard:
                if (last != step.value) return;
                break;
            case Instruction::Code::await:
                machine.begin_round();
                while ((last = machine.load(step.location, step.order, here)) != step.value) machine.pause(here);
                break;
            case Instruction::Code::check:
                if (last != step.value) {
                    machine.fail(Fault::check,
                                 "read " + std::to_string(last) + ", expected " + std::to_string(step.value), here);
                }
                break;
            case Instruction::Code::choose: last = machine.choose(step.value, here); break;
        }
    }
}

inline std::unique_ptr<Program> make_program(const Litmus& litmus) {
    auto program = std::make_unique<Program>();
    for (std::size_t location = 0; location < litmus.locations; ++location) program->declare(0, {});
    for (const auto& code : litmus.workers) {
        for (const Instruction& step : code) {
            if (step.code != Instruction::Code::fence && step.location >= litmus.locations) {
                throw std::invalid_argument("location " + std::to_string(step.location) +
                                            " of an instruction; the program has " + std::to_string(litmus.locations));
            }
        }
        program->workers.emplace_back([code] { interpret(code); });
    }
    return program;
}

}  // namespace explorer
