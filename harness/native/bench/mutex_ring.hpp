// The yardstick: a bounded FIFO of byte messages guarded by one robust, process-shared mutex.
//
// What one would write without thinking about it, and correct: pthread_mutex_t with PTHREAD_MUTEX_ROBUST (POSIX.1-2008),
// messages with a length in front in a ring. Where no reference revision is at hand, the gate compares the channel with
// this in the same run, because a ratio travels between machines and a time does not.
#pragma once

#include <pthread.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>

namespace bench {

class MutexRing {
public:
    static std::size_t header_bytes() { return sizeof(Control); }

    // In memory that starts at a multiple of 64; what is beyond the control block is the ring.
    MutexRing(std::byte* memory, std::size_t size)
        : control_(new (memory) Control{}), ring_(memory + sizeof(Control)), capacity_(size - sizeof(Control)) {
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
        pthread_mutex_init(&control_->mutex, &attributes);
        pthread_mutexattr_destroy(&attributes);
    }
    ~MutexRing() { pthread_mutex_destroy(&control_->mutex); }
    MutexRing(const MutexRing&) = delete;
    MutexRing& operator=(const MutexRing&) = delete;

    bool write(std::span<const std::byte> message) {
        const Guard guard(control_);
        return put(message);
    }
    // How many of `count` equal messages were written under one lock.
    std::size_t write_many(std::span<const std::byte> message, std::size_t count) {
        const Guard guard(control_);
        std::size_t done = 0;
        while (done < count && put(message)) ++done;
        return done;
    }

    // Bytes of the message that was read, or -1 if there was none.
    std::ptrdiff_t read(std::byte* to, std::size_t room) {
        const Guard guard(control_);
        return take(to, room);
    }
    std::size_t read_many(std::byte* to, std::size_t room, std::size_t count) {
        const Guard guard(control_);
        std::size_t done = 0;
        while (done < count) {
            const std::ptrdiff_t size = take(to, room);
            if (size < 0) break;
            to += size;
            room -= static_cast<std::size_t>(size);
            ++done;
        }
        return done;
    }
    std::ptrdiff_t peek(std::byte* to, std::size_t room) {
        const Guard guard(control_);
        const std::uint64_t head = control_->head;
        const std::ptrdiff_t size = take(to, room);
        control_->head = head;
        return size;
    }
    bool skip() {
        const Guard guard(control_);
        return take(nullptr, SIZE_MAX) >= 0;
    }

private:
    struct alignas(64) Control {
        pthread_mutex_t mutex;
        std::uint64_t head = 0, tail = 0;  // bytes ever read and written
    };

    class Guard {
    public:
        explicit Guard(Control* control) : control_(control) {
            // A holder that died left head and tail as they were before its call, or as they are after it.
            if (pthread_mutex_lock(&control_->mutex) == EOWNERDEAD) pthread_mutex_consistent(&control_->mutex);
        }
        ~Guard() { pthread_mutex_unlock(&control_->mutex); }
        Guard(const Guard&) = delete;
        Guard& operator=(const Guard&) = delete;

    private:
        Control* control_;
    };

    static std::uint64_t entry_bytes(std::uint64_t length) { return (sizeof length + length + 15) / 16 * 16; }

    bool put(std::span<const std::byte> message) {
        const std::uint64_t length = message.size();
        if (control_->tail - control_->head + entry_bytes(length) > capacity_) return false;
        copy_in(control_->tail, reinterpret_cast<const std::byte*>(&length), sizeof length);
        copy_in(control_->tail + sizeof length, message.data(), message.size());
        control_->tail += entry_bytes(length);
        return true;
    }

    std::ptrdiff_t take(std::byte* to, std::size_t room) {
        if (control_->head == control_->tail) return -1;
        std::uint64_t length = 0;
        copy_out(reinterpret_cast<std::byte*>(&length), control_->head, sizeof length);
        if (length > room) return -1;
        if (to != nullptr) copy_out(to, control_->head + sizeof length, length);
        control_->head += entry_bytes(length);
        return static_cast<std::ptrdiff_t>(length);
    }

    void copy_in(std::uint64_t position, const std::byte* from, std::size_t size) {
        const std::size_t at = position % capacity_, first = size < capacity_ - at ? size : capacity_ - at;
        std::memcpy(ring_ + at, from, first);
        std::memcpy(ring_, from + first, size - first);
    }
    void copy_out(std::byte* to, std::uint64_t position, std::size_t size) const {
        const std::size_t at = position % capacity_, first = size < capacity_ - at ? size : capacity_ - at;
        std::memcpy(to, ring_ + at, first);
        std::memcpy(to + first, ring_, size - first);
    }

    Control* control_;
    std::byte* ring_;
    std::size_t capacity_;
};

}  // namespace bench
