// SPDX-License-Identifier: Apache-2.0
// Any bytes as a compressed layer: the first chooses the media type.
#include <array>
#include <string>
#include <vector>

#include "archive/compression.hpp"
#include "base/error.hpp"
#include "base/size.hpp"

using namespace lade;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    constexpr std::array<std::string_view, 3> types{"application/vnd.oci.image.layer.v1.tar+gzip",
                                                    "application/vnd.oci.image.layer.v1.tar+zstd",
                                                    "application/vnd.docker.image.rootfs.diff.tar.gzip"};
    if (size == 0)
        return 0;
    const std::string blob(reinterpret_cast<const char*>(data) + 1, size - 1);
    try {
        StringSource compressed(blob);
        const auto plain = archive::decompress(compressed, types[data[0] % types.size()]);
        std::vector<std::byte> buffer(64 * kib);
        for (std::size_t total = 0; total < 16 * mib;) {
            const std::size_t count = plain->read(buffer);
            if (count == 0)
                break;
            total += count;
        }
    } catch (const Error&) {
        // Refused: as good as read.
    }
    return 0;
}
