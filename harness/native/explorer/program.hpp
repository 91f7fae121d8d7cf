// What is explored: named shared locations with their initial values, and what each worker does with them.
//
// Locations are declared while the structure under test is constructed (atomic.hpp does that) and keep their numbers
// and names in every execution. A worker's body is called again for every execution and must do the same whenever its
// reads return the same: the machine relies on it and checks a sample.
#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "event.hpp"

namespace explorer {

inline std::string worker_name(int worker) {
    return std::string("worker ") + static_cast<char>('A' + worker);
}

class Program {
public:
    std::vector<std::function<void()>> workers;
    std::function<std::string(int)> doing;  // what a worker is at, for people: "its call 2, try_read"; may be empty

    std::string describe_worker(int worker) const {
        std::string text = worker_name(worker);
        if (doing) {
            if (const std::string at = doing(worker); !at.empty()) text += " in " + at + ",";
        }
        return text;
    }

    Location declare(Word initial, std::string name) {
        if (initial_.size() >= no_location) throw std::length_error("a program has at most 65,535 shared locations");
        if (name.empty()) name = "x" + std::to_string(initial_.size());
        initial_.push_back(initial);
        names_.push_back(std::move(name));
        return static_cast<Location>(initial_.size() - 1);
    }
    std::size_t locations() const { return initial_.size(); }
    Word initial(Location location) const { return initial_[location]; }
    void set_initial(Location location, Word value) { initial_[location] = value; }
    const std::string& name(Location location) const { return names_[location]; }

private:
    std::vector<Word> initial_;
    std::vector<std::string> names_;
};

}  // namespace explorer
