// A channel in a named segment: a file in /dev/shm, mapped shared.
#pragma once

#include <dirent.h>
#include <sys/random.h>

#include <string_view>

#include "channel/core/block.hpp"

namespace ipc {

class SegmentBlock final : public Block {
public:
    static constexpr const char* kDirectory = "/dev/shm/";
    static constexpr const char* kAnonymousPrefix = "ipc-channel-";

    // Creates the segment `name` (empty: a unique one is made up) and maps it. It appears under its name complete and
    // attached to, or not at all: the file has no name while it is made, so a process killed in here leaves nothing
    // behind, and sweep() never sees a segment that its creator has yet to lock.
    static std::shared_ptr<SegmentBlock> create(const std::string& name, const Geometry& geometry) {
        if (name.starts_with(kAnonymousPrefix))
            throw BlockError(BlockErrorKind::invalid, std::string("names that begin with '") + kAnonymousPrefix +
                                                          "' are those of segments without a name; got '" + name +
                                                          "'");
        if (name.empty()) sweep_once();
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
        std::shared_ptr<SegmentBlock> block = attach(std::move(file), std::move(mapping), geometry, final_name);
        if (linkat(AT_FDCWD, self.c_str(), AT_FDCWD, (kDirectory + final_name).c_str(), AT_SYMLINK_FOLLOW) != 0) {
            if (errno == EEXIST)
                throw BlockError(BlockErrorKind::exists, "a segment named '" + final_name +
                                                             "' exists; connect to it, unlink it, or choose "
                                                             "another name");
            throw BlockError::system("cannot name the segment '" + final_name + "'", errno);
        }
        return block;
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

    // Names of this user's channels that nobody is attached to. Every process that is attached holds a lock on the file,
    // from before the name appears until it exits, and the kernel answers for all process namespaces, where a pid would
    // not. What is no channel of this layout is not among them.
    static std::vector<std::string> unattached() {
        std::vector<std::string> names;
        DIR* const directory = opendir(kDirectory);
        if (directory == nullptr) return names;
        while (const dirent* const entry = readdir(directory))
            if (abandoned(std::string(kDirectory) + entry->d_name)) names.emplace_back(entry->d_name);
        closedir(directory);
        return names;
    }

    // Removes those of them that are named `prefix`PID-HEX: a creator that was killed has left them.
    static std::vector<std::string> sweep(const std::string& prefix) {
        std::vector<std::string> removed = unattached();
        std::erase_if(removed, [&](const std::string& name) { return !made_up(name, prefix) || !unlink(name); });
        return removed;
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

    // Once in a process is enough, and keeps the cost out of every later create.
    static void sweep_once() {
        static std::atomic<bool> done{false};  // no guarded static: a fork in the middle would leave its guard taken
        if (!done.exchange(true)) sweep(kAnonymousPrefix);
    }

    static bool made_up(std::string_view name, std::string_view prefix) {
        if (!name.starts_with(prefix)) return false;
        name.remove_prefix(prefix.size());
        const std::size_t dash = name.find('-');
        return dash != 0 && dash != name.npos && dash + 1 != name.size() &&
               name.find_first_not_of("0123456789") == dash &&
               name.find_first_not_of("0123456789abcdef", dash + 1) == name.npos;
    }

    // A channel of this user's, attached to by nobody. What cannot be asked is not abandoned.
    static bool abandoned(const std::string& path) {
        const FileDescriptor file(open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
        struct stat status {};
        std::array<u64, 2> constants{};
        return file.get() >= 0 && fstat(file.get(), &status) == 0 && S_ISREG(status.st_mode) &&
               status.st_uid == geteuid() &&
               pread(file.get(), constants.data(), sizeof constants, 0) == static_cast<ssize_t>(sizeof constants) &&
               constants == std::array<u64, 2>{kMagic, kLayoutVersion} && SlotLock::nobody_holds(file);
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
