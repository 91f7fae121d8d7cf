// harness._native: scripts on real memory, planted channels, and the values that both sides of the harness share.
#include <sys/prctl.h>

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/tuple.h>

#include "channel/native/handle.hpp"
#include "harness/native/bare.hpp"
#include "harness/native/bench/line_latency.hpp"
#include "harness/native/mutants.hpp"
#include "harness/native/script.hpp"

namespace nb = nanobind;
using namespace harness;

namespace harness::checks {
void bind_order_search(nb::module_& module);  // order_search.cpp
void bind_queue_search(nb::module_& module);  // queue_search.cpp
}

namespace {

using Bytes = nb::ndarray<nb::memview, std::uint8_t, nb::ndim<1>>;

// A contiguous view of a Python object's bytes, for as long as this lives.
class BufferView {
public:
    explicit BufferView(nb::handle object, int flags = PyBUF_SIMPLE) {
        if (PyObject_GetBuffer(object.ptr(), &view_, flags) != 0) throw nb::python_error();
    }
    BufferView(const BufferView&) = delete;
    BufferView& operator=(const BufferView&) = delete;
    ~BufferView() { PyBuffer_Release(&view_); }
    std::byte* data() const { return static_cast<std::byte*>(view_.buf); }
    std::size_t size() const { return static_cast<std::size_t>(view_.len); }

private:
    Py_buffer view_{};
};

using PolicyNumbers = std::tuple<std::uint32_t, Nanoseconds, Nanoseconds, Nanoseconds, std::uint32_t>;

ipc::Policy to_policy(const PolicyNumbers& numbers) {
    ipc::Policy policy;
    std::tie(policy.max_round_trips, policy.start_sleep, policy.max_sleep, policy.slice, policy.spins) = numbers;
    return policy;
}

// ---- the memory of a run

RunMemory create_run(const nb::list& workers) {
    std::vector<RunMemory::Worker> described;
    std::vector<std::unique_ptr<BufferView>> held;
    for (nb::handle entry : workers) {
        const auto [script, records, expected] = nb::cast<std::tuple<nb::object, u64, u64>>(entry);
        held.push_back(std::make_unique<BufferView>(script));
        if (held.back()->size() % sizeof(ScriptOperation) != 0)
            throw nb::value_error("a script is a whole number of 32-byte operations");
        described.push_back({{reinterpret_cast<const ScriptOperation*>(held.back()->data()),
                              held.back()->size() / sizeof(ScriptOperation)},
                             records, expected});
    }
    return RunMemory::create(described);
}

template <class T>
Bytes view(nb::handle owner, std::span<T> items) {
    return Bytes(const_cast<std::remove_const_t<T>*>(items.data()), {items.size_bytes()}, owner);
}

// ---- scripts

// A block of memory with a channel in it, for scripts: registered as a participant once, used by many workers.
class Attachment {
public:
    static Attachment segment(const std::string& name) { return Attachment(ipc::SegmentBlock::connect(name)); }
    static Attachment buffer(nb::handle object) {
        auto view = std::make_shared<BufferView>(object, PyBUF_WRITABLE);
        std::byte* const data = view->data();
        const std::size_t size = view->size();
        return Attachment(ipc::BufferBlock::connect(data, size, "", [held = std::move(view)]() mutable {
            const nb::gil_scoped_acquire gil;
            held.reset();
        }));
    }

    // Wakes everybody who sleeps on the channel; a waiter takes it for one of the wake-ups without a reason.
    void wake() const { block_->memory().wake_all(ipc::at::seq); }

    void run_script(const RunMemory& run, std::size_t worker, const PolicyNumbers& numbers,
                    const std::optional<Planted>& design, Nanoseconds give_up) const {
        const ipc::Policy policy = to_policy(numbers);
        const WorkerControl& control = run.worker(worker);
        const bool killed = control.kill_after != WorkerControl::kNoKill;
        Tallies tallies;
        const auto work = [&](auto& channel, Faults* faults) {
            ScriptWorker worker_script(channel, run, worker, faults);
            worker_script(give_up);
            tallies = worker_script.tallies();
        };
        {
            const nb::gil_scoped_release no_gil;
            if (design || killed || control.noise != 0) {
                Faults faults;
                faults.make_noise(static_cast<std::uint32_t>(control.noise), control.noise_seed);
                ipc::Channel<InstrumentedMemory, Planted> channel({block_->memory(), &faults}, block_->geometry(),
                                                                  policy, &block_->me(), design.value_or(Planted()));
                work(channel, killed ? &faults : nullptr);
            } else {
                ipc::Channel<ipc::RealMemory> channel(block_->memory(), block_->geometry(), policy, &block_->me());
                work(channel, nullptr);
            }
        }
        for (unsigned i = 0; i < ipc::kOperations; ++i)  // under the GIL: a participant's counters have one writer
            block_->count(static_cast<ipc::Operation>(i), tallies[i].effort, tallies[i].calls);
    }

    // A channel of its own for loops that record nothing.
    template <class F>
    auto bare(const PolicyNumbers& numbers, Nanoseconds give_up, F&& work) const {
        const nb::gil_scoped_release no_gil;
        ipc::Channel<ipc::RealMemory> channel(block_->memory(), block_->geometry(), to_policy(numbers), &block_->me());
        BareLoops loops(channel, give_up);
        return work(loops);
    }

    // The single operations of a script, unrecorded: what benchmarks/recording.py compares a script with.
    Nanoseconds run_bare(nb::handle script_bytes, const PolicyNumbers& numbers) const {
        const BufferView bytes(script_bytes);
        const std::span script(reinterpret_cast<const ScriptOperation*>(bytes.data()),
                               bytes.size() / sizeof(ScriptOperation));
        return bare(numbers, ipc::never, [&](BareLoops& loops) { return loops.script(script); });
    }

    void send(std::size_t count, std::size_t size, std::size_t batch, const PolicyNumbers& numbers,
              Nanoseconds give_up) const {
        if (size > block_->geometry().max_message()) throw nb::value_error("the message is larger than max_message");
        const Tally all = bare(numbers, give_up, [&](BareLoops& loops) { return loops.send(count, size, batch); });
        block_->count(ipc::Operation::write, all.effort, all.calls);
    }

    void receive(std::size_t count, std::size_t batch, const PolicyNumbers& numbers, Nanoseconds give_up) const {
        const Tally all = bare(numbers, give_up, [&](BareLoops& loops) { return loops.receive(count, batch); });
        block_->count(ipc::Operation::read, all.effort, all.calls);
    }

private:
    explicit Attachment(std::shared_ptr<ipc::Block> block) : block_(std::move(block)) {}
    std::shared_ptr<ipc::Block> block_;
};

template <class F>
auto translated(F&& make) {
    try {
        return make();
    } catch (const ipc::BlockError& error) {
        ipc::python::raise_block_error(error);
        throw nb::python_error();
    }
}

const char* to_text(Nature nature) {
    switch (nature) {
        case Nature::deterministic: return "deterministic";
        case Nature::racy: return "racy";
        case Nature::crash: return "crash";
        case Nature::weak: return "weak";
    }
    return "";
}

// Offset and size of every field, for comparison with the numpy dtypes.
#define FIELD(type, name) fields[#name] = nb::make_tuple(offsetof(type, name), sizeof(type::name))
nb::dict script_layout() {
    nb::dict fields;
    FIELD(ScriptOperation, value);
    FIELD(ScriptOperation, timeout);
    FIELD(ScriptOperation, size);
    FIELD(ScriptOperation, think);
    FIELD(ScriptOperation, count);
    FIELD(ScriptOperation, kind);
    FIELD(ScriptOperation, pad);
    return fields;
}
nb::dict record_layout() {
    nb::dict fields;
    FIELD(OperationRecord, invoked);
    FIELD(OperationRecord, returned);
    FIELD(OperationRecord, value);
    FIELD(OperationRecord, id);
    FIELD(OperationRecord, target);
    FIELD(OperationRecord, timeout);
    FIELD(OperationRecord, size);
    FIELD(OperationRecord, retries);
    FIELD(OperationRecord, batch);
    FIELD(OperationRecord, slept);
    FIELD(OperationRecord, worker);
    FIELD(OperationRecord, kind);
    FIELD(OperationRecord, status);
    FIELD(OperationRecord, flags);
    FIELD(OperationRecord, pad);
    return fields;
}
#undef FIELD

void bind_run(nb::module_& module) {
    nb::class_<RunMemory>(module, "Run", "The memory that the workers of a run and their executor share.")
        .def_static("create", &create_run, nb::arg("workers"),
                    "For each worker: its script (bytes of OPERATION), room for records, records expected.",
                    nb::sig("def create(workers: list[tuple[object, int, int]]) -> Run"))
        .def_static("open", &RunMemory::open, nb::arg("fd"), "Map what another process created; takes over `fd`.")
        .def_prop_ro("fd", &RunMemory::fd)
        .def_prop_ro("workers", [](const RunMemory& run) { return run.control().workers; })
        .def_prop_ro("arrived", [](const RunMemory& run) { return run.control().arrived.load(); })
        .def_prop_ro("ended", [](const RunMemory& run) { return run.control().ended.load(); })
        .def_prop_ro("started", [](const RunMemory& run) { return run.control().start.load(); },
                     "The instant at which all workers began, or 0.")
        .def_prop_ro("deadline", &RunMemory::deadline)
        .def_prop_ro("stopped", &RunMemory::stopped)
        .def_prop_ro("stream", [](const RunMemory& run) { return static_cast<std::uint32_t>(run.stream()); })
        .def("arrive", &RunMemory::arrive, nb::arg("worker"), nb::arg("give_up"),
             nb::call_guard<nb::gil_scoped_release>(),
             "Wait at the start barrier; False if the run does not begin before `give_up`.")
        .def("await_arrivals", &RunMemory::await_arrivals, nb::arg("count"), nb::arg("deadline"),
             nb::call_guard<nb::gil_scoped_release>())
        .def("start", &RunMemory::start, nb::arg("delay"), nb::arg("duration"),
             "Release all workers together, `delay` ns from now; the run's deadline comes `duration` ns later.")
        .def("stop", &RunMemory::stop)
        .def("end_stream",
             [](const RunMemory& run, bool shut_down) {
                 run.end_stream(shut_down ? Stream::shut_down : Stream::abandoned);
             },
             nb::arg("shut_down"), "No writer will write any more; was the channel shut down?")
        .def("end",
             [](const RunMemory& run, std::size_t worker, std::uint32_t reason) {
                 run.end(worker, reason == 0 ? Phase::finished : Phase::cut, static_cast<Reason>(reason));
             },
             nb::arg("worker"), nb::arg("reason"))
        .def("await_end", &RunMemory::await_end, nb::arg("seen"), nb::arg("deadline"),
             nb::call_guard<nb::gil_scoped_release>(), "Wait until more than `seen` workers have ended.")
        .def("worker",
             [](const RunMemory& run, std::size_t number) {
                 const WorkerControl& worker = run.worker(number);
                 return std::make_tuple(worker.phase.load(), worker.reason.load(), worker.completed.load(),
                                        worker.used.load());
             },
             nb::arg("worker"), "(phase, reason, completed calls, records)")
        .def("advance",
             [](const RunMemory& run, std::size_t number, u64 used, u64 completed) {
                 WorkerControl& worker = run.worker(number);
                 worker.used.store(used, std::memory_order_release);
                 worker.completed.store(completed, std::memory_order_relaxed);
             },
             nb::arg("worker"), nb::arg("used"), nb::arg("completed"))
        .def("kill",
             [](const RunMemory& run, std::size_t number, u64 after, u64 step) {
                 run.worker(number).kill_step = step;
                 run.worker(number).kill_after = after;
             },
             nb::arg("worker"), nb::arg("after"), nb::arg("step"),
             "Have the worker's process kill itself before access `step` of the call after `after` calls.")
        .def("make_noise",
             [](const RunMemory& run, std::size_t number, std::uint32_t every, u64 seed) {
                 run.worker(number).noise_seed = seed;
                 run.worker(number).noise = every;
             },
             nb::arg("worker"), nb::arg("every"), nb::arg("seed"),
             "Have the worker's native script held up at one access to shared memory in `every`.")
        .def("script", [](nb::pointer_and_handle<RunMemory> run, std::size_t number) {
                 return view(run.h, run.p->script(number));
             }, nb::arg("worker"), nb::sig("def script(self, worker: int) -> memoryview"))
        .def("records", [](nb::pointer_and_handle<RunMemory> run, std::size_t number) {
                 return view(run.h, run.p->records(number));
             }, nb::arg("worker"), nb::sig("def records(self, worker: int) -> memoryview"));
    module.attr("PHASES") = nb::make_tuple("created", "arrived", "running", "finished", "cut");
    module.attr("REASONS") = nb::make_tuple("", "deadline", "stopped", "records full", "corrupted", "error");
}

void bind_scripts(nb::module_& module) {
    nb::class_<Attachment>(module, "Attachment", "A channel to run scripts on.")
        .def_static("segment", [](const std::string& name) { return translated([&] { return Attachment::segment(name); }); },
                    nb::arg("name"))
        .def_static("buffer", [](nb::handle buffer) { return translated([&] { return Attachment::buffer(buffer); }); },
                    nb::arg("buffer"), nb::sig("def buffer(buffer: object) -> Attachment"))
        .def("wake", &Attachment::wake, "Wake everybody who sleeps on the channel.")
        .def("run_script", &Attachment::run_script, nb::arg("run"), nb::arg("worker"), nb::arg("policy"),
             nb::arg("design").none(), nb::arg("give_up"),
             "Run one worker's script, without the GIL, until it ends or the run is over.")
        .def("run_bare", &Attachment::run_bare, nb::arg("script"), nb::arg("policy"),
             nb::sig("def run_bare(self, script: object, policy: tuple[int, int, int, int, int]) -> int"),
             "Run try_write and try_read operations unrecorded; ns that they took.")
        .def("send", &Attachment::send, nb::arg("count"), nb::arg("size"), nb::arg("batch"), nb::arg("policy"),
             nb::arg("give_up"), "Write so many messages, `batch` a call, without the GIL.")
        .def("receive", &Attachment::receive, nb::arg("count"), nb::arg("batch"), nb::arg("policy"),
             nb::arg("give_up"), "Read so many messages, up to `batch` a call, without the GIL.");
}

void bind_mutants(nb::module_& module) {
    nb::class_<Planted>(module, "Planted", "A planted bug.");
    module.def("planted",
               [](const std::string& name, std::uint32_t every) { return planted(name, every); },
               nb::arg("name"), nb::arg("every") = 0, "The planted bug of that name, or None.");
    nb::list table;
    for (const Mutant& mutant : kMutants)
        table.append(nb::make_tuple(nb::str(mutant.name.data(), mutant.name.size()),
                                    nb::str(mutant.description.data(), mutant.description.size()),
                                    nb::str(mutant.found_by.data(), mutant.found_by.size()), to_text(mutant.nature),
                                    mutant.counts, nb::str(mutant.explored.data(), mutant.explored.size())));
    module.attr("MUTANTS") = table;

    PyTypeObject* const entry_type = ipc::python::make_entry_type(module, "harness._native.Entry");
    ipc::python::bind_channel<Planted>(module, "PlantedChannelBase", entry_type)
        .def(nb::init<Planted>(), nb::arg("design"));
    module.def("last_effort", [] {
        const ipc::python::LastEffort& effort = ipc::python::last_effort;
        return nb::make_tuple(effort.retries, effort.slept);
    }, "Retries, and ns slept, of the calling thread's last operation on a planted channel.");
}

void bind_payloads(nb::module_& module) {
    module.def("make_payload",
               [](u64 value, u64 size) {
                   if (size < kSmallestPayload) throw nb::value_error("a payload has at least 8 bytes");
                   PyObject* const bytes = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size));
                   if (bytes == nullptr) throw nb::python_error();
                   fill_payload(reinterpret_cast<std::byte*>(PyBytes_AS_STRING(bytes)), size, value);
                   return nb::steal<nb::bytes>(bytes);
               },
               nb::arg("value"), nb::arg("size"), "The payload of a message.");
    module.def("read_payload",
               [](nb::handle payload) {
                   const BufferView bytes(payload);
                   return std::make_tuple(payload_value(bytes.data(), bytes.size()),
                                          payload_intact(bytes.data(), bytes.size()));
               },
               nb::arg("payload"), nb::sig("def read_payload(payload: object) -> tuple[int, bool]"),
               "(value that it claims, is every byte right?)");
}

}  // namespace

NB_MODULE(_native, module) {
    module.doc() = "The harness's native part: scripts on real memory, planted channels.";
    bind_run(module);
    bind_scripts(module);
    bind_mutants(module);
    bind_payloads(module);
    checks::bind_order_search(module);
    checks::bind_queue_search(module);
    module.def("die_with_parent",
               [](int parent) {
                   prctl(PR_SET_PDEATHSIG, SIGKILL);
                   return getppid() == parent;
               },
               nb::arg("parent"), "Be killed when the parent dies; False if it is dead already.");
    module.def("stamp_ns",
               [](u64 times) {
                   const Nanoseconds start = ipc::monotonic_now();
                   Nanoseconds end = start;
                   for (u64 i = 0; i < times; ++i) {
                       end = ipc::monotonic_now();
                       stamp_fence();
                   }
                   return static_cast<double>(end - start) / static_cast<double>(times);
               },
               nb::arg("times"), "ns that reading the clock takes, with the fence behind it.");
    module.def("line_latency",
               [](int first_cpu, int second_cpu, Nanoseconds patience) {
                   return bench::line_latency(first_cpu, second_cpu, std::chrono::nanoseconds(patience));
               },
               nb::arg("first_cpu"), nb::arg("second_cpu"), nb::arg("patience"),
               nb::call_guard<nb::gil_scoped_release>(),
               "ns that a cache line takes from one CPU to the other; None if that cannot be measured within `patience` ns.");
    module.def("script_layout", &script_layout, "Fields of a script's operation: name to (offset, size).");
    module.def("record_layout", &record_layout, "Fields of a record: name to (offset, size).");
    nb::dict kinds, statuses;
#define KIND(name) kinds[#name] = static_cast<unsigned>(Kind::name)
    KIND(write), KIND(try_write), KIND(read), KIND(try_read), KIND(peek), KIND(skip), KIND(skip_force);
    KIND(write_many), KIND(read_many), KIND(state), KIND(shutdown);
#undef KIND
#define STATUS(name) statuses[#name] = static_cast<unsigned>(ipc::Status::name)
    STATUS(ok), STATUS(full), STATUS(empty), STATUS(timeout), STATUS(mismatch), STATUS(too_large);
    STATUS(retry_limit), STATUS(closed), STATUS(corrupted);
#undef STATUS
    statuses["pending"] = static_cast<unsigned>(kPending);
    module.attr("KINDS") = kinds;
    module.attr("STATUSES") = statuses;
    module.attr("SCRIPT_BYTES") = sizeof(ScriptOperation);
    module.attr("RECORD_BYTES") = sizeof(OperationRecord);
}
