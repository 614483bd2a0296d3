// SPDX-License-Identifier: Apache-2.0
// --progress and --quiet, and what they are about.
#pragma once

#include <functional>
#include <string>

#include "cli/commands.hpp"
#include "transfer/progress.hpp"

namespace lade::cli {

struct ProgressFlag {
    std::string word = "auto";

    // --progress and --quiet.
    void add(const Command& command, Context& context, const std::string& about_quiet = "no progress");
    // Runs `work` while its progress is shown, and waits for other processes with it. `summarise` has the last word
    // when all is shown, where people read it.
    void show(Context& context, const std::function<void(transfer::Progress&)>& work,
              const std::function<void(const transfer::Progress&)>& summarise = {}) const;
};

} // namespace lade::cli
