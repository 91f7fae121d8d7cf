// channel._core: the production channel, and nothing planted.
#include <nanobind/stl/vector.h>

#include "channel/native/handle.hpp"

namespace nb = nanobind;
using namespace ipc;

NB_MODULE(_core, module) {
    module.doc() = "The channel's native core.";
    PyTypeObject* const entry_type = python::make_entry_type(module, "channel._core.Entry");
    python::bind_channel<Faithful>(module, "ChannelBase", entry_type).def(nb::init<>());

    module.def("unlink_segment", [](const std::string& name) {
        try {
            return SegmentBlock::unlink(name);
        } catch (const BlockError& error) {
            python::raise_block_error(error);
            throw nb::python_error();
        }
    }, nb::arg("name"), "Remove a segment's name; False if there is none.");
    module.def("unattached_segments", &SegmentBlock::unattached,
               "Names of this user's channels that nobody is attached to.");
    module.def("sweep_segments", [](const std::string& prefix) { return SegmentBlock::sweep(prefix); },
               nb::arg("prefix"), "Remove this user's segments named PREFIXpid-hex that nobody is attached to; their names.");
    module.def("block_bytes", [](u64 capacity, unsigned participants) {
        return Geometry(capacity, participants).block_bytes();
    }, nb::arg("capacity"), nb::arg("participants"), "Bytes of the block around a ring of that capacity.");
    module.def("last_effort", [] {
        const python::LastEffort& effort = python::last_effort;
        return nb::make_tuple(effort.retries, effort.slept);
    }, "Retries, and ns slept, of the calling thread's last operation.");
    module.attr("MIN_CAPACITY") = kMinCapacity;
    module.attr("MAX_CAPACITY") = kMaxCapacity;
    module.attr("MAX_PARTICIPANTS") = static_cast<unsigned>(SlotLock::kNoSlot);
    module.attr("COMPILER") = IPC_COMPILER;
    module.attr("COMPILER_FLAGS") = IPC_COMPILER_FLAGS;
}
