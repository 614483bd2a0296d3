// SPDX-License-Identifier: Apache-2.0
// What the commands share that unpack an image of the store.
#pragma once

#include <functional>
#include <string>

#include "cli/commands.hpp"
#include "cli/limit_flags.hpp"
#include "transfer/unpack.hpp"

namespace lade::cli {

struct UnpackFlags {
    std::string platform;
    std::string progress = "auto";
    LimitFlags limits;

    // --platform, --progress, --quiet and the limits.
    void add(CLI::App& command, Context& context);
    // `directory` or else `snapshotter` is where to. permission_denied: it cannot be unpacked with that one here.
    transfer::UnpackOptions options(Context& context, const std::string& snapshotter,
                                    const std::string& directory = {}) const;
    // Runs `work` while its progress is shown.
    void show(Context& context, const std::function<void(transfer::Progress&)>& work) const;
};

} // namespace lade::cli
