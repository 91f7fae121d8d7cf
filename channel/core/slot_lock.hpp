// Who holds a participant's slot, decided by the kernel: a write lock on byte `slot` of a file, owned by the open file
// description (fcntl F_OFD_SETLK, Linux 3.15), which the kernel drops when the last descriptor of it is gone: at exit,
// however that came.
//
// Not F_SETLK: any close() of the file anywhere in the process would drop it, and a live writer would be taken for dead.
// Not kill(pid, 0): it succeeds on a zombie. The question is asked through a second open file description that holds
// nothing, because the one that holds a lock sees its own byte as free.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "channel/core/errors.hpp"
#include "channel/core/real_memory.hpp"

namespace ipc {

class FileDescriptor {
public:
    FileDescriptor() = default;
    explicit FileDescriptor(int fd) : fd_(fd) {}
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~FileDescriptor() {
        if (fd_ >= 0) close(fd_);
    }
    int get() const { return fd_; }
    // A new open file description of the same file, which may have no name any more.
    FileDescriptor reopen() const {
        char path[32];
        std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd_);
        return FileDescriptor(open(path, O_RDWR | O_CLOEXEC));
    }

private:
    int fd_ = -1;
};

class SlotLock final : public Liveness {
public:
    static constexpr unsigned kNoSlot = 0xfff;

    // Takes the first free slot of `participants`.
    SlotLock(FileDescriptor file, unsigned participants) : holder_(std::move(file)), participants_(participants) {
        asker_ = holder_.reopen();
        if (asker_.get() < 0) throw BlockError::system("cannot reopen the lock file", errno);
        acquire();
        if (error_ != 0) throw BlockError::system("cannot lock a participant slot", error_);
        if (slot_ == kNoSlot)
            throw BlockError(BlockErrorKind::no_slot, "all " + std::to_string(participants_) +
                                                          " participant slots are taken; create the channel with a "
                                                          "larger participants=");
    }

    unsigned slot() const { return slot_; }

    bool alive(unsigned slot) const override {
        struct flock query = byte_lock(slot);
        if (fcntl(asker_.get(), F_OFD_GETLK, &query) != 0) return true;  // unknown is not dead
        return query.l_type != F_UNLCK;
    }

    // Is no slot of this file taken? Asked through a description that holds none; unknown is not free.
    static bool nobody_holds(const FileDescriptor& asker) {
        struct flock query = byte_lock(0);
        query.l_len = 0;  // to the end of the file, wherever that is
        return fcntl(asker.get(), F_OFD_GETLK, &query) == 0 && query.l_type == F_UNLCK;
    }

    // In the child of a fork: the inherited description would keep a dead parent alive, so it is closed and a slot of
    // the child's own is taken. No slot left: slot() is kNoSlot, and the channel refuses to write.
    void after_fork_in_child() noexcept {
        FileDescriptor fresh = asker_.reopen();
        holder_ = std::move(fresh);
        FileDescriptor inherited = std::move(fresh);
        asker_ = holder_.reopen();
        if (asker_.get() >= 0) acquire();
        else slot_ = kNoSlot;  // no descriptor left: nobody could be asked after, so take no part
    }

private:
    static struct flock byte_lock(unsigned slot) {
        struct flock lock {};
        lock.l_type = F_WRLCK;
        lock.l_whence = SEEK_SET;
        lock.l_start = slot;
        lock.l_len = 1;
        return lock;
    }

    // A fork handler must not throw, so a failure is left in error_.
    void acquire() noexcept {
        slot_ = kNoSlot;
        for (unsigned slot = 0; slot < participants_; ++slot) {
            struct flock lock = byte_lock(slot);
            if (fcntl(holder_.get(), F_OFD_SETLK, &lock) == 0) {
                slot_ = slot;
                return;
            }
            if (errno != EAGAIN && errno != EACCES) {
                error_ = errno;
                return;
            }
        }
    }

    FileDescriptor holder_;
    FileDescriptor asker_;
    unsigned participants_;
    unsigned slot_ = kNoSlot;
    int error_ = 0;  // why acquire() stopped early
};

}  // namespace ipc
