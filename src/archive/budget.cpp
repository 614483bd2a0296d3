// SPDX-License-Identifier: Apache-2.0
#include "archive/budget.hpp"

#include "base/error.hpp"

namespace lade::archive {

void Budget::take_entry() {
    if (entries_.fetch_add(1, std::memory_order_relaxed) >= limits_.entries)
        throw Error(ErrorKind::resource_exhausted, "the image has more than ", limits_.entries, " entries");
}

void Budget::take_bytes(std::uint64_t count) {
    // One size that is too large must not wrap the sum.
    if (count > limits_.bytes || bytes_.fetch_add(count, std::memory_order_relaxed) > limits_.bytes - count)
        throw Error(ErrorKind::resource_exhausted, "the image has more than ", limits_.bytes, " bytes unpacked");
}

void Budget::take_memory(std::size_t count) {
    if (memory_.fetch_add(count, std::memory_order_relaxed) + count <= limits_.memory)
        return;
    give_memory(count);
    throw Error(ErrorKind::resource_exhausted, "more directories and names than memory may be used for");
}

} // namespace lade::archive
