// How many executions has a program that is too large to go through?
//
// Knuth, Estimating the efficiency of backtrack programs (Mathematics of Computation 29, 1975): walk from the root of
// the tree of alternatives to a leaf, choosing among the children of each node at random; what was met, each weighted by
// the inverse of the chance to meet it, is an unbiased estimate of the size of the tree. A single such path misses the
// few children with most of the leaves below them, so that the mean of many is far too low nearly always, and rarely
// much too high. So a probe here is a whole front of nodes: of all children of a front, a random part as large as the
// front may be becomes the next (stochastic enumeration; Vaisman, Kroese, Stochastic enumeration method for counting
// trees, Methodology and Computing in Applied Probability 19, 2017). It is as unbiased, and exact while the front is
// whole.
//
// The tree is the exhaustive driver's own, so that what is estimated is what that driver would count.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include "exhaustive.hpp"
#include "random.hpp"

namespace explorer {

// Of executions, however they end, as a budget of them counts.
struct Estimate {
    double mean = 0;    // of all probes: unbiased, and of a large program in the hands of a few of them
    double median = 0;  // of all probes: too low rather than too high, and steady
    double lowest = 0;
    double highest = 0;
    double error = 0;  // standard error of the mean
    std::uint64_t probes = 0;
    std::size_t width = 0;   // nodes in a front of theirs, at most
    std::uint64_t runs = 0;  // of the machine, for all probes together
    bool exact = false;      // every front was whole: the number itself
};

class Prober final : public Exhaustive {
public:
    // `width`: nodes in a front, at most.
    Prober(Program& program, ExhaustiveOptions options, std::uint64_t seed, std::size_t width)
        : Exhaustive(program, options), random_(seed), widest_(width) {}

    // As many probes as the time allows, and as wide. Narrow ones first: while there is time for one of `wider` times the
    // width, which takes about so many times as long, it replaces those before. One that takes twice the time of all is
    // given up, the first after some more; interrupted: what the probes before say; without one, nothing.
    Estimate estimate(std::uint64_t most, double seconds) {
        Estimate result;
        std::vector<double> sizes;
        const auto start = std::chrono::steady_clock::now();
        const auto taken = [start] {
            return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        };
        const auto stop = [&] { return is_over() || taken() > (sizes.empty() ? patience : 2) * seconds; };
        std::size_t width = std::min(widest_, narrowest);
        while (sizes.size() < most && !result.exact) {
            const double before = taken();
            width_ = width;
            const double size = probe(stop);
            if (stop()) break;
            if (width != result.width) sizes.clear();
            result.width = width;
            sizes.push_back(size);
            result.exact = whole_;
            const double cost = taken() - before;
            const double left = seconds - taken();
            if (width < widest_ && wider * cost < left)
                width = std::min(widest_, width * wider);
            else if (left < cost && (sizes.size() >= 2 || left < 0))
                break;
        }
        if (sizes.empty()) return result;
        std::sort(sizes.begin(), sizes.end());
        const auto probes = static_cast<double>(sizes.size());
        result.lowest = sizes.front();
        result.highest = sizes.back();
        result.median = (sizes[(sizes.size() - 1) / 2] + sizes[sizes.size() / 2]) / 2;
        result.mean = std::accumulate(sizes.begin(), sizes.end(), 0.0) / probes;
        double squares = 0;
        for (const double size : sizes) squares += (size - result.mean) * (size - result.mean);
        if (sizes.size() > 1) result.error = std::sqrt(squares / probes / (probes - 1));
        result.probes = sizes.size();
        result.runs = counts_.runs;
        return result;
    }

private:
    // A graph, and what is to be done with a prefix of it; without a graph, the root of the tree.
    struct Node {
        std::shared_ptr<const Graph> graph;
        Alternative alternative;
    };

    // False: what it leads to is inconsistent, and nothing is left of it.
    bool visit(const Node& node) {
        begin();
        if (!node.graph) return true;
        graphs_.front() = *node.graph;
        alternatives_.push_back(node.alternative);
        alternatives_.back().graph = 0;
        return next();
    }

    // To be given up, and its size worth nothing, when `stop` says so.
    template <class Stop>
    double probe(Stop&& stop) {
        std::vector<Node> front(1);
        double weight = 1;
        double size = 0;
        whole_ = true;
        while (!front.empty()) {
            std::vector<Node> below;
            int children = 0;
            for (const Node& node : front) {
                if (stop()) return size;
                if (!visit(node)) continue;
                const std::uint64_t before = counts_.visited();
                run();
                size += weight * static_cast<double>(counts_.visited() - before);
                keep_some(below, children);
            }
            if (children > static_cast<int>(below.size())) {
                whole_ = false;
                weight *= static_cast<double>(children) / static_cast<double>(below.size());
            }
            front = std::move(below);
        }
        return size;
    }

    // Of the alternatives that are left, a fair share for the next front: reservoir sampling (Vitter 1985, algorithm R).
    void keep_some(std::vector<Node>& below, int& children) {
        std::vector<std::shared_ptr<const Graph>> copies(live_);
        for (const Alternative& alternative : alternatives_) {
            ++children;
            std::size_t place = below.size();
            if (place == width_) {
                place = static_cast<std::size_t>(random_.below(children));
                if (place >= width_) continue;
            } else {
                below.emplace_back();
            }
            auto& copy = copies[alternative.graph];
            if (!copy) copy = std::make_shared<const Graph>(graphs_[alternative.graph]);
            below[place] = {copy, alternative};
        }
    }

    static constexpr std::size_t narrowest = 32;
    static constexpr std::size_t wider = 3;
    static constexpr double patience = 5;

    Random random_;
    std::size_t widest_;
    std::size_t width_ = 1;
    bool whole_ = true;
};

}  // namespace explorer
