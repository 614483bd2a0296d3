// SPDX-License-Identifier: Apache-2.0
// What the commands share that unpack an image of the store.
#pragma once

#include <string>

#include "cli/commands.hpp"
#include "cli/limit_flags.hpp"
#include "cli/progress_flag.hpp"
#include "transfer/unpack.hpp"

namespace lade::cli {

struct UnpackFlags {
    std::string platform;
    ProgressFlag progress;
    LimitFlags limits;

    // --platform, --progress, --quiet and the limits.
    void add(CLI::App& command, Context& context);
    // `directory` or else `snapshotter` is where to. permission_denied: it cannot be unpacked with that one here.
    transfer::UnpackOptions options(Context& context, const std::string& snapshotter,
                                    const std::string& directory = {}) const;
};

} // namespace lade::cli
