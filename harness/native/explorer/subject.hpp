// What the bindings explore: a program, what its workers use, and how a failure of it is told to Python.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>

#include <nanobind/nanobind.h>

#include "channel_program.hpp"
#include "replay.hpp"

namespace explorer {

// One exploration at a time: the running machine is known to the fibers through a static.
inline std::mutex exploring;

// A program together with what its workers use.
struct Subject {
    std::shared_ptr<Program> program;
    std::string identity;
    std::shared_ptr<ChannelProgram> channel;  // which `program` is part of, or null

    using Judge = std::function<std::optional<std::string>(const Graph&)>;

    // Who may wait for ever: beside those who have stopped, whoever goes on alone; beside the dead, a survivor.
    std::function<bool(Machine&, const Graph&, int)> may_wait(int alone) const {
        if (!channel || (alone < 0 && !channel->has_survivors())) return {};
        return [channel = channel.get(), alone](Machine& machine, const Graph& graph, int worker) {
            return alone < 0 ? channel->may_sleep(machine, graph, worker) : channel->may_wait(machine, graph, worker);
        };
    }
    // Schedules after which only one worker goes on are those of another program than schedules of all workers.
    std::string fingerprint(int alone = -1) const {
        return explorer::fingerprint(alone < 0 ? identity : identity + " alone " + std::to_string(alone));
    }

    // Of the graphs of the exhaustive driver, which stand for many orders of steps. Null if nothing is to be judged.
    Judge judge_of_graphs(Model model) const {
        return judge(model == Model::sc ? Precedence::every_real_time : Precedence::happens_before);
    }
    // Of the graph of a walk, whose events were added in the order of its steps.
    Judge judge_of_walks(Model model) const {
        return judge(model == Model::sc ? Precedence::order_of_steps : Precedence::happens_before);
    }
    // The steps to a failure of the exhaustive driver; of a history that is wrong in some real-time order, in that one.
    std::vector<Step> steps(const Graph& graph, const Failure& failure, Model model) const {
        const int workers = static_cast<int>(program->workers.size());
        if (failure.fault == Fault::history && failure.worker < 0 && channel && !channel->history().steps().empty()) {
            const Linearization order(graph, workers, Linearization::all_of(graph, workers));
            return order.along(channel->history().steps());
        }
        return steps_to(graph, workers, failure, model);
    }

private:
    Judge judge(Precedence precedence) const {
        if (!channel) return nullptr;
        return [channel = channel.get(), precedence](const Graph& graph) { return channel->judge(graph, precedence); };
    }
};

// A signal's handler runs in Python, on the main thread: whoever explores without the GIL asks for it now and then.
// What the handler raised is thrown when the GIL is back.
class Signals {
public:
    bool arrived() {
        const nanobind::gil_scoped_acquire acquire;
        raised_ = raised_ || PyErr_CheckSignals() != 0;
        return raised_;
    }
    void rethrow() const {
        if (raised_) throw nanobind::python_error();
    }

private:
    bool raised_ = false;
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
