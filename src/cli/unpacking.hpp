// SPDX-License-Identifier: Apache-2.0
// What the commands share that unpack an image of the store.
#pragma once

#include <optional>
#include <string>

#include "cli/commands.hpp"
#include "cli/limit_flags.hpp"
#include "cli/progress_flag.hpp"
#include "transfer/unpack.hpp"

namespace lade::cli {

// The snapshotter that what comes in is unpacked with, `flag` or what is usual; nullopt when nobody asked for one and
// this process cannot, which is said. permission_denied: it cannot use the one that was asked for.
std::optional<std::string> find_unpack_target(Context& context, const std::string& flag);

struct UnpackFlags {
    std::string platform;
    ProgressFlag progress;
    LimitFlags limits;

    // --platform, --progress, --quiet and the limits.
    void add(const Command& command, Context& context);
    // `directory` or else `snapshotter` is where to. permission_denied: it cannot be unpacked with that one here.
    transfer::UnpackOptions options(Context& context, const std::string& snapshotter,
                                    const std::string& directory = {}) const;
};

} // namespace lade::cli
