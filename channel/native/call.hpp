// What every call from Python shares: its arguments, and the Python error of what went wrong.
#pragma once

#include <cmath>
#include <utility>

#include <nanobind/nanobind.h>

#include "channel/core/errors.hpp"
#include "channel/core/real_memory.hpp"

namespace ipc::python {

namespace nb = nanobind;

// ---- errors

inline nb::object error_class(const char* name) { return nb::module_::import_("channel.errors").attr(name); }

template <class... Args>
PyObject* raise(const char* name, Args&&... args) {
    try {
        nb::object type = error_class(name);
        nb::object error = type(std::forward<Args>(args)...);
        PyErr_SetObject(type.ptr(), error.ptr());
    } catch (nb::python_error& error) {
        error.restore();
    }
    return nullptr;
}

inline void raise_block_error(const BlockError& error) {
    switch (error.kind()) {
        case BlockErrorKind::exists: raise("ChannelExists", error.what()); break;
        case BlockErrorKind::not_found: raise("ChannelNotFound", error.what()); break;
        case BlockErrorKind::foreign: raise("ForeignMemory", error.what()); break;
        case BlockErrorKind::no_slot: raise("NoParticipantSlot", error.what()); break;
        case BlockErrorKind::invalid: PyErr_SetString(PyExc_ValueError, error.what()); break;
        case BlockErrorKind::system: {
            nb::object type = nb::borrow(PyExc_OSError);
            nb::object instance = type(error.error_number(), error.what());
            PyErr_SetObject(PyExc_OSError, instance.ptr());
        }
    }
}

// ---- arguments

// What parse() finds where there is more to see than the one argument that has to be there.
[[gnu::noinline]] inline bool parse_all(const char* method, const char* first_name, const char* second_name,
                                        PyObject* const* args, Py_ssize_t count, PyObject* names, PyObject*& first,
                                        PyObject*& second) {
    const Py_ssize_t most = (first_name != nullptr) + (second_name != nullptr);
    if (count > most) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zd arguments (%zd given)", method, most, count);
        return false;
    }
    if (count > 0) (first_name != nullptr ? first : second) = args[0];
    if (count > 1) second = args[1];
    const Py_ssize_t named = names == nullptr ? 0 : PyTuple_GET_SIZE(names);
    for (Py_ssize_t i = 0; i < named; ++i) {
        PyObject* const name = PyTuple_GET_ITEM(names, i);
        PyObject** target = nullptr;
        if (first_name != nullptr && PyUnicode_CompareWithASCIIString(name, first_name) == 0) target = &first;
        else if (second_name != nullptr && PyUnicode_CompareWithASCIIString(name, second_name) == 0) target = &second;
        if (target == nullptr) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", method, name);
            return false;
        }
        *target = args[count + i];
    }
    if (first_name != nullptr && first == nullptr) {
        PyErr_Format(PyExc_TypeError, "%s() missing the argument '%s'", method, first_name);
        return false;
    }
    return true;
}

// Up to two arguments, by position or name; missing ones stay as they are. False with a Python error set. Inlined: most
// calls have no more than the argument that they must have.
[[gnu::always_inline]] inline bool parse(const char* method, const char* first_name, const char* second_name,
                                         PyObject* const* args, Py_ssize_t count, PyObject* names, PyObject*& first,
                                         PyObject*& second) {
    if (names == nullptr && count == (first_name != nullptr ? 1 : 0)) {
        if (first_name != nullptr) first = args[0];
        return true;
    }
    return parse_all(method, first_name, second_name, args, count, names, first, second);
}

// Of a number of seconds; one beyond a century leaves `deadline` as it is. False with a Python error set.
inline bool seconds_to_deadline(PyObject* timeout, Nanoseconds& deadline) {
    const double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred() != nullptr) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError) == 0) return false;
        PyErr_Clear();
        PyErr_SetString(PyExc_ValueError,
                        "a timeout is None, which waits without one, or a number of seconds from 0 that a float holds; "
                        "got an integer beyond 1e308");
        return false;
    }
    if (!(seconds >= 0)) {
        PyErr_Format(PyExc_ValueError, "a timeout is None or a number of seconds from 0; got %R", timeout);
        return false;
    }
    constexpr double kCentury = 3.2e9;
    if (seconds < kCentury) deadline = monotonic_now() + static_cast<Nanoseconds>(std::ceil(seconds * 1e9));
    return true;
}

// Seconds, or None, to a deadline. False with a Python error set.
[[gnu::always_inline]] inline bool to_deadline(PyObject* timeout, Nanoseconds& deadline) {
    deadline = never;
    return timeout == nullptr || timeout == Py_None || seconds_to_deadline(timeout, deadline);
}

// A number of messages to take at most. False with a Python error set.
inline bool to_limit(PyObject* limit, std::size_t& most) {
    if (PyBool_Check(limit)) {
        PyErr_Format(PyExc_TypeError, "limit is a whole number of messages; got %R", limit);
        return false;
    }
    const Py_ssize_t wanted = PyNumber_AsSsize_t(limit, PyExc_OverflowError);
    if (wanted == -1 && PyErr_Occurred() != nullptr) {
        if (PyErr_ExceptionMatches(PyExc_OverflowError) == 0) return false;
        PyErr_Clear();  // a number so long may have no repr
        PyErr_SetString(PyExc_ValueError, "limit is a number of messages from 1 to sys.maxsize; got one beyond that");
        return false;
    }
    if (wanted < 1) {
        PyErr_Format(PyExc_ValueError, "limit is a number of messages from 1; got %zd", wanted);
        return false;
    }
    most = static_cast<std::size_t>(wanted);
    return true;
}

// An entry id. False with a Python error set.
inline bool to_entry_id(PyObject* number, u64& value) {
    if (PyBool_Check(number)) {
        PyErr_Format(PyExc_TypeError, "an entry id is a whole number; got %R", number);
        return false;
    }
    value = PyLong_AsUnsignedLongLong(number);
    if (value != ~u64{0} || PyErr_Occurred() == nullptr) return true;
    const bool out_of_range = PyErr_ExceptionMatches(PyExc_OverflowError) != 0;
    PyErr_Clear();  // nothing may stand while the number's repr is asked for
    if (out_of_range) PyErr_Format(PyExc_ValueError, "an entry id is from 0 to 2**64 - 1; got %R", number);
    else PyErr_Format(PyExc_TypeError, "an entry id is a whole number; got %R", number);
    return false;
}

}  // namespace ipc::python
