// Rows of short lists in one flat buffer.
//
// A graph is copied for every backward revisit. Kept as one block, its lists are copied by a few memcpys and allocate
// only when a row outgrows the stride that all rows share.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

namespace explorer {

template <class T>
class Rows {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    explicit Rows(std::size_t stride) : stride_(stride) {}

    std::size_t rows() const { return sizes_.size(); }
    void resize(std::size_t rows) {
        sizes_.resize(rows, 0);
        cells_.resize(rows * stride_);
    }
    void clear() {
        for (auto& size : sizes_) size = 0;
    }

    std::size_t size(std::size_t row) const { return sizes_[row]; }
    T& at(std::size_t row, std::size_t index) { return cells_[row * stride_ + index]; }
    const T& at(std::size_t row, std::size_t index) const { return cells_[row * stride_ + index]; }
    std::span<const T> operator[](std::size_t row) const { return {cells_.data() + row * stride_, sizes_[row]}; }

    void push(std::size_t row, const T& value) {
        if (sizes_[row] == stride_) widen();
        cells_[row * stride_ + sizes_[row]++] = value;
    }
    void pop(std::size_t row) { --sizes_[row]; }
    void truncate(std::size_t row, std::size_t size) { sizes_[row] = static_cast<unsigned>(size); }
    void insert(std::size_t row, std::size_t index, const T& value) {
        if (sizes_[row] == stride_) widen();
        T* first = cells_.data() + row * stride_;
        std::memmove(first + index + 1, first + index, (sizes_[row] - index) * sizeof(T));
        first[index] = value;
        ++sizes_[row];
    }
    void erase(std::size_t row, std::size_t index) {
        T* first = cells_.data() + row * stride_;
        std::memmove(first + index, first + index + 1, (sizes_[row] - index - 1) * sizeof(T));
        --sizes_[row];
    }

    // Become `other` with every row cut to the length that `length(row)` gives.
    template <class Length>
    void assign(const Rows& other, Length length) {
        stride_ = other.stride_;
        resize(other.rows());
        for (std::size_t row = 0; row < other.rows(); ++row) {
            sizes_[row] = static_cast<unsigned>(length(row));
            std::memcpy(cells_.data() + row * stride_, other.cells_.data() + row * stride_, sizes_[row] * sizeof(T));
        }
    }
    // Become those elements of `other` that `keep` accepts, in their order.
    template <class Keep>
    void filter(const Rows& other, Keep keep) {
        stride_ = other.stride_;
        resize(other.rows());
        for (std::size_t row = 0; row < other.rows(); ++row) {
            unsigned kept = 0;
            T* to = cells_.data() + row * stride_;
            for (const T& value : other[row]) {
                if (keep(value)) to[kept++] = value;
            }
            sizes_[row] = kept;
        }
    }

private:
    void widen() {
        const std::size_t wider = stride_ * 2;
        std::vector<T> cells(rows() * wider);
        for (std::size_t row = 0; row < rows(); ++row) {
            std::memcpy(cells.data() + row * wider, cells_.data() + row * stride_, sizes_[row] * sizeof(T));
        }
        cells_ = std::move(cells);
        stride_ = wider;
    }

    std::size_t stride_;
    std::vector<unsigned> sizes_;
    std::vector<T> cells_;
};

}  // namespace explorer
