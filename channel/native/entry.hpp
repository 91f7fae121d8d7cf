// Entry(id, data): what a read returns. A type of its own, because it is made once per message: a struct of two fields
// costs a third of a named tuple. Unpacks, compares, hashes, pickles and matches like one.
#pragma once

#include <nanobind/nanobind.h>
#include <structmember.h>

#include "channel/core/memory.hpp"
#include "channel/native/call.hpp"

namespace ipc::python {

namespace nb = nanobind;

struct Entry {
    PyObject_HEAD
    u64 id;
    PyObject* data;  // bytes
};

// Entries that were let go, to be used again: most live only until their data is taken. They keep their type, and their
// reference to it. Guarded by the GIL.
struct FreeEntries {
    static constexpr int kMost = 64;
    Entry* entries[kMost];
    int count = 0;
};
inline FreeEntries free_entries;

// `type`: the one of this module. `data` is stolen; null if there is no memory.
inline PyObject* make_entry(PyTypeObject* type, u64 id, PyObject* data) {
    Entry* entry;
    if (free_entries.count > 0) {
        entry = free_entries.entries[--free_entries.count];
        Py_SET_REFCNT(reinterpret_cast<PyObject*>(entry), 1);
    } else {
        entry = PyObject_New(Entry, type);
        if (entry == nullptr) {
            Py_DECREF(data);
            return nullptr;
        }
    }
    entry->id = id;
    entry->data = data;
    return reinterpret_cast<PyObject*>(entry);
}

namespace entry_type {

inline Entry* cast(PyObject* self) { return reinterpret_cast<Entry*>(self); }

inline PyObject* make(PyTypeObject* type, PyObject* args, PyObject* keywords) {
    PyObject *number = nullptr, *data = nullptr;
    static const char* names[] = {"id", "data", nullptr};
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OS:Entry", const_cast<char**>(names), &number, &data)) return nullptr;
    u64 id = 0;
    return to_entry_id(number, id) ? make_entry(type, id, Py_NewRef(data)) : nullptr;
}

inline void dealloc(PyObject* self) {
    Py_DECREF(cast(self)->data);
    if (free_entries.count < FreeEntries::kMost) {
        free_entries.entries[free_entries.count++] = cast(self);
        return;
    }
    PyTypeObject* const type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(type);
}

inline PyObject* id(PyObject* self, void*) { return PyLong_FromUnsignedLongLong(cast(self)->id); }

inline PyObject* repr(PyObject* self) {
    return PyUnicode_FromFormat("Entry(id=%llu, data=%R)", static_cast<unsigned long long>(cast(self)->id),
                                cast(self)->data);
}

inline PyObject* compare(PyObject* left, PyObject* right, int operation) {
    if (Py_TYPE(left) != Py_TYPE(right) || (operation != Py_EQ && operation != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
    int same = cast(left)->id == cast(right)->id;
    if (same) same = PyObject_RichCompareBool(cast(left)->data, cast(right)->data, Py_EQ);
    if (same < 0) return nullptr;
    return PyBool_FromLong((same != 0) == (operation == Py_EQ));
}

inline Py_hash_t hash(PyObject* self) {
    const Py_hash_t of_data = PyObject_Hash(cast(self)->data);
    if (of_data == -1) return -1;
    const Py_hash_t mixed = of_data ^ static_cast<Py_hash_t>(cast(self)->id * 0x9e3779b97f4a7c15ULL);
    return mixed == -1 ? -2 : mixed;
}

inline Py_ssize_t length(PyObject*) { return 2; }

inline PyObject* item(PyObject* self, Py_ssize_t index) {
    if (index == 0) return id(self, nullptr);
    if (index == 1) return Py_NewRef(cast(self)->data);
    PyErr_SetString(PyExc_IndexError, "an Entry has two fields: id, data");
    return nullptr;
}

inline PyObject* reduce(PyObject* self, PyObject*) {
    return Py_BuildValue("O(KO)", Py_TYPE(self), static_cast<unsigned long long>(cast(self)->id), cast(self)->data);
}

}  // namespace entry_type

// The type, made once for a module of this name.
inline PyTypeObject* make_entry_type(nb::module_& module, const char* qualified_name) {
    static PyGetSetDef fields[] = {{"id", entry_type::id, nullptr, "Entry id: grows with every message.", nullptr},
                                   {nullptr, nullptr, nullptr, nullptr, nullptr}};
    // a member, not a getter: the interpreter specialises the access
    static PyMemberDef members[] = {{"data", T_OBJECT_EX, offsetof(Entry, data), READONLY, "The payload, as bytes."},
                                    {nullptr, 0, 0, 0, nullptr}};
    static PyMethodDef methods[] = {{"__reduce__", entry_type::reduce, METH_NOARGS, "For pickle."},
                                    {nullptr, nullptr, 0, nullptr}};
    PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(entry_type::make)},
                           {Py_tp_dealloc, reinterpret_cast<void*>(entry_type::dealloc)},
                           {Py_tp_repr, reinterpret_cast<void*>(entry_type::repr)},
                           {Py_tp_hash, reinterpret_cast<void*>(entry_type::hash)},
                           {Py_tp_richcompare, reinterpret_cast<void*>(entry_type::compare)},
                           {Py_sq_length, reinterpret_cast<void*>(entry_type::length)},
                           {Py_sq_item, reinterpret_cast<void*>(entry_type::item)},
                           {Py_tp_getset, fields},
                           {Py_tp_members, members},
                           {Py_tp_methods, methods},
                           {Py_tp_doc, const_cast<char*>("A message as it was read: its entry id and its bytes.")},
                           {0, nullptr}};
    PyType_Spec spec{qualified_name, sizeof(Entry), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE, slots};
    PyObject* const type = PyType_FromSpec(&spec);
    if (type == nullptr) throw nb::python_error();
    nb::object names = nb::make_tuple("id", "data");
    // an immutable type takes attributes only through its dictionary
    if (PyDict_SetItemString(reinterpret_cast<PyTypeObject*>(type)->tp_dict, "__match_args__", names.ptr()) != 0)
        throw nb::python_error();
    PyType_Modified(reinterpret_cast<PyTypeObject*>(type));
    module.attr("Entry") = nb::borrow(type);
    return reinterpret_cast<PyTypeObject*>(type);
}

}  // namespace ipc::python
