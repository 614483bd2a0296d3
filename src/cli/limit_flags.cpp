// SPDX-License-Identifier: Apache-2.0
#include "cli/limit_flags.hpp"

namespace lade::cli {

void LimitFlags::add(const Command& command) {
    constexpr const char* group = "Limits of an image, beyond which it is refused";
    const auto add_one = [&](const char* name, auto& value, const char* text) {
        return command.add_option(name, value, text).capture_default_str().group(group);
    };
    add_one("--max-size", limits.bytes, "of its files: bytes, 20GB, 5GiB")
        .as_size()
        .type_name("SIZE")
        .default_str("1TiB");
    add_one("--max-entries", limits.entries, "entries of its layers");
    add_one("--max-ratio", limits.ratio, "of a layer to its compressed size").positive();
    add_one("--max-path", limits.path, "bytes of a path").between(1, 4095);
    add_one("--max-depth", limits.depth, "directories within each other");
}

} // namespace lade::cli
