// Where a read puts its payload and where a write takes it from, as Python objects.
#pragma once

#include <algorithm>
#include <new>
#include <span>
#include <utility>
#include <vector>

#include <nanobind/nanobind.h>

#include "channel/core/channel.hpp"
#include "channel/native/entry.hpp"
#include "channel/native/recent.hpp"

namespace ipc::python {

// An object for a payload of that size, or null. No Python error stands then: the message may be another reader's by now,
// and the next round find memory, or nothing to read. A read that answers too_large is out of memory.
inline PyObject* room_for(u64 size) {
    PyObject* const bytes = recent_bytes.room(size);
    if (bytes == nullptr) [[unlikely]] PyErr_Clear();
    return bytes;
}

// A payload is copied straight into the bytes that the reader gets; a round that is lost leaves them for the next.
class BytesSink {
public:
    BytesSink() = default;
    BytesSink(const BytesSink&) = delete;
    BytesSink& operator=(const BytesSink&) = delete;
    ~BytesSink() { Py_XDECREF(data_); }

    std::byte* reserve(u64 length, Position) {
        if (data_ == nullptr || static_cast<u64>(PyBytes_GET_SIZE(data_)) != length) {
            Py_XDECREF(data_);
            data_ = room_for(length);
            if (data_ == nullptr) return nullptr;
        }
        return reinterpret_cast<std::byte*>(PyBytes_AS_STRING(data_));
    }
    PyObject* take() { return std::exchange(data_, nullptr); }

private:
    PyObject* data_ = nullptr;
};

class IntoSink {
public:
    IntoSink(std::byte* to, u64 room) : to_(to), room_(room) {}
    std::byte* reserve(u64 length, Position) {
        length_ = length;
        return length <= room_ ? to_ : nullptr;
    }
    u64 length() const { return length_; }

private:
    std::byte* to_;
    u64 room_;
    u64 length_ = 0;
};

class BatchSink {
public:
    explicit BatchSink(std::size_t limit) { items_.reserve(std::min(limit, kUsualMessages)); }
    BatchSink(const BatchSink&) = delete;
    ~BatchSink() { restart(); }

    void restart() {
        for (const Item& item : items_) Py_XDECREF(item.data);
        items_.clear();
    }
    // Called with the GIL: only waiting lets go of it.
    std::byte* reserve(u64 length, Position id) {
        PyObject* const data = room_for(length);
        if (data == nullptr) return nullptr;
        try {
            items_.push_back({id, data});
        } catch (const std::bad_alloc&) {
            Py_DECREF(data);
            return nullptr;
        }
        return reinterpret_cast<std::byte*>(PyBytes_AS_STRING(data));
    }
    // The first `count`, as a list of entries.
    PyObject* take(PyTypeObject* entry_type, std::size_t count) {
        PyObject* const list = PyList_New(static_cast<Py_ssize_t>(count));
        for (std::size_t i = 0; list != nullptr && i < count; ++i) {
            PyObject* const entry = make_entry(entry_type, items_[i].id, std::exchange(items_[i].data, nullptr));
            if (entry == nullptr) {
                Py_DECREF(list);
                return nullptr;
            }
            PyList_SET_ITEM(list, static_cast<Py_ssize_t>(i), entry);
        }
        return list;
    }

private:
    struct Item {
        Position id;
        PyObject* data;
    };
    static constexpr std::size_t kUsualMessages = 64;
    std::vector<Item> items_;
};

// The bytes of a Python object, held for the time of a call.
class Payload {
public:
    Payload() = default;
    Payload(Payload&& other) noexcept : view_(other.view_), held_(std::exchange(other.held_, false)) {}
    Payload(const Payload&) = delete;
    ~Payload() {
        if (held_) PyBuffer_Release(&view_);
    }
    // False with a Python error set.
    bool take(PyObject* object) {
        if (PyBytes_CheckExact(object)) {  // immutable, and kept by the caller
            view_.buf = PyBytes_AS_STRING(object);
            view_.len = PyBytes_GET_SIZE(object);
            return true;
        }
        held_ = PyObject_GetBuffer(object, &view_, PyBUF_SIMPLE) == 0;
        return held_;
    }
    std::span<const std::byte> bytes() const {
        return {static_cast<const std::byte*>(view_.buf), static_cast<std::size_t>(view_.len)};
    }
    bool held() const { return held_; }

private:
    Py_buffer view_;
    bool held_ = false;
};

// The messages of a batch. Bytes are borrowed from the caller's sequence until hold(): most batches are written without
// letting go of the GIL, and a reference for each message would be a tenth of their time.
class PayloadSource {
public:
    explicit PayloadSource(std::size_t count) {
        messages_.reserve(count);
        bytes_.reserve(count);
        ids_.reserve(count);
    }
    PayloadSource(const PayloadSource&) = delete;
    PayloadSource& operator=(const PayloadSource&) = delete;
    ~PayloadSource() {
        if (!holding_) return;
        for (PyObject* object : bytes_) Py_DECREF(object);
    }
    // False with a Python error set.
    bool add(PyObject* object) {
        Payload payload;
        if (!payload.take(object)) return false;
        messages_.push_back(payload.bytes());
        if (payload.held()) views_.push_back(std::move(payload));
        else bytes_.push_back(object);
        return true;
    }
    // From now on the sequence may be a list that other threads change. Needs the GIL the first time.
    void hold() {
        if (holding_) return;
        for (PyObject* object : bytes_) Py_INCREF(object);
        holding_ = true;
    }
    std::span<const std::byte> message(std::size_t i) const { return messages_[i]; }
    void accepted(std::size_t, Position id) { ids_.push_back(id); }

    const std::vector<Position>& ids() const { return ids_; }
    u64 largest() const {
        u64 size = 0;
        for (const auto& message : messages_) size = std::max<u64>(size, message.size());
        return size;
    }

private:
    std::vector<std::span<const std::byte>> messages_;
    std::vector<PyObject*> bytes_;
    std::vector<Payload> views_;  // of what is no bytes
    std::vector<Position> ids_;
    bool holding_ = false;
};

}  // namespace ipc::python
