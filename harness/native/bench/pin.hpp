// A thread that stays on one CPU.
#pragma once

#include <pthread.h>
#include <sched.h>

namespace bench {

// False, and nothing changed, if there is no such CPU or it is not ours.
inline bool pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(cpu), &set);
    return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0;
}

}  // namespace bench
