// What stands where in the block, and what a header word says. Little-endian u64 words; nothing is a pointer.
//
//   constants     magic, version, capacity, participants, checksum        written once, before anybody else can connect
//   writers       owner, tail, head_cache                                 stored to by the holder of `owner` alone
//   readers       head                                                    moved by compare-and-swap alone
//   sleep         seq (futex word), sleepers (flag)
//   bookkeeping   next generation, recoveries
//   participants  kParticipantBytes each
//   ring          capacity bytes, a multiple of 16
//
// A ring entry at position p (p % 16 == 0) is a header word and the payload; it occupies need(length) bytes. A payload
// that meets the end of the ring goes on at its start, so there are no padding entries and any multiple of 16 will do.
// Invariant I1: the header at tail is unpublished, and used + need + 16 <= capacity for every accepted write.
#pragma once

#include <bit>
#include <string>

#include "channel/core/memory.hpp"

namespace ipc {

static_assert(std::endian::native == std::endian::little, "the layout is little-endian");

inline constexpr u64 kMagic = 0x31304c4e43435049;  // "IPCCNL01"
inline constexpr u64 kLayoutVersion = 1;
inline constexpr u64 kEntryAlignment = 16;
inline constexpr u64 kHeaderBytes = 8;
inline constexpr u64 kCacheLine = 64;
inline constexpr u64 kMinCapacity = 64;
inline constexpr u64 kMaxCapacity = u64{1} << 32;

// Fixed words of the block, by byte offset.
namespace at {
inline constexpr Offset magic = 0, version = 8, capacity = 16, participants = 24, checksum = 32;
inline constexpr Offset owner = 64, tail = 72, head_cache = 80;
inline constexpr Offset head = 128;
inline constexpr Offset seq = 192, sleepers = 200;
inline constexpr Offset next_generation = 256, recoveries = 264;
inline constexpr Offset first_participant = 320;
}  // namespace at

// The words of one participant, from its start.
inline constexpr u64 kParticipantBytes = 256;
namespace participant {
inline constexpr Offset generation = 0, pid = 8, started = 16, name = 24, counters = 64;
inline constexpr u64 name_bytes = 32;
}  // namespace participant

// ---- owner: 0 = free | slot : 12 | generation : 52, from 1

constexpr u64 owner_word(unsigned slot, u64 generation) { return generation << 12 | slot; }
constexpr unsigned owner_slot(u64 owner) { return static_cast<unsigned>(owner & 0xfff); }

// ---- tail: a position (multiple of 16) | closed : 1

inline constexpr u64 kClosed = 1;

// ---- header: index : 31 | length : 32 | published : 1
//
// `index` counts the entries since creation, modulo 2^31, in published and unpublished headers alike: two headers tell
// how many entries lie between them, which no walk has to count. An entry is 16 bytes at least and the ring 2^32 at
// most, so it is never ambiguous.

inline constexpr u64 kIndexMask = (u64{1} << 31) - 1;
inline constexpr u64 kTerminalLength = 0xffffffff;  // published by shutdown(): no entry follows

constexpr u64 published_header(u64 index, u64 length) { return index << 33 | length << 1 | 1; }
constexpr u64 unpublished_header(u64 index) { return index << 33; }
constexpr bool is_published(u64 header) { return (header & 1) != 0; }
constexpr u64 header_length(u64 header) { return header >> 1 & 0xffffffff; }
constexpr u64 header_index(u64 header) { return header >> 33; }
constexpr bool is_terminal(u64 header) { return is_published(header) && header_length(header) == kTerminalLength; }

constexpr u64 round_up(u64 size, u64 unit) { return (size + unit - 1) / unit * unit; }
constexpr u64 entry_bytes(u64 length) { return round_up(kHeaderBytes + length, kEntryAlignment); }

// Where the ring begins, and how a position becomes an offset: copied at connect and never read again from memory that
// others can write.
class Geometry {
public:
    Geometry() = default;
    Geometry(u64 capacity, unsigned participants)
        : capacity_(capacity),
          participants_(participants),
          ring_(round_up(at::first_participant + participants * kParticipantBytes, kCacheLine)),
          reciprocal_(static_cast<u64>((static_cast<unsigned __int128>(1) << 64) / capacity)) {}

    u64 capacity() const { return capacity_; }
    unsigned participants() const { return participants_; }
    Offset ring() const { return ring_; }
    u64 block_bytes() const { return ring_ + capacity_; }
    u64 max_message() const { return capacity_ - kHeaderBytes - kEntryAlignment; }
    Offset participant_at(unsigned slot) const { return at::first_participant + slot * kParticipantBytes; }

    // Offset in the ring of a position: position % capacity without a division (20 cycles on a path of 60). The
    // quotient by the truncated reciprocal is at most one too small.
    u64 in_ring(Position position) const {
        const u64 quotient = static_cast<u64>(static_cast<unsigned __int128>(position) * reciprocal_ >> 64);
        const u64 remainder = position - quotient * capacity_;
        return remainder >= capacity_ ? remainder - capacity_ : remainder;
    }
    Offset header_at(Position position) const { return ring_ + in_ring(position); }
    // The offset `bytes`, at most a ring, further round the ring.
    Offset advance(Offset offset, u64 bytes) const {
        const Offset next = offset + bytes;
        return next < block_bytes() ? next : next - capacity_;
    }

private:
    u64 capacity_ = 0;
    unsigned participants_ = 0;
    Offset ring_ = 0;
    u64 reciprocal_ = 0;
};

constexpr u64 constants_checksum(u64 capacity, u64 participants) {
    u64 sum = kMagic;
    for (u64 word : {kLayoutVersion, capacity, participants}) sum = (sum ^ word) * 0x9e3779b97f4a7c15 + (sum >> 29);
    return sum;
}

// The largest ring that fits a block of `bytes` with that many participants; 0 if none does.
constexpr u64 capacity_for(u64 bytes, unsigned participants) {
    const u64 before = round_up(at::first_participant + participants * kParticipantBytes, kCacheLine);
    if (bytes < before + kMinCapacity) return 0;
    const u64 rest = (bytes - before) / kEntryAlignment * kEntryAlignment;
    return rest < kMaxCapacity ? rest : kMaxCapacity;
}

// The name of a word of the block, for traces: "owner", "head", "ring[32].header", ...
inline std::string location_name(const Geometry& geometry, Offset offset) {
    switch (offset) {
        case at::owner: return "owner";
        case at::tail: return "tail";
        case at::head_cache: return "head_cache";
        case at::head: return "head";
        case at::seq: return "seq";
        case at::sleepers: return "sleepers";
        case at::next_generation: return "next_generation";
        case at::recoveries: return "recoveries";
        default: break;
    }
    if (offset >= geometry.ring()) return "ring[" + std::to_string(offset - geometry.ring()) + "]";
    if (offset >= at::first_participant) {
        const u64 from = offset - at::first_participant;
        return "participant[" + std::to_string(from / kParticipantBytes) + "]+" +
               std::to_string(from % kParticipantBytes);
    }
    return "constant+" + std::to_string(offset);
}

}  // namespace ipc
