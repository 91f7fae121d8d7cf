// One execution, step by step, under somebody else's control: which call a worker begins, who makes the next access,
// which store a load reads, who is killed, whose time passes. The program of a channel is written while it runs.
//
// What comes of it is an execution like any other: the calls that were begun are a program, and the steps a schedule of
// it that replays. The subject's program grows meanwhile, so a subject belongs to one stepper.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "replay.hpp"
#include "subject.hpp"

namespace explorer {

class Stepper {
public:
    Stepper(Subject& subject, Model model, std::size_t most_kills, std::size_t most_steps)
        : subject_(subject),
          model_(model),
          walk_(*subject.program, {.model = model}),
          most_kills_(most_kills),
          most_steps_(most_steps) {
        if (subject_.channel) {
            subject_.channel->block().expect_kills(most_kills);
            walk_.judge = subject_.judge_of_walks(model);
        } else if (most_kills > 0) {
            throw std::invalid_argument("only the workers of a channel can be killed");
        }
        walk_.begin(given_);
    }

    int workers() const { return static_cast<int>(subject_.program->workers.size()); }
    const Walk& walk() const { return walk_; }
    bool failed() const { return !walk_.failures().empty(); }
    bool over() const { return walk_.over(); }

    // Workers that could make a step.
    std::vector<int> enabled() {
        const auto workers = walk_.enabled();
        return {workers.begin(), workers.end()};
    }
    bool is_enabled(int worker) {
        const auto workers = enabled();
        return std::find(workers.begin(), workers.end(), worker) != workers.end();
    }
    // In pause(), or asleep, and nothing that it waits for has changed.
    bool waits(int worker) {
        const bool can = is_enabled(worker);
        return !can && walk_.machine().state(known(worker)) == State::waiting;
    }
    bool is_killed(int worker) const { return killed_[static_cast<std::size_t>(known(worker))]; }
    // Has a call begun that has not returned? Of a program that is no channel's: has the worker not finished?
    bool in_call(int worker) {
        if (subject_.channel) return !is_killed(worker) && subject_.channel->in_call(known(worker));
        return walk_.machine().state(known(worker)) != State::finished;
    }
    bool is_killable(int worker) {
        return kills_.size() < most_kills_ && is_enabled(worker) && walk_.machine().pending(worker).kind != Kind::choice;
    }
    // The access that an enabled worker would make.
    const Operation& next(int worker) {
        must_be_enabled(worker);
        return walk_.machine().pending(worker);
    }
    int choices(int worker) {
        must_be_enabled(worker);
        return walk_.choices(worker);
    }

    // Begin a worker's next call: it stops before its first access.
    void start(int worker, const harness::ScriptOperation& operation) {
        if (!subject_.channel) throw std::invalid_argument("only the workers of a channel begin calls");
        must_go_on();
        if (is_killed(worker)) throw std::invalid_argument(name(worker) + " was killed");
        if (in_call(worker)) throw std::invalid_argument(name(worker) + " is in a call already");
        subject_.channel->append(worker, operation);
        walk_.catch_up();
    }
    // One access, or a fence, or a choice of the environment. A choice that the memory model forbids becomes the next
    // newer; returns the one that was made.
    int step(int worker, int choice) {
        must_be_enabled(worker);
        const int count = walk_.choices(worker);
        if (choice < 0 || choice >= count) {
            throw std::invalid_argument("the next step of " + name(worker) + " has choices from 0 to " +
                                        std::to_string(count - 1) + "; got " + std::to_string(choice));
        }
        if (walk_.steps().size() >= most_steps_) {
            walk_.failed({Fault::unbounded, "more than " + std::to_string(most_steps_) + " steps",
                        walk_.machine().pending(worker).where, worker});
            return 0;
        }
        given_.next = choice;
        walk_.advance(worker);
        return walk_.steps().back().choice;
    }
    // The worker stops for ever before its next access.
    void kill(int worker) {
        must_be_enabled(worker);
        if (!is_killable(worker)) {
            throw std::invalid_argument(kills_.size() >= most_kills_ ? "there are no more kills than " + std::to_string(most_kills_)
                                                              : name(worker) + " is about to choose, not to access");
        }
        killed_[static_cast<std::size_t>(worker)] = true;
        subject_.channel->block().kill({worker, walk_.graph().size(worker)});
        kills_.push_back({worker, walk_.graph().size(worker)});
        walk_.catch_up();
        step(worker, 0);  // the kernel lets go of what it held
    }
    // Why this execution, as it stands, is wrong, if it is: nobody may be able to make a step.
    std::optional<Failure> judge() {
        if (failed()) return walk_.failures().front();
        if (!enabled().empty()) throw std::invalid_argument("an execution is judged when nobody can make a step");
        if (failed()) return walk_.failures().front();
        if (!walk_.judge) return std::nullopt;
        if (auto wrong = walk_.judge(walk_.graph()))
            return Failure{Fault::history, std::move(*wrong), std::source_location::current(), -1};
        return std::nullopt;
    }
    // As judge(), and a worker that waits is a failure, too.
    std::optional<Failure> finish() {
        if (!over()) {
            if (!enabled().empty()) throw std::invalid_argument("an execution is over when nobody can make a step");
            if (!over()) walk_.finish();
        }
        return failed() ? std::optional(walk_.failures().front()) : std::nullopt;
    }

    // Of a subject that has the calls and the kills of this execution from the start.
    std::string schedule(const Subject& of) const { return encode(walk_.steps(), fingerprint(of.identity), model_); }
    std::vector<Call> calls() const { return subject_.channel ? subject_.channel->calls() : std::vector<Call>{}; }
    const std::vector<Kill>& kills() const { return kills_; }

private:
    struct Given final : Strategy {
        int next = 0;
        int worker(std::span<const int> enabled, const Machine&) override { return enabled.front(); }
        int choice(int) override { return std::exchange(next, 0); }
    };

    static std::string name(int worker) { return worker_name(worker); }
    int known(int worker) const {
        if (worker < 0 || worker >= workers()) {
            throw std::invalid_argument("there are workers 0 to " + std::to_string(workers() - 1) + "; got " +
                                        std::to_string(worker));
        }
        return worker;
    }
    void must_go_on() const {
        if (over()) throw std::invalid_argument("the execution is over");
    }
    void must_be_enabled(int worker) {
        must_go_on();
        if (!is_enabled(known(worker))) throw std::invalid_argument(name(worker) + " cannot go on");
    }

    Subject subject_;
    Model model_;
    Given given_;
    Walk walk_;
    std::size_t most_kills_;
    std::size_t most_steps_;
    std::vector<Kill> kills_;
    std::array<bool, max_workers> killed_{};
};

}  // namespace explorer
