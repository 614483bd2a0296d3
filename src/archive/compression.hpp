// SPDX-License-Identifier: Apache-2.0
// What layer types say of their bytes, and decoders for layer blobs: gzip (ISA-L, or zlib when built without), zstd,
// none (registry-and-unpack.md 3.1, safety.md 2.3).
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

#include "base/stream.hpp"

namespace lade::archive {

enum class Compression { none, gzip, zstd };

struct LayerFormat {
    Compression compression = Compression::none;
    // The bytes are what the type says. Otherwise they may be any of these: docker's types never meant much, and OCI's
    // name one of two compressions.
    bool exact = false;
};

// unimplemented: an unknown or encrypted type, which is named.
LayerFormat layer_format(std::string_view media_type);

// How a layer of `media_type` is compressed whose bytes begin so: `magic_size` of them, all if there are fewer. An OCI
// plain tar is one whatever it begins with. Types as layer_format() has them.
inline constexpr std::size_t magic_size = 10;
Compression compression_of(std::span<const std::byte> beginning, std::string_view media_type);

// The plain tar of a layer of `media_type`. The type says whether the bytes are compressed at all (an
// OCI plain tar is never sniffed), the magic says how. Several gzip members or zstd frames are one
// stream; garbage after the last, a cut stream, a bad checksum and a zstd window over 128 MiB are
// data_loss. Types as layer_format() has them. `compressed` must outlive the result and is read to its very
// end before the result reports its own.
std::unique_ptr<Source> decompress(Source& compressed, std::string_view media_type);

// The same of bytes that nobody told the type of. unimplemented, as compression_of() has it.
std::unique_ptr<Source> decompress(Source& compressed);

// What bytes are compressed with that begin so; the first `magic_size` tell. unimplemented: with something that is not
// known here, which is named.
Compression compression_of(std::span<const std::byte> beginning);

// The same of what `source` begins with, which is read for that.
Compression compression_of(Source& source);

// The library that inflates gzip in this build: "isal" or "zlib".
std::string_view gzip_engine() noexcept;

} // namespace lade::archive
