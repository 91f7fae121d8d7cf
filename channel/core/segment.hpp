// A channel in a named segment: a file in /dev/shm, mapped shared.
#pragma once

#include <sys/random.h>

#include "channel/core/block.hpp"

namespace ipc {

class SegmentBlock final : public Block {
public:
    static constexpr const char* kDirectory = "/dev/shm/";
    static constexpr const char* kAnonymousPrefix = "ipc-channel-";

    // Creates the segment `name` (empty: a unique one is made up) and maps it. It appears under its name complete, or
    // not at all: the file has no name while it is made, so a process killed in here leaves nothing behind.
    static std::shared_ptr<SegmentBlock> create(const std::string& name, const Geometry& geometry) {
        const std::string final_name = name.empty() ? anonymous_name() : checked(name);
        FileDescriptor file(open(kDirectory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
        if (file.get() < 0) throw BlockError::system("cannot make a file in /dev/shm", errno);
        // posix_fallocate, or a full /dev/shm would be a SIGBUS later
        if (const int error = posix_fallocate(file.get(), 0, static_cast<off_t>(geometry.block_bytes())); error != 0)
            throw BlockError::system("/dev/shm has no room for " + std::to_string(geometry.block_bytes()) + " bytes",
                                     error);
        Mapping mapping(file, geometry.block_bytes());
        format(mapping.base(), geometry);
        const std::string self = "/proc/self/fd/" + std::to_string(file.get());
        if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, (kDirectory + final_name).c_str(), AT_SYMLINK_FOLLOW) != 0) {
            if (errno == EEXIST)
                throw BlockError(BlockErrorKind::exists, "a segment named '" + final_name +
                                                             "' exists; connect to it, unlink it, or choose "
                                                             "another name");
            throw BlockError::system("cannot name the segment '" + final_name + "'", errno);
        }
        try {
            return attach(std::move(file), std::move(mapping), geometry, final_name);
        } catch (...) {
            unlink(final_name);
            throw;
        }
    }

    static std::shared_ptr<SegmentBlock> connect(const std::string& name) {
        const std::string path = kDirectory + checked(name);
        FileDescriptor file(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
        if (file.get() < 0) {
            if (errno == ENOENT)
                throw BlockError(BlockErrorKind::not_found, "there is no segment named '" + name + "'");
            throw BlockError::system("cannot open the segment '" + name + "'", errno);
        }
        struct stat status {};
        std::array<u64, 5> constants{};
        if (fstat(file.get(), &status) != 0) throw BlockError::system("cannot look at the segment '" + name + "'", errno);
        if (!S_ISREG(status.st_mode) ||
            pread(file.get(), constants.data(), sizeof constants, 0) != static_cast<ssize_t>(sizeof constants))
            throw BlockError(BlockErrorKind::foreign, "the segment '" + name + "' holds no channel");
        const Geometry geometry =
            validated(constants, static_cast<u64>(status.st_size), "the segment '" + name + "'");
        {
            const std::lock_guard guard(attached_mutex());
            if (auto found = find({status.st_dev, status.st_ino})) return found;
        }
        Mapping mapping(file, geometry.block_bytes());
        return attach(std::move(file), std::move(mapping), geometry, name);
    }

    // Removes the name; who is attached stays attached. False if there was no such name.
    static bool unlink(const std::string& name) {
        if (::unlink((kDirectory + checked(name)).c_str()) == 0) return true;
        if (errno == ENOENT) return false;
        throw BlockError::system("cannot unlink the segment '" + name + "'", errno);
    }

    ~SegmentBlock() override {
        stop_following_forks();
        leave();
    }

    const Liveness* liveness() const override { return lock_.get(); }
    bool crash_safe() const override { return true; }
    const std::string& name() const override { return name_; }

private:
    using Key = std::pair<dev_t, ino_t>;

    class Mapping {
    public:
        Mapping(const FileDescriptor& file, u64 size) : size_(size) {
            void* const at = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
            if (at == MAP_FAILED) throw BlockError::system("cannot map " + std::to_string(size) + " bytes", errno);
            base_ = static_cast<std::byte*>(at);
        }
        Mapping(Mapping&& other) noexcept : base_(std::exchange(other.base_, nullptr)), size_(other.size_) {}
        ~Mapping() {
            if (base_ != nullptr) munmap(base_, size_);
        }
        std::byte* base() const { return base_; }

    private:
        std::byte* base_;
        u64 size_;
    };

    SegmentBlock(FileDescriptor file, Mapping mapping, const Geometry& geometry, const std::string& name)
        : mapping_(std::move(mapping)),
          lock_(std::make_unique<SlotLock>(std::move(file), geometry.participants())),
          name_(name) {
        base_ = mapping_.base();
        geometry_ = geometry;
        enter(lock_->slot());
        follow_forks();
    }

    void after_fork_in_child() override {
        me_.store(0, std::memory_order_relaxed);
        slot_ = SlotLock::kNoSlot;
        lock_->after_fork_in_child();
        if (lock_->slot() != SlotLock::kNoSlot) enter(lock_->slot());
    }

    // One registration per process and segment.
    static std::shared_ptr<SegmentBlock> attach(FileDescriptor file, Mapping mapping, const Geometry& geometry,
                                                const std::string& name) {
        struct stat status {};
        if (fstat(file.get(), &status) != 0) throw BlockError::system("cannot look at the segment", errno);
        const Key key{status.st_dev, status.st_ino};
        const std::lock_guard guard(attached_mutex());
        if (auto found = find(key)) return found;
        std::shared_ptr<SegmentBlock> block(
            new SegmentBlock(std::move(file), std::move(mapping), geometry, name));
        attached()[key] = block;
        return block;
    }

    static std::shared_ptr<SegmentBlock> find(const Key& key) {
        std::erase_if(attached(), [](const auto& entry) { return entry.second.expired(); });
        const auto found = attached().find(key);
        return found == attached().end() ? nullptr : found->second.lock();
    }
    static std::mutex& attached_mutex() {
        static std::mutex mutex;
        return mutex;
    }
    static std::map<Key, std::weak_ptr<SegmentBlock>>& attached() {
        static std::map<Key, std::weak_ptr<SegmentBlock>> blocks;
        return blocks;
    }

    static std::string checked(const std::string& name) {
        if (name.empty() || name.size() > 200 || name.find('/') != std::string::npos ||
            name.find('\0') != std::string::npos || name == "." || name == "..")
            throw BlockError(BlockErrorKind::invalid,
                             "a segment name has 1 to 200 bytes and no '/'; got '" + name + "'");
        return name;
    }

    static std::string anonymous_name() {
        std::uint64_t random = 0;
        if (getrandom(&random, sizeof random, 0) != sizeof random) throw BlockError::system("getrandom", errno);
        char text[64];
        std::snprintf(text, sizeof text, "%s%d-%016lx", kAnonymousPrefix, static_cast<int>(getpid()), random);
        return text;
    }

    Mapping mapping_;
    std::unique_ptr<SlotLock> lock_;
    std::string name_;
};

}  // namespace ipc
