// SPDX-License-Identifier: Apache-2.0
// Encoders for layer blobs (registry-and-unpack.md 5.6), the other direction of compression.hpp. The same bytes give
// the same bytes, in whatever pieces they come: no time, no name, and nothing depends on how many cores there are. gzip
// uses all of them.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

#include "base/stream.hpp"

namespace lade::archive {

class Compressor : public Sink {
public:
    // Must come last, once: what is still inside, and the end of the stream.
    virtual void finish() = 0;
};

// Passes what is written to it on to `into`, which must outlive it, compressed as `media_type` says. `level`: gzip 1 to
// 9, zstd 1 to 22; nullopt is the library's own. unimplemented: an unknown type, which is named. invalid_argument: no
// level of the type, which has none when it is a plain tar.
std::unique_ptr<Compressor> compress(Sink& into, std::string_view media_type, std::optional<int> level = std::nullopt);

// The level, or `otherwise` where none is given; invalid_argument names the type: it is not 1 to `most`.
int level_within(std::optional<int> level, int most, int otherwise, std::string_view media_type);

// About how much memory such an encoder has at most, in bytes: what it keeps of the stream, and its tables.
std::size_t encoder_memory(std::string_view media_type, std::optional<int> level);

} // namespace lade::archive
