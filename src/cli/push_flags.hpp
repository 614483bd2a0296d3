// SPDX-License-Identifier: Apache-2.0
// What the commands have in common that bring something to a registry: images push, images copy, content push-object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/context.hpp"
#include "cli/progress_flag.hpp"
#include "transfer/push.hpp"

namespace lade::cli {

struct PushFlags {
    std::vector<std::string> platforms;
    bool all_platforms = false;
    bool nondistributable = false;
    bool referrers = false;
    std::size_t uploads = 4;
    std::string chunk_size = "64MiB";
    bool ignored = false;
    ProgressFlag progress;

    // Of images: all of them.
    void add(const Command& command, Context& context);
    // Of a single object: --progress, --quiet and --json.
    void add_output(const Command& command, Context& context);
    std::vector<oci::Platform> chosen_platforms() const;
    std::uint64_t piece() const;
    // Runs `work` while its progress is shown, ends with a summary, "<verb> <name> <digest>", and prints what was made:
    // `text`, or "NAME@DIGEST". `verbose`: lines will come between, over which nothing is to be drawn.
    void run(Context& context, const std::string& verb, bool verbose,
             const std::function<transfer::Pushed(transfer::Progress&)>& work, const std::string& text = {}) const;
};

// images copy, which add_push() adds with images push.
void add_copy(const Command& group, Context& context);

} // namespace lade::cli
