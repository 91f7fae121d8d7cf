// What the driver measures, behind one interface: the channel of the tree that it is compiled against, or the yardstick.
//
//   BENCH_MUTEX_RING   the yardstick
//   BENCH_DELAYED      the channel with a delay that can be set
//   otherwise          the channel
#pragma once

#include <array>
#include <vector>

#if defined(BENCH_MUTEX_RING)
#include "mutex_ring.hpp"
#else
#include "channel/core/buffer.hpp"
#if defined(BENCH_DELAYED)
#include "delayed.hpp"
#endif
#endif

// Each operation is reached over a call, as every caller of a channel reaches it: whether a compiler puts it into the
// driver's loops depends on its size, and moves a figure by more than a change is worth.
#define IPC_CALL [[gnu::noinline]]

namespace bench {

#if defined(BENCH_MUTEX_RING)

class Subject {
public:
    Subject(std::byte* memory, std::size_t size) : ring_(memory, size) {}

    class Worker {
    public:
        explicit Worker(Subject& subject) : ring_(subject.ring_) {}
        IPC_CALL bool write(std::span<const std::byte> message) { return ring_.write(message); }
        IPC_CALL bool read(std::byte* to, std::size_t room) { return ring_.read(to, room) >= 0; }
        IPC_CALL bool write_blocking(std::span<const std::byte> message) { return ring_.write(message); }
        IPC_CALL bool read_blocking(std::byte* to, std::size_t room) { return ring_.read(to, room) >= 0; }
        IPC_CALL bool peek(std::byte* to, std::size_t room) { return ring_.peek(to, room) >= 0; }
        IPC_CALL bool skip() { return ring_.skip(); }
        IPC_CALL std::size_t write_many(std::span<const std::byte> message, std::size_t count) {
            return ring_.write_many(message, count);
        }
        IPC_CALL std::size_t read_many(std::byte* to, std::size_t room, std::size_t count) {
            return ring_.read_many(to, room, count);
        }

    private:
        MutexRing& ring_;
    };

private:
    MutexRing ring_;
};

#else

#if defined(BENCH_DELAYED)
using Design = Delayed;
#else
using Design = ipc::Faithful;
#endif

class Subject {
public:
    Subject(std::byte* memory, std::size_t size) : block_(ipc::BufferBlock::create(memory, size, 1, "", [] {})) {}

    // One participant's view; each thread has its own.
    class Worker {
    public:
        explicit Worker(Subject& subject)
            : channel_(subject.block_->memory(), subject.block_->geometry(), ipc::Policy{}, &subject.block_->me()) {}

        IPC_CALL bool write(std::span<const std::byte> message) {
            ipc::Effort effort;
            return channel_.try_write(message, id_, effort) == ipc::Status::ok;
        }
        IPC_CALL bool read(std::byte* to, std::size_t room) {
            ipc::Effort effort;
            Room sink{to, to, to + room};
            return channel_.try_read(sink, id_, effort, hook_) == ipc::Status::ok;
        }
        // By the calls that would wait for room or for a message, and need not.
        IPC_CALL bool write_blocking(std::span<const std::byte> message) {
            ipc::Effort effort;
            return channel_.write(message, id_, ipc::never, effort, hook_) == ipc::Status::ok;
        }
        IPC_CALL bool read_blocking(std::byte* to, std::size_t room) {
            ipc::Effort effort;
            Room sink{to, to, to + room};
            return channel_.read(sink, id_, ipc::never, effort, hook_) == ipc::Status::ok;
        }
        IPC_CALL bool peek(std::byte* to, std::size_t room) {
            ipc::Effort effort;
            Room sink{to, to, to + room};
            return channel_.peek(sink, id_, effort, hook_) == ipc::Status::ok;
        }
        IPC_CALL bool skip() {  // the entry that was written or seen last
            ipc::Effort effort;
            ipc::Position seen = 0;
            return channel_.skip(id_, seen, effort) == ipc::Status::ok;
        }
        IPC_CALL std::size_t write_many(std::span<const std::byte> message, std::size_t count) {
            ipc::Effort effort;
            Repeated source{message};
            std::size_t done = 0;
            channel_.write_many(source, count, done, 0, effort, hook_);
            return done;
        }
        IPC_CALL std::size_t read_many(std::byte* to, std::size_t room, std::size_t count) {
            ipc::Effort effort;
            Room sink{to, to, to + room};
            std::size_t taken = 0;
            return channel_.try_read_many(sink, count, taken, effort) == ipc::Status::ok ? taken : 0;
        }

    private:
        struct Room {  // where payloads go, one behind the other
            std::byte* start;
            std::byte* next;
            std::byte* end;
            std::byte* reserve(ipc::u64 length, ipc::Position) {
                if (length > static_cast<ipc::u64>(end - next)) return nullptr;
                std::byte* const here = next;
                next += length;
                return here;
            }
            void restart() { next = start; }
        };
        struct Repeated {
            std::span<const std::byte> bytes;
            std::span<const std::byte> message(std::size_t) const { return bytes; }
            void accepted(std::size_t, ipc::Position) const {}
        };

        ipc::Channel<ipc::RealMemory, Design> channel_;
        ipc::DirectHook hook_;
        ipc::Position id_ = 0;
    };

private:
    std::shared_ptr<ipc::BufferBlock> block_;
};

#endif

}  // namespace bench

#undef IPC_CALL
