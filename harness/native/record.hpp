// What a script asks and what a history records, byte for byte as the numpy dtypes OPERATION (harness/program.py) and
// OPERATION_RECORD (harness/history.py). tests/executors/test_layout.py compares the offsets.
#pragma once

#include <cstddef>
#include <cstdint>

#include "channel/core/channel.hpp"

namespace harness {

using ipc::u64;
using ipc::Nanoseconds;

// Numbers as in harness/operation.py.
enum class Kind : std::uint8_t {
    write, try_write, read, try_read, peek, skip, skip_force, write_many, read_many,
    state, shutdown,  // under the explorer only: a run looks at the state and ends the stream by itself
    count  // not a kind
};

constexpr bool writes(Kind kind) { return kind == Kind::write || kind == Kind::try_write || kind == Kind::write_many; }
constexpr bool is_batch(Kind kind) { return kind == Kind::write_many || kind == Kind::read_many; }
constexpr bool carries_payload(Kind kind) {
    return kind == Kind::read || kind == Kind::try_read || kind == Kind::read_many || kind == Kind::peek;
}

// A recorded status is an ipc::Status up to `corrupted`, or this: the operation never returned.
inline constexpr std::uint8_t kPending = 9;
static_assert(kPending == static_cast<std::uint8_t>(ipc::Status::corrupted) + 1);

inline constexpr Nanoseconds kNoTimeout = -1;
inline constexpr Nanoseconds kNeverReturned = INT64_MAX;
inline constexpr u64 kNoId = ~u64{0};
inline constexpr std::uint8_t kIntact = 1;

struct ScriptOperation {
    u64 value;
    Nanoseconds timeout;
    std::uint32_t size;
    std::uint32_t think;
    std::uint32_t count;
    Kind kind;
    std::uint8_t pad[3];
};
static_assert(sizeof(ScriptOperation) == 32);
static_assert(offsetof(ScriptOperation, timeout) == 8 && offsetof(ScriptOperation, size) == 16 &&
              offsetof(ScriptOperation, think) == 20 && offsetof(ScriptOperation, count) == 24 &&
              offsetof(ScriptOperation, kind) == 28);

struct OperationRecord {
    Nanoseconds invoked;
    Nanoseconds returned;
    u64 value;
    u64 id;
    u64 target;
    Nanoseconds timeout;
    std::uint32_t size;
    std::uint32_t retries;
    std::uint32_t batch;
    std::uint32_t slept;
    std::uint16_t worker;
    Kind kind;
    std::uint8_t status;
    std::uint8_t flags;
    std::uint8_t pad[3];
};
static_assert(sizeof(OperationRecord) == 72);
static_assert(offsetof(OperationRecord, returned) == 8 && offsetof(OperationRecord, value) == 16 &&
              offsetof(OperationRecord, id) == 24 && offsetof(OperationRecord, target) == 32 &&
              offsetof(OperationRecord, timeout) == 40 && offsetof(OperationRecord, size) == 48 &&
              offsetof(OperationRecord, retries) == 52 && offsetof(OperationRecord, batch) == 56 &&
              offsetof(OperationRecord, slept) == 60 && offsetof(OperationRecord, worker) == 64 &&
              offsetof(OperationRecord, kind) == 66 && offsetof(OperationRecord, status) == 67 &&
              offsetof(OperationRecord, flags) == 68);

}  // namespace harness
