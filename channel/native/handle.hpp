// A handle on a channel, as a Python class: template over the design, so that the harness can bind a planted one.
//
// The operations are raw METH_FASTCALL slots: 20 ns less a call than a wrapped function, on a path of 30.
#pragma once

#include <new>
#include <optional>
#include <vector>

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include "channel/core/buffer.hpp"
#include "channel/core/segment.hpp"
#include "channel/native/call.hpp"
#include "channel/native/docs.hpp"
#include "channel/native/entry.hpp"
#include "channel/native/hook.hpp"
#include "channel/native/payload.hpp"
#include "channel/native/recent.hpp"

namespace ipc::python {

// What the calling thread's last operation cost, on whatever handle. Two fields, not an Effort: copying one whole would
// load in one piece what was just stored in several, and wait for the stores.
struct LastEffort {
    std::uint32_t retries = 0;
    Nanoseconds slept = 0;
};
// initial-exec: one instruction instead of a call, and the few bytes always find room.
[[gnu::tls_model("initial-exec")]] inline thread_local LastEffort last_effort;

template <Design D>
class Handle {
public:
    using Core = Channel<RealMemory, D>;

    explicit Handle(D design = D{}) : design_(design) {}
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    ~Handle() {
        if (latest_.handle == this) latest_ = {};
    }

    void create(const std::string& name, u64 capacity, unsigned participants, const nb::tuple& policy) {
        open(SegmentBlock::create(name, Geometry(capacity, participants)), policy);
    }
    void connect(const std::string& name, const nb::tuple& policy) { open(SegmentBlock::connect(name), policy); }
    void create_in(nb::handle buffer, unsigned participants, const std::string& lock_file, const nb::tuple& policy) {
        Memory_ memory(buffer);
        open(BufferBlock::create(memory.base(), memory.size(), participants, lock_file, memory.releaser()), policy);
    }
    void connect_to(nb::handle buffer, const std::string& lock_file, const nb::tuple& policy) {
        Memory_ memory(buffer);
        open(BufferBlock::connect(memory.base(), memory.size(), lock_file, memory.releaser()), policy);
    }

    void close() { block_.reset(); }
    bool closed() const { return block_ == nullptr; }

    nb::dict state() {
        Core& core = taking_part();
        const std::shared_ptr<Block> block = block_;  // the collector may run below, and in it a finalizer that closes
        Snapshot seen;
        Effort effort;
        if (const Status status = core.snapshot(seen, effort); status != Status::ok) {
            raise_status(status, effort);
            throw nb::python_error();
        }
        nb::dict result;
        result["entries"] = seen.entries;
        result["bytes"] = seen.bytes;
        result["head"] = seen.head;
        result["tail"] = seen.tail;
        result["closed"] = seen.closed;
        result["recoveries"] = block->recoveries();
        nb::list participants;
        for (const Participant& participant : block->participants()) {
            nb::list counters;
            for (u64 value : participant.counters) counters.append(value);
            participants.append(nb::make_tuple(participant.slot, participant.pid, participant.started,
                                               participant.name, counters));
        }
        result["participants"] = participants;
        return result;
    }

    u64 capacity() { return usable().geometry().capacity(); }
    u64 max_message() { return usable().geometry().max_message(); }
    bool crash_safe() {
        usable();
        return block_->crash_safe();
    }
    std::string name() {
        usable();
        return block_->name();
    }
    // Entries at one instant, for qsize().
    u64 entries() {
        Snapshot seen;
        Effort effort;
        if (const Status status = taking_part().snapshot(seen, effort); status != Status::ok) {
            raise_status(status, effort);
            throw nb::python_error();
        }
        return seen.entries;
    }

    // ---- operations: raw slots

    static PyObject* write(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
        PyObject *data = nullptr, *timeout = nullptr;
        if (!parse("write", "data", "timeout", args, count, names, data, timeout)) return nullptr;
        Payload payload;
        Nanoseconds deadline;
        if (!payload.take(data) || !to_deadline(timeout, deadline)) return nullptr;
        Handle* const handle = of(self);
        if (handle == nullptr) return nullptr;
        GilHook hook(handle->block_);
        Effort effort;
        Position id = 0;
        const auto call = [&]() __attribute__((always_inline)) {
            return handle->core_->write(payload.bytes(), id, deadline, effort, hook);
        };
        const Status status = payload.bytes().size() < GilHook::kReleasedCopy ? call() : hook.without_gil(call);
        handle->count(Operation::write, effort);
        if (status == Status::ok) return recent_ints.make(id);
        return handle->raise_status(status, effort, payload.bytes().size());
    }

    static PyObject* try_write(PyObject* self, PyObject* data) {
        Payload payload;
        if (!payload.take(data)) return nullptr;
        Handle* const handle = of(self);
        if (handle == nullptr) return nullptr;
        GilHook hook(handle->block_);
        Effort effort;
        Position id = 0;
        Core& core = *handle->core_;
        const Status status =
            payload.bytes().size() < GilHook::kReleasedCopy
                ? core.try_write(payload.bytes(), id, effort, hook)
                : hook.without_gil([&] { return core.try_write(payload.bytes(), id, effort); });
        handle->count(Operation::write, effort);
        if (status == Status::ok) return recent_ints.make(id);
        return handle->raise_status(status, effort, payload.bytes().size());
    }

    static PyObject* write_many(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
        PyObject *messages = nullptr, *timeout = nullptr;
        if (!parse("write_many", "messages", "timeout", args, count, names, messages, timeout)) return nullptr;
        Nanoseconds deadline;
        if (of(self) == nullptr || !to_deadline(timeout, deadline)) return nullptr;  // before an iterator is used up
        nb::object held =
            nb::steal(PySequence_Fast(messages, "write_many() takes an iterable of bytes-like objects"));
        // The caller's own list keeps nothing alive: whoever gives a view of his bytes may run code that changes it.
        if (held.ptr() == messages && PyList_CheckExact(messages) && !only_bytes(messages))
            held = nb::steal(PyList_AsTuple(messages));
        if (!held.is_valid()) return nullptr;
        return or_no_memory([&] { return write_batch(self, held.ptr(), deadline); });
    }

    static PyObject* try_read(PyObject* self, PyObject*) {
        Handle* const handle = of(self);
        if (handle == nullptr) return nullptr;
        BytesSink sink;
        GilHook hook(handle->block_);
        Effort effort;
        Position id = 0;
        const Status status = handle->core_->try_read(sink, id, effort, hook);
        handle->count(Operation::read, effort);
        if (status == Status::ok) return handle->entry(id, sink);
        if (status == Status::empty) Py_RETURN_NONE;
        return handle->raise_status(status, effort);
    }

    static PyObject* read(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
        PyObject *unused = nullptr, *timeout = nullptr;
        if (!parse("read", nullptr, "timeout", args, count, names, unused, timeout)) return nullptr;
        Nanoseconds deadline;
        if (!to_deadline(timeout, deadline)) return nullptr;
        Handle* const handle = of(self);
        if (handle == nullptr) return nullptr;
        BytesSink sink;
        GilHook hook(handle->block_);
        Effort effort;
        Position id = 0;
        const Status status = handle->core_->read(sink, id, deadline, effort, hook);
        handle->count(Operation::read, effort);
        if (status == Status::ok) return handle->entry(id, sink);
        return handle->raise_status(status, effort);
    }

    static PyObject* read_into(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
        PyObject *buffer = nullptr, *timeout = nullptr;
        if (!parse("read_into", "buffer", "timeout", args, count, names, buffer, timeout)) return nullptr;
        Nanoseconds deadline;
        Py_buffer view;
        if (!to_deadline(timeout, deadline) || PyObject_GetBuffer(buffer, &view, PyBUF_WRITABLE) != 0) return nullptr;
        Handle* const handle = of(self);
        if (handle == nullptr) {
            PyBuffer_Release(&view);
            return nullptr;
        }
        IntoSink sink(static_cast<std::byte*>(view.buf), static_cast<u64>(view.len));
        GilHook hook(handle->block_);
        Effort effort;
        Position id = 0;
        const Status status = handle->core_->read(sink, id, deadline, effort, hook);
        const u64 room = static_cast<u64>(view.len);
        PyBuffer_Release(&view);
        handle->count(Operation::read, effort);
        if (status == Status::ok)
            return Py_BuildValue("KK", static_cast<unsigned long long>(id),
                                 static_cast<unsigned long long>(sink.length()));
        if (status == Status::too_large) return raise("BufferTooSmall", sink.length(), room);
        return handle->raise_status(status, effort);
    }

    static PyObject* read_many(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
        PyObject *limit = nullptr, *timeout = nullptr;
        if (!parse("read_many", "limit", "timeout", args, count, names, limit, timeout)) return nullptr;
        return read_batch(self, limit, timeout, true);
    }

    static PyObject* try_read_many(PyObject* self, PyObject* limit) { return read_batch(self, limit, nullptr, false); }

    static PyObject* peek(PyObject* self, PyObject*) {
        Handle* const handle = of(self);
        if (handle == nullptr) return nullptr;
        BytesSink sink;
        GilHook hook(handle->block_);
        Effort effort;
        Position id = 0;
        const Status status = handle->core_->peek(sink, id, effort, hook);
        handle->count(Operation::peek, effort);
        if (status == Status::ok) return handle->entry(id, sink);
        if (status == Status::empty) Py_RETURN_NONE;
        return handle->raise_status(status, effort);
    }

    // (removed, id of the head that was there or None)
    static PyObject* skip(PyObject* self, PyObject* target) {
        u64 wanted = 0;
        if (!to_entry_id(target, wanted)) return nullptr;
        Handle* const handle = of(self);
        if (handle == nullptr) return nullptr;
        Effort effort;
        Position seen = 0;
        const Status status = handle->core_->skip(wanted, seen, effort);
        handle->count(Operation::skip, effort);
        if (status == Status::empty) return Py_BuildValue("OO", Py_False, Py_None);
        if (status != Status::ok && status != Status::mismatch) return handle->raise_status(status, effort);
        return Py_BuildValue("OK", status == Status::ok ? Py_True : Py_False, static_cast<unsigned long long>(seen));
    }

    static PyObject* skip_force(PyObject* self, PyObject*) {
        Handle* const handle = of(self);
        if (handle == nullptr) return nullptr;
        Effort effort;
        Position id = 0;
        const Status status = handle->core_->skip_force(id, effort);
        handle->count(Operation::skip, effort);
        if (status == Status::ok) return recent_ints.make(id);
        if (status == Status::empty) Py_RETURN_NONE;
        return handle->raise_status(status, effort);
    }

    static PyObject* shutdown(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
        PyObject *unused = nullptr, *timeout = nullptr;
        if (!parse("shutdown", nullptr, "timeout", args, count, names, unused, timeout)) return nullptr;
        Nanoseconds deadline;
        if (!to_deadline(timeout, deadline)) return nullptr;
        Handle* const handle = of(self);
        if (handle == nullptr) return nullptr;
        GilHook hook(handle->block_);
        Effort effort;
        const Status status = handle->core_->shutdown(deadline, effort, hook);
        handle->count(Operation::write, effort, 0);
        if (status == Status::ok) Py_RETURN_NONE;
        return handle->raise_status(status, effort);
    }

    inline static PyTypeObject* entry_type = nullptr;

private:
    static constexpr std::size_t kLongBatch = 1024;

    // A caller's writable buffer, from the Python object to the release of its view.
    class Memory_ {
    public:
        explicit Memory_(nb::handle object) {
            auto view = std::make_unique<Py_buffer>();
            if (PyObject_GetBuffer(object.ptr(), view.get(), PyBUF_WRITABLE) != 0) throw nb::python_error();
            view_ = std::shared_ptr<Py_buffer>(view.release(), [](Py_buffer* held) {
                if (nb::is_alive()) PyBuffer_Release(held);
                delete held;
            });
        }
        std::byte* base() const { return static_cast<std::byte*>(view_->buf); }
        u64 size() const { return static_cast<u64>(view_->len); }
        std::function<void()> releaser() const {
            return [view = view_] {};
        }

    private:
        std::shared_ptr<Py_buffer> view_;
    };

    void open(std::shared_ptr<Block> block, const nb::tuple& policy) {
        Policy chosen;
        chosen.max_round_trips = nb::cast<std::uint32_t>(policy[0]);
        chosen.start_sleep = nb::cast<Nanoseconds>(policy[1]);
        chosen.max_sleep = nb::cast<Nanoseconds>(policy[2]);
        chosen.slice = nb::cast<Nanoseconds>(policy[3]);
        chosen.spins = nb::cast<std::uint32_t>(policy[4]);
        block_ = std::move(block);
        core_.emplace(block_->memory(), block_->geometry(), chosen, &block_->me(), design_);
    }

    // The handle of the last call, and its Python object: to ask nanobind is a tenth of a call. Forgotten when the handle
    // is destroyed, since another object may come to lie there. Guarded by the GIL.
    struct Latest {
        PyObject* self = nullptr;
        Handle* handle = nullptr;
    };
    inline static Latest latest_;

    // The handle behind a Python object, open and in a process that takes part; null with a Python error set. Asked for
    // after the arguments were converted: that may run Python code, which may close the handle.
    [[gnu::always_inline]] static Handle* of(PyObject* self) {
        if (self != latest_.self) [[unlikely]] {
            if (!nb::inst_ready(self)) {
                PyErr_SetString(PyExc_TypeError, "the channel was never opened; use create() or connect()");
                return nullptr;
            }
            latest_ = {self, nb::inst_ptr<Handle>(self)};
        }
        Handle* const handle = latest_.handle;
        if (handle->block_ == nullptr) return static_cast<Handle*>(static_cast<void*>(raise_closed()));
        if (handle->block_->me().load(std::memory_order_relaxed) == 0) [[unlikely]]
            return static_cast<Handle*>(static_cast<void*>(raise_no_participant()));
        return handle;
    }
    static PyObject* raise_no_participant() {
        return raise("NotAParticipant", "this process is no participant: it was forked from one, and the channel is in "
                                        "private memory or has no participant slot left");
    }
    static PyObject* raise_closed() { return raise("HandleClosed", "this handle was closed"); }

    Core& usable() {
        if (block_ == nullptr) {
            raise_closed();
            throw nb::python_error();
        }
        return *core_;
    }

    Core& taking_part() {
        Core& core = usable();
        if (block_->me().load(std::memory_order_relaxed) == 0) {
            raise_no_participant();
            throw nb::python_error();
        }
        return core;
    }

    [[gnu::always_inline]] void count(Operation operation, const Effort& effort, u64 calls = 1) {
        last_effort = {effort.retries(), effort.slept};
        if (block_ != nullptr) block_->count(operation, effort, calls);
    }

    PyObject* entry(Position id, BytesSink& sink) const {
        PyObject* const data = sink.take();
        return data == nullptr ? nullptr : make_entry(entry_type, id, data);
    }

    // As an array.array: making an int per message would cost as much as writing it.
    static PyObject* id_array(const std::vector<Position>& ids) {
        static PyObject* type = nullptr;  // kept for the life of the process; guarded by the GIL
        if (type == nullptr) {
            PyObject* const module = PyImport_ImportModule("array");
            if (module != nullptr) type = PyObject_GetAttrString(module, "array");
            Py_XDECREF(module);
            if (type == nullptr) return nullptr;
        }
        static_assert(sizeof(Position) == sizeof(unsigned long long));
        PyObject* const bytes = PyBytes_FromStringAndSize(reinterpret_cast<const char*>(ids.data()),
                                                          static_cast<Py_ssize_t>(ids.size() * sizeof(Position)));
        if (bytes == nullptr) return nullptr;
        PyObject* const array = PyObject_CallFunction(type, "CO", 'Q', bytes);
        Py_DECREF(bytes);
        return array;
    }

    // Puts the ids of the messages that were written into the error that stands, so that nothing is lost.
    static PyObject* add_written(const std::vector<Position>& ids) {
        nb::python_error error;
        nb::object instance = nb::borrow(error.value());
        PyObject* const written = id_array(ids);
        if (written == nullptr || PyObject_SetAttrString(instance.ptr(), "written", written) != 0) PyErr_Clear();
        Py_XDECREF(written);
        error.restore();
        return nullptr;
    }

    // Runs a call that allocates outside Python's allocator.
    template <class F>
    static PyObject* or_no_memory(F&& call) {
        try {
            return call();
        } catch (const std::bad_alloc&) {
            return PyErr_NoMemory();
        }
    }

    static bool only_bytes(PyObject* list) {
        for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); ++i)
            if (!PyBytes_CheckExact(PyList_GET_ITEM(list, i))) return false;
        return true;
    }

    // Lets go of the GIL only once the messages are held.
    class BatchHook : public GilHook {
    public:
        BatchHook(const std::shared_ptr<Block>& block, PayloadSource& source) : GilHook(block), source_(source) {}
        template <class F>
        bool waiting(F&& step) {
            source_.hold();
            return GilHook::waiting(std::forward<F>(step));
        }
        template <class F>
        auto without_gil(F&& call) {
            source_.hold();
            return GilHook::without_gil(std::forward<F>(call));
        }

    private:
        PayloadSource& source_;
    };

    static PyObject* write_batch(PyObject* self, PyObject* sequence, Nanoseconds deadline) {
        const auto size = static_cast<std::size_t>(PySequence_Fast_GET_SIZE(sequence));
        PayloadSource source(size);
        for (std::size_t i = 0; i < size; ++i)
            if (!source.add(PySequence_Fast_GET_ITEM(sequence, static_cast<Py_ssize_t>(i)))) return nullptr;
        Handle* const handle = of(self);
        if (handle == nullptr) return nullptr;
        BatchHook hook(handle->block_, source);
        Effort effort;
        std::size_t done = 0;
        const auto call = [&] { return handle->core_->write_many(source, size, done, deadline, effort, hook); };
        const Status status = size < kLongBatch ? call() : hook.without_gil(call);
        handle->count(Operation::write, effort);
        if (status == Status::ok) return id_array(source.ids());
        u64 refused = 0;
        if (status == Status::too_large) refused = source.largest();
        else if (done < size) refused = source.message(done).size();
        handle->raise_status(status, effort, refused);
        return add_written(source.ids());
    }

    static PyObject* read_batch(PyObject* self, PyObject* limit, PyObject* timeout, bool blocking) {
        Nanoseconds deadline;
        std::size_t most = 0;
        if (!to_deadline(timeout, deadline) || !to_limit(limit, most)) return nullptr;
        Handle* const handle = of(self);
        if (handle == nullptr) return nullptr;
        return or_no_memory([&] { return take_batch(handle, most, deadline, blocking); });
    }

    static PyObject* take_batch(Handle* handle, std::size_t most, Nanoseconds deadline, bool blocking) {
        BatchSink sink(most);
        GilHook hook(handle->block_);
        Effort effort;
        std::size_t taken = 0;
        const Status status = blocking ? handle->core_->read_many(sink, most, taken, deadline, effort, hook)
                                       : handle->core_->try_read_many(sink, most, taken, effort);
        handle->count(Operation::read, effort);
        if (status == Status::ok) return sink.take(entry_type, taken);
        if (status == Status::empty) return PyList_New(0);
        return handle->raise_status(status, effort);
    }

    // Sets the Python error of a status that is none of the ordinary answers. `size`: of the message, for a write.
    PyObject* raise_status(Status status, const Effort& effort, std::optional<u64> size = std::nullopt) {
        if (PyErr_Occurred() != nullptr) return nullptr;  // a signal handler's
        if (block_ == nullptr) return raise_closed();
        const u64 max_message = core_->geometry().max_message();
        switch (status) {
            case Status::full:
            case Status::timeout:
            case Status::retry_limit: {
                Snapshot seen;
                Effort looking;
                u64 free = 0;
                const u64 room = core_->geometry().capacity() - kEntryAlignment;
                if (core_->snapshot(seen, looking) == Status::ok && seen.bytes <= room) free = room - seen.bytes;
                if (status == Status::full)
                    return raise("ChannelFull", entry_bytes(*size), free, core_->geometry().capacity(), max_message);
                if (status == Status::timeout && size.has_value())
                    return raise("ChannelTimeout", "the message still did not fit when the time-out passed: it needs " +
                                                       std::to_string(entry_bytes(*size)) + " bytes, " +
                                                       std::to_string(free) + " are free");
                if (status == Status::timeout) return raise("ChannelTimeout", "no message came before the time-out passed");
                return raise("ChannelRetryLimit", effort.rounds);
            }
            case Status::too_large:
                if (!size.has_value()) return PyErr_NoMemory();  // of a read
                return raise("MessageTooLarge", *size, max_message);
            case Status::closed: return raise("ChannelClosed", "the channel was shut down");
            case Status::corrupted:
                return raise("ChannelCorrupted", "the channel's memory holds what no participant wrote");
            default: return raise("ChannelError", "the call was interrupted");
        }
    }

    D design_;
    std::shared_ptr<Block> block_;
    std::optional<Core> core_;
};

// A method of `F` that raises BlockError, with the Python error of its kind.
template <class R, class C, class... Args>
auto translated(R (C::*method)(Args...)) {
    return [method](C& self, Args... args) -> R {
        try {
            return (self.*method)(args...);
        } catch (const BlockError& error) {
            raise_block_error(error);
            throw nb::python_error();
        }
    };
}

// Binds Handle<D> as `name` in `module`; the caller adds the constructor.
template <Design D>
nb::class_<Handle<D>> bind_channel(nb::module_& module, const char* name, PyTypeObject* entry_type) {
    using H = Handle<D>;
    H::entry_type = entry_type;
    const auto fast = [](PyObject* (*method)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*)) {
        return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(method));
    };
    constexpr int keywords = METH_FASTCALL | METH_KEYWORDS;
    static PyMethodDef methods[] = {
        {"write", fast(H::write), keywords, docs::write},
        {"try_write", H::try_write, METH_O, docs::try_write},
        {"write_many", fast(H::write_many), keywords, docs::write_many},
        {"read", fast(H::read), keywords, docs::read},
        {"try_read", H::try_read, METH_NOARGS, docs::try_read},
        {"read_into", fast(H::read_into), keywords, docs::read_into},
        {"read_many", fast(H::read_many), keywords, docs::read_many},
        {"try_read_many", H::try_read_many, METH_O, docs::try_read_many},
        {"peek", H::peek, METH_NOARGS, docs::peek},
        {"_skip", H::skip, METH_O, docs::skip},
        {"skip_force", H::skip_force, METH_NOARGS, docs::skip_force},
        {"_shutdown", fast(H::shutdown), keywords, docs::shutdown},
        {nullptr, nullptr, 0, nullptr}};
    static PyType_Slot slots[] = {{Py_tp_methods, methods}, {0, nullptr}};
    nb::class_<H> type(module, name, nb::type_slots(slots));
    type.def("_create", translated(&H::create), nb::arg("name"), nb::arg("capacity"), nb::arg("participants"),
             nb::arg("policy"))
        .def("_connect", translated(&H::connect), nb::arg("name"), nb::arg("policy"))
        .def("_create_in", translated(&H::create_in), nb::arg("buffer"), nb::arg("participants"), nb::arg("lock_file"),
             nb::arg("policy"))
        .def("_connect_to", translated(&H::connect_to), nb::arg("buffer"), nb::arg("lock_file"), nb::arg("policy"))
        .def("_close", &H::close)
        .def("_state", &H::state)
        .def("_entries", &H::entries)
        .def_prop_ro("closed", &H::closed, "True once this handle was closed.")
        .def_prop_ro("capacity", &H::capacity, "Bytes of the ring; a message of n bytes takes round_up_16(8 + n).")
        .def_prop_ro("max_message", &H::max_message, "Bytes of the largest message, which an empty channel takes.")
        .def_prop_ro("crash_safe", &H::crash_safe, "Is a participant killed at any instruction recovered from?")
        .def_prop_ro("name", &H::name, "The segment's name; empty for a channel in a buffer.");
    return type;
}

}  // namespace ipc::python
