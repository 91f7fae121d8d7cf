// The memory that the workers of a run and their executor share: a barrier, a deadline, and for each worker its script,
// its records and how far it is.
//
// It is a file without a name (memfd), mapped shared: a child that is killed leaves its records behind, and nothing has
// to be removed whoever dies. Pages that nobody touches cost nothing, so the room for records may be generous.
//
//   RunControl | WorkerControl[workers] | scripts | records, each worker's on pages of its own
#pragma once

#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "channel/core/real_memory.hpp"
#include "harness/native/record.hpp"

namespace harness {

enum class Phase : std::uint32_t {
    created,   // no worker has come yet
    arrived,   // at the start barrier
    running,
    finished,  // its script is over
    cut,       // it stopped before; the reason says why
};

enum class Reason : std::uint32_t {
    none,
    deadline,      // the run's deadline passed
    stopped,       // the executor asked it to stop
    records_full,  // no room for another record
    corrupted,     // the channel answered CORRUPTED
    error,         // the system under test raised something that is no answer
};

// Whether the stream has ended: no writer will write any more.
enum class Stream : std::uint32_t {
    open,
    shut_down,  // the channel was shut down and tells its readers so
    abandoned,  // it could not be: a reader ends when it finds nothing
};

struct RunControl {
    static constexpr u64 kMagic = 0x314e5552'4e524148;  // "HARNRUN1"
    u64 magic;
    u64 bytes;
    std::uint32_t workers;
    alignas(64) std::atomic<std::uint32_t> arrived;  // futex word
    alignas(64) std::atomic<std::uint32_t> go;       // futex word
    std::atomic<Nanoseconds> start;
    std::atomic<Nanoseconds> deadline;
    alignas(64) std::atomic<std::uint32_t> stop;
    std::atomic<std::uint32_t> stream;
    alignas(64) std::atomic<std::uint32_t> ended;    // workers that ended; futex word
};

struct alignas(128) WorkerControl {
    std::atomic<std::uint32_t> phase;
    std::atomic<std::uint32_t> reason;
    std::atomic<u64> completed;       // calls that returned
    std::atomic<u64> used;            // records written
    u64 script, operations;           // offset, number
    u64 records, capacity;            // offset, number
    u64 expected;                     // records that are probably written
    u64 kill_after, kill_step;        // kill before that access of the call after that many; kNoKill
    u64 noise, noise_seed;            // one access in so many is held up; 0: none
    static constexpr u64 kNoKill = ~u64{0};
};

static_assert(std::atomic<u64>::is_always_lock_free && std::atomic<std::uint32_t>::is_always_lock_free);

class RunMemory {
public:
    struct Worker {
        std::span<const ScriptOperation> script;
        u64 records;   // room
        u64 expected;  // of which so many are probably used
    };

    static RunMemory create(const std::vector<Worker>& workers) {
        u64 at = round_to_page(sizeof(RunControl) + workers.size() * sizeof(WorkerControl));
        std::vector<WorkerControl> controls(workers.size());
        for (std::size_t i = 0; i < workers.size(); ++i) {
            controls[i].kill_after = WorkerControl::kNoKill;
            controls[i].script = at;
            controls[i].operations = workers[i].script.size();
            at += round_to_page(workers[i].script.size_bytes());
        }
        for (std::size_t i = 0; i < workers.size(); ++i) {
            controls[i].records = at;
            controls[i].capacity = workers[i].records;
            controls[i].expected = std::min(workers[i].expected, workers[i].records);
            at += round_to_page(workers[i].records * sizeof(OperationRecord));
        }
        const int fd = memfd_create("harness-run", MFD_CLOEXEC);
        if (fd < 0) throw failure("memfd_create");
        RunMemory run(fd);
        if (ftruncate(fd, static_cast<off_t>(at)) != 0) throw failure("cannot size the memory of the run");
        run.map(at);
        RunControl& control = run.control();
        control.bytes = at;
        control.workers = static_cast<std::uint32_t>(workers.size());
        for (std::size_t i = 0; i < workers.size(); ++i) {
            WorkerControl& worker = run.worker(i);
            worker.script = controls[i].script;
            worker.operations = controls[i].operations;
            worker.records = controls[i].records;
            worker.capacity = controls[i].capacity;
            worker.expected = controls[i].expected;
            worker.kill_after = controls[i].kill_after;
            if (!workers[i].script.empty())
                std::memcpy(run.base_ + worker.script, workers[i].script.data(), workers[i].script.size_bytes());
        }
        control.magic = RunControl::kMagic;
        return run;
    }

    // Maps what another process created; takes over the descriptor.
    static RunMemory open(int fd) {
        RunMemory run(fd);
        struct stat status {};
        if (fstat(fd, &status) != 0) throw failure("cannot look at the memory of the run");
        const u64 bytes = static_cast<u64>(status.st_size);
        if (bytes < sizeof(RunControl)) throw std::runtime_error("descriptor " + std::to_string(fd) + " is no run");
        run.map(bytes);
        if (run.control().magic != RunControl::kMagic || run.control().bytes != bytes)
            throw std::runtime_error("descriptor " + std::to_string(fd) + " is no run of this version");
        return run;
    }

    RunMemory(RunMemory&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)), base_(std::exchange(other.base_, nullptr)), bytes_(other.bytes_) {}
    ~RunMemory() {
        if (base_ != nullptr) munmap(base_, bytes_);
        if (fd_ >= 0) close(fd_);
    }

    int fd() const { return fd_; }
    RunControl& control() const { return *reinterpret_cast<RunControl*>(base_); }
    WorkerControl& worker(std::size_t number) const {
        if (number >= control().workers)
            throw std::out_of_range("worker " + std::to_string(number) + " of " + std::to_string(control().workers));
        return reinterpret_cast<WorkerControl*>(base_ + sizeof(RunControl))[number];
    }
    std::span<const ScriptOperation> script(std::size_t number) const {
        const WorkerControl& of = worker(number);
        return {reinterpret_cast<const ScriptOperation*>(base_ + of.script), of.operations};
    }
    std::span<OperationRecord> records(std::size_t number) const {
        const WorkerControl& of = worker(number);
        return {reinterpret_cast<OperationRecord*>(base_ + of.records), of.capacity};
    }
    // Takes the page faults of the records that are expected before the run instead of in it, in this process.
    void prefault(std::size_t number) const {
        const WorkerControl& of = worker(number);
        const u64 size = round_to_page(of.expected * sizeof(OperationRecord));
        if (size != 0) madvise(base_ + of.records, size, MADV_POPULATE_WRITE);  // a hint: an old kernel refuses it
    }

    // ---- the start: everybody arrives, the executor names the instant, everybody goes

    // False if `give_up` passed, or the run was stopped, before the start.
    bool arrive(std::size_t number, Nanoseconds give_up) const {
        worker(number).phase.store(to_word(Phase::arrived), std::memory_order_release);
        control().arrived.fetch_add(1, std::memory_order_release);
        wake(control().arrived);
        while (control().go.load(std::memory_order_acquire) == 0) {
            const Nanoseconds now = ipc::monotonic_now();
            if (now >= give_up || stopped()) return false;
            wait(control().go, 0, std::min(give_up, now + kSlice));
        }
        // Waking takes the kernel tens of microseconds each: all wait for the same instant after it.
        const Nanoseconds start = control().start.load(std::memory_order_relaxed);
        while (ipc::monotonic_now() < start) sched_yield();
        worker(number).phase.store(to_word(Phase::running), std::memory_order_release);
        return !stopped();
    }

    // Waits until `count` have arrived; false at `deadline`.
    bool await_arrivals(std::uint32_t count, Nanoseconds deadline) const {
        return await(control().arrived, count, deadline);
    }

    void start(Nanoseconds delay, Nanoseconds duration) const {
        const Nanoseconds at = ipc::monotonic_now() + delay;
        control().start.store(at, std::memory_order_relaxed);
        control().deadline.store(at + duration, std::memory_order_relaxed);
        control().go.store(1, std::memory_order_release);
        wake(control().go);
    }

    // ---- the end

    void stop() const { control().stop.store(1, std::memory_order_release); }
    bool stopped() const { return control().stop.load(std::memory_order_acquire) != 0; }
    Nanoseconds deadline() const { return control().deadline.load(std::memory_order_relaxed); }
    Stream stream() const { return static_cast<Stream>(control().stream.load(std::memory_order_acquire)); }
    void end_stream(Stream how) const { control().stream.store(to_word(how), std::memory_order_release); }

    void end(std::size_t number, Phase phase, Reason reason) const {
        worker(number).reason.store(to_word(reason), std::memory_order_relaxed);
        worker(number).phase.store(to_word(phase), std::memory_order_release);
        control().ended.fetch_add(1, std::memory_order_release);
        wake(control().ended);
    }
    // Waits until more than `seen` have ended; false at `deadline`.
    bool await_end(std::uint32_t seen, Nanoseconds deadline) const {
        return await(control().ended, seen + 1, deadline);
    }

private:
    static constexpr Nanoseconds kSlice = 50'000'000;

    explicit RunMemory(int fd) : fd_(fd) {}

    static u64 round_to_page(u64 size) { return (size + 4095) / 4096 * 4096; }
    static std::system_error failure(const char* what) { return {errno, std::generic_category(), what}; }
    template <class E>
    static std::uint32_t to_word(E value) { return static_cast<std::uint32_t>(value); }

    void map(u64 bytes) {
        void* const at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd_, 0);
        if (at == MAP_FAILED) throw failure("cannot map the memory of the run");
        base_ = static_cast<std::byte*>(at);
        bytes_ = bytes;
    }

    static bool await(std::atomic<std::uint32_t>& word, std::uint32_t least, Nanoseconds deadline) {
        for (;;) {
            const std::uint32_t seen = word.load(std::memory_order_acquire);
            if (seen >= least) return true;
            if (ipc::monotonic_now() >= deadline) return false;
            wait(word, seen, deadline);
        }
    }
    static void wait(std::atomic<std::uint32_t>& word, std::uint32_t value, Nanoseconds deadline) {
        const timespec until{deadline / 1'000'000'000, deadline % 1'000'000'000};
        syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, value, &until, nullptr, FUTEX_BITSET_MATCH_ANY);
    }
    static void wake(std::atomic<std::uint32_t>& word) {
        syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
    }

    int fd_;
    std::byte* base_ = nullptr;
    u64 bytes_ = 0;
};

}  // namespace harness
