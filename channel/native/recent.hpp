// Ints and bytes that were handed out a moment ago, to be used again: most are let go before the next is asked for, and
// making and freeing them was a third of a call (docs/decisions/0028).
//
// An object is filled anew only while its one reference is the one kept here: then nobody can see it change, as with
// enumerate() and its pair, or _PyBytes_Resize(). Guarded by the GIL. Where there is none, where references are not
// counted, or in a Python that is not known to this file, objects are made each time.
#pragma once

#include <array>
#include <bit>

#include <nanobind/nanobind.h>

#include "channel/core/memory.hpp"

#if PY_VERSION_HEX < 0x030F0000 && !defined(Py_GIL_DISABLED) && !defined(PYPY_VERSION) && !defined(GRAALVM_PYTHON)
#define IPC_USES_OBJECTS_AGAIN 1
#else
#define IPC_USES_OBJECTS_AGAIN 0
#endif

namespace ipc::python {

#if IPC_USES_OBJECTS_AGAIN

// Two: `id = channel.write(...)` lets go of the int before only when the call has returned the next.
class RecentInts {
public:
    [[gnu::always_inline]] PyObject* make(u64 value) {
        if (value <= kShared) return PyLong_FromUnsignedLongLong(value);
        Kept& kept = kept_[turn_ ^= 1];
        if (kept.number != nullptr && Py_REFCNT(kept.number) == 1 && kept.fits(value)) [[likely]] {
            digit* const to = digits_of(kept.number);
            to[0] = static_cast<digit>(value & PyLong_MASK);
            for (int i = 1; i * PyLong_SHIFT <= kept.shift; ++i)
                to[i] = static_cast<digit>(value >> i * PyLong_SHIFT & PyLong_MASK);
            return Py_NewRef(kept.number);
        }
        PyObject* const number = PyLong_FromUnsignedLongLong(value);
        if (number == nullptr) return nullptr;
        Py_XDECREF(kept.number);
        kept = {Py_NewRef(number), (static_cast<int>(std::bit_width(value)) - 1) / PyLong_SHIFT * PyLong_SHIFT};
        return number;
    }

private:
    static constexpr u64 kShared = 1024;  // the interpreter has one int for each of the smallest, for everybody

    struct Kept {
        PyObject* number = nullptr;
        int shift = 0;  // of its highest digit
        // Is that the highest digit of `value` too? Then their numbers of digits, and so their sizes, are the same.
        bool fits(u64 value) const { return value >> shift != 0 && value >> shift <= PyLong_MASK; }
    };

    static digit* digits_of(PyObject* number) {
        auto* const object = reinterpret_cast<PyLongObject*>(number);
#if PY_VERSION_HEX < 0x030C0000
        return object->ob_digit;
#else
        return object->long_value.ob_digit;
#endif
    }

    std::array<Kept, 2> kept_;
    unsigned turn_ = 0;
};

// As many as a usual batch.
class RecentBytes {
public:
    // An object of that size, to be filled before anybody sees it; null with a Python error set.
    [[gnu::always_inline]] PyObject* room(u64 size) {
        if (size > kLargest) return PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size));
        PyObject*& kept = kept_[turn_++ % kept_.size()];
        if (kept != nullptr && Py_REFCNT(kept) == 1 && static_cast<u64>(PyBytes_GET_SIZE(kept)) == size) [[likely]] {
            forget_hash(kept);
            return Py_NewRef(kept);
        }
        return replace(kept, size);
    }

private:
    static constexpr u64 kLargest = 256;  // beyond, the copy is what costs

    [[gnu::noinline]] static PyObject* replace(PyObject*& kept, u64 size) {
        PyObject* const made = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size));
        if (made != nullptr && size != 0) Py_XSETREF(kept, Py_NewRef(made));  // there is one empty bytes, for everybody
        return made;
    }

    static void forget_hash(PyObject* object) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"  // there is no other way to it
        reinterpret_cast<PyBytesObject*>(object)->ob_shash = -1;
#pragma GCC diagnostic pop
    }

    std::array<PyObject*, 64> kept_{};
    unsigned turn_ = 0;
};

#else

struct RecentInts {
    PyObject* make(u64 value) { return PyLong_FromUnsignedLongLong(value); }
};

struct RecentBytes {
    PyObject* room(u64 size) { return PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(size)); }
};

#endif

inline RecentInts recent_ints;
inline RecentBytes recent_bytes;

}  // namespace ipc::python
