// An access that a worker is about to make, as the driver sees it.
#pragma once

#include <source_location>
#include <string>

#include "event.hpp"

namespace explorer {

// "channel.hpp:123"
inline std::string place_of(std::source_location where) {
    const std::string file = where.file_name();
    return file.substr(file.rfind('/') + 1) + ":" + std::to_string(where.line());
}

struct Operation {
    Kind kind = Kind::read;
    Order order = Order::relaxed;    // of a read-modify-write: when it succeeds
    Order failure = Order::relaxed;  // compare_exchange: when it fails
    Update update = Update::none;
    bool exclusive = false;  // the second half of a read-modify-write
    bool weak = false;
    bool message = false;  // the value is the identity of a message: for whoever shows it
    Location location = no_location;
    Word value = 0;     // write: what to store; choice: how many there are
    Word expected = 0;  // compare_exchange
    std::source_location where;

    Event event() const {
        Event event;
        event.kind = kind;
        event.order = order;
        event.success = order;
        event.failure = failure;
        event.update = update;
        event.exclusive = exclusive;
        event.weak = weak;
        event.location = location;
        event.value = kind == Kind::choice ? 0 : value;
        event.expected = expected;
        return event;
    }
};

}  // namespace explorer
