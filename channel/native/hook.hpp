// How a call from Python waits and copies: without the GIL, and with an ear for signals and for close().
//
// Rounds run with the GIL held, so nobody ever waits for the GIL while it owns the owner word.
#pragma once

#include <memory>

#include <nanobind/nanobind.h>

#include "channel/core/block.hpp"

namespace ipc::python {

class GilHook {
public:
    // `block`: the handle's; it becomes null when another thread closes the handle.
    explicit GilHook(const std::shared_ptr<Block>& block) : block_(block) {}
    GilHook(const GilHook&) = delete;
    GilHook& operator=(const GilHook&) = delete;

    // False with a Python error set: a signal handler raised. False without: the handle was closed.
    template <class F>
    bool waiting(F&& step) {
        keep();
        if (thread_ != nullptr) {  // a call that runs wholly without the GIL
            step();
            PyEval_RestoreThread(thread_);
            const bool go_on = undisturbed();
            thread_ = PyEval_SaveThread();
            return go_on;
        }
        Py_BEGIN_ALLOW_THREADS
        step();
        Py_END_ALLOW_THREADS
        return undisturbed();
    }

    template <class F>
    void copying(u64 size, F&& step) {
        if (size < kReleasedCopy) return step();
        keep();
        Py_BEGIN_ALLOW_THREADS
        step();
        Py_END_ALLOW_THREADS
    }

    // Runs a whole call without the GIL; it must touch no Python object.
    template <class F>
    [[gnu::noinline]] auto without_gil(F&& call) {
        keep();
        thread_ = PyEval_SaveThread();
        const auto result = call();
        PyEval_RestoreThread(thread_);
        thread_ = nullptr;
        return result;
    }

    static constexpr u64 kReleasedCopy = 64 * 1024;

private:
    void keep() {
        if (kept_ == nullptr) kept_ = block_;
    }
    bool undisturbed() const { return PyErr_CheckSignals() == 0 && block_ != nullptr; }

    const std::shared_ptr<Block>& block_;
    std::shared_ptr<Block> kept_;  // the mapping stays while the GIL is let go, whoever closes the handle meanwhile
    PyThreadState* thread_ = nullptr;
};

}  // namespace ipc::python
