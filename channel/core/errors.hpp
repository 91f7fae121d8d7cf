// What can go wrong before a channel exists. What an operation answers is a Status.
#pragma once

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace ipc {

enum class BlockErrorKind {
    exists,       // a live segment of that name
    not_found,    // no segment of that name
    foreign,      // not a channel, or one of another layout version
    invalid,      // a parameter that breaks a rule
    no_slot,      // all participants' slots are taken
    system,       // the kernel refused; error_number says why
};

class BlockError : public std::runtime_error {
public:
    BlockError(BlockErrorKind kind, const std::string& message, int error_number = 0)
        : std::runtime_error(message), kind_(kind), error_number_(error_number) {}
    static BlockError system(const std::string& what, int error_number) {
        return {BlockErrorKind::system, what + ": " + std::strerror(error_number), error_number};
    }
    BlockErrorKind kind() const { return kind_; }
    int error_number() const { return error_number_; }

private:
    BlockErrorKind kind_;
    int error_number_;
};

}  // namespace ipc
