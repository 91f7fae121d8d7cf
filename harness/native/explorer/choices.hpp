// A walk whose choices are bytes, drawn by somebody who makes them smaller: a zero is the simplest choice, and where the
// bytes end there are only zeros.
//
// Each step takes one byte: 0, the worker that went last goes on, or the leftmost if it cannot; n, the n-th of the others
// does. A step that could be made in several ways takes another: 0 is the newest store, and no time-out.
#pragma once

#include <string>

#include "walk.hpp"

namespace explorer {

class Choices final : public Strategy {
public:
    explicit Choices(std::string bytes) : bytes_(std::move(bytes)) {}
    void begin() override {
        at_ = 0;
        last_ = -1;
    }
    int worker(std::span<const int> enabled, const Machine&) override {
        std::size_t chosen = 0;
        while (chosen < enabled.size() && enabled[chosen] != last_) ++chosen;
        const bool goes_on = chosen < enabled.size();
        if (!goes_on) chosen = 0;
        if (enabled.size() > 1) {
            const std::size_t byte = next();
            // the others in their order, after the one that zero stands for
            const std::size_t rank = byte % enabled.size();
            if (rank > 0) chosen = rank <= chosen ? rank - 1 : rank;
        }
        last_ = enabled[chosen];
        return last_;
    }
    int choice(int count) override { return static_cast<int>(next() % static_cast<std::size_t>(count)); }

private:
    std::size_t next() { return at_ < bytes_.size() ? static_cast<unsigned char>(bytes_[at_++]) : 0; }

    std::string bytes_;
    std::size_t at_ = 0;
    int last_ = -1;
};

}  // namespace explorer
