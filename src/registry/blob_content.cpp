// SPDX-License-Identifier: Apache-2.0
#include "registry/blob_content.hpp"

#include <algorithm>

namespace lade::registry {

namespace {

// Whatever is wrong with the bytes, others may be right.
template <typename Work>
auto content(const Work& work) {
    try {
        return work();
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::data_loss)
            throw;
        throw WrongContent(error.message());
    }
}

} // namespace

void CheckedContent::seek(std::uint64_t offset) {
    if (source_ && position_ == offset)
        return;
    // Before the next one is opened: it may hold what that one needs.
    source_.reset();
    source_ = content([&] { return content_.open(offset); });
    position_ = offset;
}

std::size_t CheckedContent::read(std::span<std::byte> into) {
    const std::size_t n = content([&] { return source_->read(into); });
    if (n == 0)
        throw WrongContent(blob_.digest, ": its content ends after ", position_, " of ", blob_.size, " bytes");
    const std::uint64_t end = position_ + n;
    if (end > hashed_) {
        hasher_.update(into.first(n).last(static_cast<std::size_t>(end - std::max(hashed_, position_))));
        hashed_ = end;
        if (hashed_ == blob_.size)
            if (const oci::Digest found = hasher_.so_far(); found != blob_.digest)
                throw WrongContent(blob_.digest, ": its content has digest ", found);
    }
    position_ = end;
    return n;
}

} // namespace lade::registry
