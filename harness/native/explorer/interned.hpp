// Byte strings, each kept once and known by a number from 0: a million histories in some forty bytes each.
//
// Open addressing with linear probing (Knuth, The Art of Computer Programming, vol. 3, section 6.4); the strings stand one
// after another in blocks that never move.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

namespace explorer {

class Interned {
public:
    std::size_t size() const { return kept_.size(); }
    std::string_view operator[](std::uint32_t number) const {
        std::uint32_t length;
        std::memcpy(&length, kept_[number], sizeof length);
        return {kept_[number] + sizeof length, length};
    }

    // The string's number, and whether it is new.
    std::pair<std::uint32_t, bool> insert(std::string_view text) {
        if (2 * (kept_.size() + 1) > slots_.size()) grow();
        std::uint32_t& slot = slot_of(text);
        if (slot != 0) return {slot - 1, false};
        keep(text);
        slot = static_cast<std::uint32_t>(kept_.size());
        return {slot - 1, true};
    }

private:
    static constexpr std::size_t block_bytes = std::size_t{1} << 16;

    // The slot that has it, or the empty one where it belongs. A slot is a number and one, 0 if it is empty.
    std::uint32_t& slot_of(std::string_view text) {
        const std::size_t mask = slots_.size() - 1;
        std::size_t at = std::hash<std::string_view>{}(text) & mask;
        while (slots_[at] != 0 && (*this)[slots_[at] - 1] != text) at = (at + 1) & mask;
        return slots_[at];
    }
    void grow() {
        slots_.assign(slots_.empty() ? 64 : 2 * slots_.size(), 0);
        for (std::uint32_t number = 0; number < kept_.size(); ++number) slot_of((*this)[number]) = number + 1;
    }
    void keep(std::string_view text) {
        const auto length = static_cast<std::uint32_t>(text.size());
        const std::size_t bytes = sizeof length + length;
        if (bytes > free_) {
            free_ = std::max(bytes, block_bytes);
            blocks_.push_back(std::make_unique_for_overwrite<char[]>(free_));
            next_ = blocks_.back().get();
        }
        std::memcpy(next_, &length, sizeof length);
        std::memcpy(next_ + sizeof length, text.data(), length);
        kept_.push_back(next_);
        next_ += bytes;
        free_ -= bytes;
    }

    std::vector<std::unique_ptr<char[]>> blocks_;
    char* next_ = nullptr;
    std::size_t free_ = 0;  // in the last block
    std::vector<const char*> kept_;
    std::vector<std::uint32_t> slots_;
};

}  // namespace explorer
