// Nondeterminism outside the machine: the explorer believes that a worker is a function of what its reads return. A
// clock, a random number, a static counter or an address that a structure looks at makes every verdict worthless, so
// that it is an internal error, and never a pass nor an ordinary failure.
//
// Exhaustive runs one complete execution in a thousand again from its start. Here is the same for walks, and for
// failures of either: the schedule, walked again, must end alike.
#pragma once

#include <functional>
#include <string>

#include "describe.hpp"
#include "replay.hpp"
#include "walk.hpp"

namespace explorer {

// What is compared: FNV-1a of the graph's events, of how it ended, and of what the calls answered.
inline std::uint64_t event_hash(Walk& walk, End end, const std::function<std::uint64_t()>& answers) {
    std::uint64_t hash = answers ? answers() : 14695981039346656037U;
    const auto add = [&hash](const std::string& text) {
        for (const char byte : text) hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211U;
    };
    add(describe(walk.graph(), walk.machine().workers()));
    add(std::to_string(static_cast<int>(end)));
    if (end == End::failed) add(walk.failures().front().what);
    return hash;
}

// Walk the last execution of `walk` once more. Does it end otherwise?
inline bool differs_again(Walk& walk, End end, const std::function<std::uint64_t()>& answers) {
    const std::uint64_t before = event_hash(walk, end, answers);
    Scripted script(walk.steps());
    try {
        const End again = walk.run(script);
        return event_hash(walk, again, answers) != before;
    } catch (const ScheduleError&) {
        return true;  // a worker waits where it had gone on
    }
}

// The first failure of an exhaustive exploration, walked again. Is it another one, or none?
inline bool fails_otherwise(Walk& walk, std::vector<Step> steps, Fault fault) {
    Scripted script(std::move(steps));
    try {
        return walk.run(script) != End::failed || walk.failures().front().fault != fault;
    } catch (const ScheduleError&) {
        return true;
    }
}

inline constexpr const char* nondeterminism =
    "the same schedule led to another execution when it was run again: something outside the machine (a clock, a "
    "random number, a static variable, an address) decides what a worker does";

}  // namespace explorer
