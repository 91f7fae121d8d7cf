// Loops over a channel with nothing beside it: no record, no stamp, no fresh payload, no verification. They are what a
// script is compared with, and what a benchmark of the core measures.
#pragma once

#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "channel/core/channel.hpp"
#include "channel/core/real_memory.hpp"
#include "harness/native/record.hpp"
#include "harness/native/tally.hpp"

namespace harness {

class BareLoops {
public:
    using Core = ipc::Channel<ipc::RealMemory>;

    // `give_up`: no call waits beyond it.
    BareLoops(Core& channel, ipc::Nanoseconds give_up) : channel_(channel), give_up_(give_up), room_(room(channel)) {}

    // The single operations of a script, one after another. Returns the ns that they took.
    ipc::Nanoseconds script(std::span<const ScriptOperation> operations) {
        Sink sink{room_.data(), room_.size()};
        const ipc::Nanoseconds start = ipc::monotonic_now();
        for (const ScriptOperation& operation : operations) {
            ipc::Effort effort;
            ipc::Position id;
            if (operation.kind == Kind::try_write) channel_.try_write({room_.data(), operation.size}, id, effort);
            else if (operation.kind == Kind::try_read) channel_.try_read(sink, id, effort, hook_);
            else throw std::invalid_argument("a bare script has try_write and try_read only");
        }
        return ipc::monotonic_now() - start;
    }

    // Write `count` messages of `size` bytes, `batch` a call. Returns what all calls cost.
    Tally send(std::size_t count, std::size_t size, std::size_t batch) {
        const Source source{{room_.data(), size}};
        Tally all;
        for (std::size_t sent = 0; sent < count; ++all.calls) {
            if (batch == 1) {
                ipc::Position id;
                check(channel_.write(source.bytes, id, give_up_, all.effort, hook_));
                ++sent;
            } else {
                std::size_t done = 0;
                check(channel_.write_many(source, std::min(batch, count - sent), done, give_up_, all.effort, hook_));
                sent += done;
            }
        }
        return all;
    }

    // Read `count` messages, up to `batch` a call.
    Tally receive(std::size_t count, std::size_t batch) {
        Sink sink{room_.data(), room_.size()};
        Tally all;
        for (std::size_t received = 0; received < count; ++all.calls) {
            if (batch == 1) {
                ipc::Position id;
                check(channel_.read(sink, id, give_up_, all.effort, hook_));
                ++received;
            } else {
                std::size_t taken = 0;
                const std::size_t wanted = std::min(batch, count - received);
                check(channel_.read_many(sink, wanted, taken, give_up_, all.effort, hook_));
                received += taken;
            }
        }
        return all;
    }

private:
    struct Source {
        std::span<const std::byte> bytes;
        std::span<const std::byte> message(std::size_t) const { return bytes; }
        void accepted(std::size_t, ipc::Position) const {}
    };
    // All messages over one another: what is measured is the channel.
    struct Sink {
        std::byte* to;
        std::size_t room;
        std::byte* reserve(ipc::u64 length, ipc::Position) const { return length <= room ? to : nullptr; }
        void restart() const {}
    };

    static std::vector<std::byte> room(const Core& channel) {
        return std::vector<std::byte>(channel.geometry().capacity());
    }
    static void check(ipc::Status status) {
        if (status == ipc::Status::ok) return;
        throw std::runtime_error("a call of the benchmark did not succeed: status " +
                                 std::to_string(static_cast<unsigned>(status)));
    }

    Core& channel_;
    ipc::Nanoseconds give_up_;
    ipc::DirectHook hook_;
    std::vector<std::byte> room_;
};

}  // namespace harness
