// A channel in memory of the caller's.
//
// Private memory has only threads of one process, which cannot be killed alone: there is nothing to recover, and a child
// of fork() has a copy, which it must not take for the channel. Shared memory is recovered only if the caller names a
// file whose bytes can be locked; else a writer killed inside blocks the others, and crash_safe() says so.
#pragma once

#include <functional>
#include <utility>

#include "channel/core/block.hpp"

namespace ipc {

class BufferBlock final : public Block {
public:
    // `release` is called once nobody uses the memory any more.
    static std::shared_ptr<BufferBlock> create(std::byte* base, u64 size, unsigned participants,
                                               const std::string& lock_file, std::function<void()> release) {
        check_alignment(base);
        const u64 capacity = capacity_for(size, participants);
        if (capacity == 0)
            throw BlockError(BlockErrorKind::invalid,
                             "a buffer of " + std::to_string(size) + " bytes is too small; the least for " +
                                 std::to_string(participants) + " participants is " +
                                 std::to_string(Geometry(kMinCapacity, participants).block_bytes()));
        const Geometry geometry(capacity, participants);
        std::unique_ptr<SlotLock> lock = open_lock(lock_file, participants);
        std::memset(base, 0, geometry.block_bytes());
        format(base, geometry);
        return attach(base, geometry, std::move(lock), std::move(release));
    }

    static std::shared_ptr<BufferBlock> connect(std::byte* base, u64 size, const std::string& lock_file,
                                                std::function<void()> release) {
        check_alignment(base);
        std::array<u64, 5> constants{};
        if (size < sizeof constants) throw BlockError(BlockErrorKind::foreign, "the buffer holds no channel");
        RealMemory(base, nullptr).copy_out(reinterpret_cast<std::byte*>(constants.data()), 0, sizeof constants);
        const Geometry geometry = validated(constants, size, "the buffer");
        return attach(base, geometry, open_lock(lock_file, geometry.participants()), std::move(release));
    }

    ~BufferBlock() override {
        stop_following_forks();
        leave();
        release_();
    }

    const Liveness* liveness() const override { return lock_.get(); }
    bool crash_safe() const override { return lock_ != nullptr || !shared_; }
    const std::string& name() const override { return name_; }

private:
    BufferBlock(std::byte* base, const Geometry& geometry, std::unique_ptr<SlotLock> lock,
                std::function<void()> release)
        : lock_(std::move(lock)), release_(std::move(release)), shared_(is_shared_mapping(base)) {
        base_ = base;
        geometry_ = geometry;
        enter(lock_ ? lock_->slot() : claim_slot());
        follow_forks();
    }

    static std::shared_ptr<BufferBlock> attach(std::byte* base, const Geometry& geometry,
                                               std::unique_ptr<SlotLock> lock, std::function<void()> release) {
        return std::shared_ptr<BufferBlock>(
            new BufferBlock(base, geometry, std::move(lock), std::move(release)));
    }

    // Without a lock a slot is only a place for counters. None free: the participant is not counted.
    unsigned claim_slot() {
        for (unsigned slot = 0; slot < geometry_.participants(); ++slot) {
            u64 nobody = 0;
            if (word(geometry_.participant_at(slot) + participant::generation).compare_exchange_strong(nobody, ~u64{0}))
                return slot;
        }
        return SlotLock::kNoSlot;
    }

    void after_fork_in_child() override {
        me_.store(0, std::memory_order_relaxed);
        slot_ = SlotLock::kNoSlot;
        if (!shared_) return;
        if (lock_) {
            lock_->after_fork_in_child();
            if (lock_->slot() != SlotLock::kNoSlot) enter(lock_->slot());
        } else {
            enter(claim_slot());
        }
    }

    static void check_alignment(const std::byte* base) {
        if (reinterpret_cast<std::uintptr_t>(base) % 8 != 0)
            throw BlockError(BlockErrorKind::invalid, "the buffer must start at a multiple of 8 bytes");
    }

    static std::unique_ptr<SlotLock> open_lock(const std::string& path, unsigned participants) {
        if (path.empty()) return nullptr;
        FileDescriptor file(open(path.c_str(), O_RDWR | O_CLOEXEC));
        if (file.get() < 0) throw BlockError::system("cannot open the lock file '" + path + "'", errno);
        return std::make_unique<SlotLock>(std::move(file), participants);
    }

    static bool is_shared_mapping(const std::byte* address) {
        const auto wanted = reinterpret_cast<std::uintptr_t>(address);
        std::FILE* const maps = std::fopen("/proc/self/maps", "re");
        if (maps == nullptr) return false;
        bool shared = false;
        char line[512];
        while (std::fgets(line, sizeof line, maps) != nullptr) {
            unsigned long from = 0, to = 0;
            char permissions[5] = {};
            if (std::sscanf(line, "%lx-%lx %4s", &from, &to, permissions) == 3 && from <= wanted && wanted < to) {
                shared = permissions[3] == 's';
                break;
            }
        }
        std::fclose(maps);
        return shared;
    }

    std::unique_ptr<SlotLock> lock_;
    std::function<void()> release_;
    std::string name_;
    bool shared_;
};

}  // namespace ipc
