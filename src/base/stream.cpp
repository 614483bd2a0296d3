// SPDX-License-Identifier: Apache-2.0
#include "base/stream.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/size.hpp"

namespace lade {

void StringSink::write(std::span<const std::byte> bytes) {
    if (bytes.size() > limit_ - text_.size())
        throw Error(ErrorKind::resource_exhausted, what_, ": more than ", limit_, " bytes");
    text_.append(as_text(bytes));
}

std::size_t StringSource::read(std::span<std::byte> into) {
    const std::size_t n = std::min(into.size(), rest_.size());
    std::memcpy(into.data(), rest_.data(), n);
    rest_.remove_prefix(n);
    return n;
}

std::size_t FileSource::read(std::span<std::byte> into) {
    into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), rest_)));
    const std::size_t n = into.empty() ? 0 : read_some_at(fd_, into, offset_, what_);
    offset_ += n;
    rest_ -= n;
    return n;
}

std::uint64_t copy(Source& from, Sink& to) {
    std::vector<std::byte> buffer(256 * kib);
    std::uint64_t total = 0;
    while (const std::size_t n = from.read(buffer)) {
        to.write(std::span(buffer).first(n));
        total += n;
    }
    return total;
}

} // namespace lade
