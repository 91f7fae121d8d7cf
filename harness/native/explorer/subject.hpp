// What the bindings explore: a program, what its workers use, and how a failure of it is told to Python.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>

#include "channel_program.hpp"

namespace explorer {

// One exploration at a time: the running machine is known to the fibers through a static.
inline std::mutex exploring;

// A program together with what its workers use.
struct Subject {
    std::shared_ptr<Program> program;
    std::string identity;
    std::shared_ptr<ChannelProgram> channel;  // which `program` is part of, or null

    std::optional<std::string> judge(const Graph& graph) const { return channel->judge(graph); }
};

struct Found {
    Fault fault;
    std::string what;
    std::string file;
    unsigned line;
    int worker;
    std::string schedule;
    Blocked blocked = Blocked::no;
};

inline const char* fault_name(Fault fault) {
    switch (fault) {
        case Fault::race: return "race";
        case Fault::check: return "check";
        case Fault::exception: return "exception";
        case Fault::unbounded: return "unbounded";
        case Fault::stuck: return "stuck";
        case Fault::history: return "history";
        default: return "internal";
    }
}

inline Found found(const Failure& failure, std::string schedule) {
    return {failure.fault,        failure.what,   failure.where.file_name(),
            failure.where.line(), failure.worker, std::move(schedule), failure.blocked};
}

inline Model model_of(const std::string& name) {
    if (name == "rc11") return Model::rc11;
    if (name == "sc") return Model::sc;
    throw std::invalid_argument("unknown memory model '" + name + "'; there are 'rc11' and 'sc'");
}

}  // namespace explorer
