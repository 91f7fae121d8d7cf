// A fiber: a stack of its own and a switch to and from it.
//
// The switch saves what the System V ABI (x86-64) or the AAPCS64 (aarch64) asks a callee to preserve, and nothing else:
// no signal mask, no floating-point control word. That is a few nanoseconds, where swapcontext(3) pays for two system
// calls. Other processors fall back to ucontext.
//
// A fiber that is started again drops the stack it was on without unwinding it: what runs on a fiber must not own
// anything that only a destructor gives back.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#define EXPLORER_FIBER_UCONTEXT 1
#endif

#if defined(__x86_64__)
extern "C" void explorer_switch_stack(void** save, void* load);
asm(R"(
    .text
    .weak explorer_switch_stack
    .hidden explorer_switch_stack
    .type explorer_switch_stack, @function
explorer_switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size explorer_switch_stack, .-explorer_switch_stack
)");
#elif defined(__aarch64__)
extern "C" void explorer_switch_stack(void** save, void* load);
asm(R"(
    .text
    .weak explorer_switch_stack
    .hidden explorer_switch_stack
    .type explorer_switch_stack, %function
explorer_switch_stack:
    sub sp, sp, #160
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #160
    ret
    .size explorer_switch_stack, .-explorer_switch_stack
)");
#endif

namespace explorer {

class Fiber {
public:
    using Entry = void (*)();  // must not return: it leaves by suspend()

    static constexpr std::size_t default_stack = 256 * 1024;  // address space; pages are committed when touched

    explicit Fiber(std::size_t stack_bytes = default_stack) : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
        size_ = (stack_bytes + page_ - 1) / page_ * page_ + page_;
        void* memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) throw std::bad_alloc();
        stack_ = static_cast<std::byte*>(memory);
        mprotect(stack_, page_, PROT_NONE);  // an overflow faults at once instead of writing over a neighbour
    }
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;
    Fiber(Fiber&& other) noexcept
        : page_(other.page_), size_(other.size_), stack_(std::exchange(other.stack_, nullptr)) {}
    Fiber& operator=(Fiber&&) = delete;
    ~Fiber() {
        if (stack_ != nullptr) munmap(stack_, size_);
    }

#ifndef EXPLORER_FIBER_UCONTEXT
    // The next resume() enters `entry` on an empty stack.
    void reset(Entry entry) {
        void** top = reinterpret_cast<void**>(stack_ + size_);
#if defined(__x86_64__)
        *--top = nullptr;  // where a call would have left its return address: keeps the ABI's alignment at entry
        *--top = reinterpret_cast<void*>(entry);
        for (int callee_saved = 0; callee_saved < 6; ++callee_saved) *--top = nullptr;
#else
        top -= 20;
        for (int slot = 0; slot < 20; ++slot) top[slot] = nullptr;
        top[11] = reinterpret_cast<void*>(entry);  // x30, the link register
#endif
        inside_ = top;
    }
    void resume() { explorer_switch_stack(&outside_, inside_); }
    void suspend() { explorer_switch_stack(&inside_, outside_); }

private:
    void* inside_ = nullptr;
    void* outside_ = nullptr;
#else
    void reset(Entry entry) {
        getcontext(&inside_);
        inside_.uc_stack.ss_sp = stack_ + page_;
        inside_.uc_stack.ss_size = size_ - page_;
        inside_.uc_link = nullptr;
        makecontext(&inside_, entry, 0);
    }
    void resume() { swapcontext(&outside_, &inside_); }
    void suspend() { swapcontext(&inside_, &outside_); }

private:
    ucontext_t inside_{};
    ucontext_t outside_{};
#endif
    std::size_t page_;
    std::size_t size_ = 0;
    std::byte* stack_ = nullptr;
};

}  // namespace explorer
