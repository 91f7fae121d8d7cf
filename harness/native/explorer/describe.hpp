// A graph as text: the same for two graphs exactly if they are the same execution.
//
// Workers are separated by '|', events by ' '. R0=1<1.0 reads 1 at location 0 from the first event of worker 1; W0=1@2
// writes, second in modification order; a U is the write of a read-modify-write; F a fence; C a choice.
#pragma once

#include <string>

#include "graph.hpp"

namespace explorer {

inline std::string describe(const Graph& graph, int workers) {
    std::string text;
    for (int worker = 0; worker < workers; ++worker) {
        if (worker > 0) text += " |";
        for (int index = 0; index < graph.size(worker); ++index) {
            const Event& event = graph[{static_cast<std::int16_t>(worker), static_cast<std::int16_t>(index)}];
            if (!text.empty()) text += ' ';
            if (event.kind == Kind::fence) {
                text += 'F';
                continue;
            }
            if (event.kind == Kind::choice) {
                text.append("C=").append(std::to_string(event.value));
                continue;
            }
            text += event.is_read() ? 'R' : event.exclusive ? 'U' : 'W';
            text.append(std::to_string(event.location)).append(1, '=').append(std::to_string(event.value));
            if (event.is_write()) {
                text.append(1, '@').append(std::to_string(event.position));
            } else if (event.source.is_initial()) {
                text += "<init";
            } else {
                text.append(1, '<').append(std::to_string(event.source.worker));
                text.append(1, '.').append(std::to_string(event.source.index));
            }
            if (event.spurious) text += '!';
        }
    }
    return text;
}

}  // namespace explorer
