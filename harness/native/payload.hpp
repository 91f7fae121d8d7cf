// Payloads that say who they are: the message's value (u64, little-endian), then a pattern of value and size.
//
// The pattern's words are key ^ i * kStep, with a key that value and size determine by a full-avalanche mix (the
// finalizer of splitmix64: Steele, Lea & Flood, Fast splittable pseudorandom number generators, 2014). Words of one
// payload differ from each other, and payloads of different messages, or of one message with another size, differ in
// every byte with probability 255/256. So a byte that was torn, swapped, cut off or left over from an earlier message
// shows, unless it happens to be the right one.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>

#include "channel/core/memory.hpp"

namespace harness {

using ipc::u64;

inline constexpr std::size_t kSmallestPayload = sizeof(u64);

namespace pattern {
inline constexpr u64 kStep = 0x9e3779b97f4a7c15;

constexpr u64 key(u64 value, u64 size) {
    u64 mixed = value * 0xd1342543de82ef95 + size + kStep;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
    return mixed ^ mixed >> 31;
}
}  // namespace pattern

// Fills size >= kSmallestPayload bytes with the payload of message `value`.
inline void fill_payload(std::byte* to, std::size_t size, u64 value) {
    std::memcpy(to, &value, sizeof value);
    if (size == kSmallestPayload) return;
    const u64 key = pattern::key(value, size);
    const std::size_t words = size / sizeof(u64);
    u64 walk = pattern::kStep;  // an induction variable: a vector unit adds 64-bit words, but does not multiply them
    for (std::size_t i = 1; i < words; ++i, walk += pattern::kStep) {
        const u64 word = key ^ walk;
        std::memcpy(to + i * sizeof word, &word, sizeof word);
    }
    const u64 rest = key ^ walk;
    std::memcpy(to + words * sizeof rest, &rest, size % sizeof rest);
}

// The value that a payload claims; 0 if it is too short for one.
inline u64 payload_value(const std::byte* payload, std::size_t size) {
    u64 value = 0;
    if (size >= sizeof value) std::memcpy(&value, payload, sizeof value);
    return value;
}

// A message as it is shown everywhere: writer:number (message_value of harness/operation.py).
inline std::string message_name(u64 value) {
    constexpr int number_bits = 40;
    return std::to_string(value >> number_bits) + ":" + std::to_string(value & ((u64{1} << number_bits) - 1));
}

// Is every byte the one that fill_payload writes for that size and the value it claims?
inline bool payload_intact(const std::byte* payload, std::size_t size) {
    if (size < kSmallestPayload) return false;
    if (size == kSmallestPayload) return true;
    const u64 key = pattern::key(payload_value(payload, size), size);
    const std::size_t words = size / sizeof(u64);
    u64 difference = 0, walk = pattern::kStep;
    for (std::size_t i = 1; i < words; ++i, walk += pattern::kStep) {
        u64 word;
        std::memcpy(&word, payload + i * sizeof word, sizeof word);
        difference |= word ^ key ^ walk;
    }
    const u64 rest = key ^ walk;
    return difference == 0 && std::memcmp(payload + words * sizeof rest, &rest, size % sizeof rest) == 0;
}

}  // namespace harness
