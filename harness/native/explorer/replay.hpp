// Schedules: an execution as the list of its steps, as a short string, and back.
//
//     explore2:5c0ffee1:0ddba115:A3~1.2B4A
//
// is version 2, the fingerprint of the program that it belongs to, a checksum over that, the memory model and the steps,
// and the steps: a letter says which worker goes on, a number how many steps it makes with the ordinary choice (the newest store), ~n one step with choice n; a dot parts
// two numbers. A letter alone is one step. Where the string ends, the leftmost worker goes on.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <string_view>

#include "linearization.hpp"

namespace explorer {

class ScheduleError : public std::invalid_argument {
    using std::invalid_argument::invalid_argument;
};

// FNV-1a of whatever text tells one program from another.
inline std::string fingerprint(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325U;
    for (const char character : text) hash = (hash ^ static_cast<unsigned char>(character)) * 0x100000001b3U;
    char digits[9];
    std::snprintf(digits, sizeof digits, "%08x", static_cast<unsigned>(hash ^ (hash >> 32)));
    return digits;
}

inline constexpr std::string_view schedule_version = "explore2:";

// An altered schedule, or one of the other model, is another execution, and mostly one that can be walked.
inline std::string checksum(std::string_view program, Model model, std::string_view steps) {
    return fingerprint(std::string(program) + (model == Model::sc ? " sc " : " rc11 ") + std::string(steps));
}

inline std::string encode(const std::vector<Step>& steps, std::string_view program, Model model) {
    std::string text;
    for (std::size_t at = 0; at < steps.size();) {
        const int worker = steps[at].worker;
        text += static_cast<char>('A' + worker);
        while (at < steps.size() && steps[at].worker == worker) {
            std::size_t ordinary = 0;
            for (; at < steps.size() && steps[at].worker == worker && steps[at].choice == 0; ++at) ++ordinary;
            const bool alone = ordinary == 1 && text.back() == static_cast<char>('A' + worker) &&
                               (at == steps.size() || steps[at].worker != worker);
            if (ordinary > 0 && !alone) {
                if (text.back() >= '0' && text.back() <= '9') text += '.';
                text += std::to_string(ordinary);
            }
            for (; at < steps.size() && steps[at].worker == worker && steps[at].choice != 0; ++at) {
                text += '~' + std::to_string(steps[at].choice);
            }
        }
    }
    return std::string(schedule_version) + std::string(program) + ":" + checksum(program, model, text) + ":" + text;
}

inline std::vector<Step> decode(std::string_view text, std::string_view program, Model model) {
    const std::string whole(text);
    if (!text.starts_with(schedule_version)) {
        throw ScheduleError("a schedule of this version begins with '" + std::string(schedule_version) + "'; got '" +
                            whole.substr(0, 24) + "'");
    }
    text.remove_prefix(schedule_version.size());
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos)
        throw ScheduleError("the schedule '" + whole + "' lacks the ':' between fingerprint and steps");
    if (text.substr(0, colon) != program) {
        throw ScheduleError("the schedule belongs to program " + std::string(text.substr(0, colon)) +
                            ", and this is program " + std::string(program) +
                            "; replay it with the program and options that it was found with");
    }
    text.remove_prefix(colon + 1);
    const std::string_view given = text.substr(0, std::min(text.find(':'), text.size()));
    if (given.size() == text.size())
        throw ScheduleError("the schedule '" + whole + "' lacks the ':' between checksum and steps");
    text.remove_prefix(given.size() + 1);
    if (given != checksum(program, model, text)) {
        const Model other = model == Model::sc ? Model::rc11 : Model::sc;
        if (given == checksum(program, other, text)) {
            throw ScheduleError(std::string("the schedule was found under the memory model ") +
                                (other == Model::sc ? "sc" : "rc11") + "; replay it under that");
        }
        throw ScheduleError("the schedule '" + whole +
                            "' is not as it was printed: its steps do not match its checksum");
    }
    const auto number = [&text, &whole] {
        int value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc{} || value < 1 || value > 1'000'000)
            throw ScheduleError("bad number in the schedule '" + whole + "'");
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        return value;
    };
    std::vector<Step> steps;
    int worker = -1;
    while (!text.empty()) {
        const char next = text.front();
        if (next >= 'A' && next < 'A' + max_workers) {
            worker = next - 'A';
            text.remove_prefix(1);
            if (text.empty() || (text.front() >= 'A' && text.front() <= 'Z')) steps.push_back({worker, 0});
        } else if (worker < 0) {
            throw ScheduleError("the steps of the schedule '" + whole + "' do not begin with a worker, A to H");
        } else if (next == '.' && text.size() > 1) {
            text.remove_prefix(1);
        } else if (next == '~') {
            text.remove_prefix(1);
            steps.push_back({worker, number()});
        } else {
            steps.insert(steps.end(), static_cast<std::size_t>(number()), Step{worker, 0});
        }
    }
    return steps;
}

// The steps that lead to a failure: those that build its graph, and the access that failed if it is not in the graph.
// Under `sc` they are an interleaving.
inline std::vector<Step> steps_to(const Graph& graph, int workers, const Failure& failure, Model model) {
    const Linearization order(graph, workers, Linearization::all_of(graph, workers));
    std::vector<Step> steps = model == Model::sc ? order.along(Interleaving().of(graph)) : order.any();
    if (failure.fault == Fault::race) steps.push_back({failure.worker, 0});
    return steps;
}

// Walks the steps of a schedule.
class Scripted final : public Strategy {
public:
    explicit Scripted(std::vector<Step> steps) : steps_(std::move(steps)) {}
    void begin() override { at_ = 0; }
    int worker(std::span<const int> enabled, const Machine&) override {
        if (at_ >= steps_.size()) {
            choice_ = 0;
            return enabled.front();
        }
        const Step step = steps_[at_++];
        choice_ = step.choice;
        if (std::find(enabled.begin(), enabled.end(), step.worker) == enabled.end()) {
            throw ScheduleError("step " + std::to_string(at_) + " of the schedule is worker " +
                                std::string(1, static_cast<char>('A' + step.worker)) + "'s, which cannot go on there");
        }
        return step.worker;
    }
    int choice(int) override { return choice_; }
    bool is_over() const override { return at_ >= steps_.size(); }

private:
    std::vector<Step> steps_;
    std::size_t at_ = 0;
    int choice_ = 0;
};

}  // namespace explorer
