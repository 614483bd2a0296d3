// SPDX-License-Identifier: Apache-2.0
// How much of the machine one image may use (safety.md 1.8), so that no number in a layer is a bound of its own choice.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace lade::archive {

struct Limits {
    std::uint64_t bytes = std::uint64_t{1} << 40; // of all files of the image
    std::uint64_t entries = 10'000'000;           // of all its layers
    // Of a layer's tar to its compressed size: more than gzip can do. Up to `ratio_free` anything goes, for the sake of
    // files of zeros.
    // 1 at least.
    std::uint64_t ratio = 1100;
    // Both also of where an entry ends up, links followed. What the kernel takes in one call:
    std::size_t path = 4095;
    // Whoever copies a tree keeps up to two descriptors open for each level of it, of the 1024 that a process usually
    // has.
    std::size_t depth = 256;
    // Spent on what must be remembered to the end of a layer, directories above all; by all layers that are applied at
    // the same time.
    std::size_t memory = std::size_t{1} << 29;
};
inline constexpr std::uint64_t ratio_free = std::uint64_t{1} << 30;

// What is left for the layers of one image, applied by any number of threads. A layer that has to be applied again
// counts again.
class Budget {
public:
    explicit Budget(const Limits& limits) : limits_(limits) {}

    const Limits& limits() const noexcept { return limits_; }
    // Both throw resource_exhausted, naming the limit.
    void take_entry();
    void take_bytes(std::uint64_t count);
    // As the others; what was taken is given back when it is no longer needed.
    void take_memory(std::size_t count);
    void give_memory(std::size_t count) noexcept { memory_.fetch_sub(count, std::memory_order_relaxed); }

private:
    const Limits limits_;
    std::atomic<std::uint64_t> entries_ = 0;
    std::atomic<std::uint64_t> bytes_ = 0;
    std::atomic<std::size_t> memory_ = 0;
};

} // namespace lade::archive
