// SPDX-License-Identifier: Apache-2.0
// What the commands have in common that bring an image from its registry: images pull, content fetch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.hpp"
#include "cli/context.hpp"
#include "cli/progress_flag.hpp"
#include "cli/registry_flags.hpp"
#include "transfer/pull.hpp"

namespace lade::cli {

struct PullFlags {
    std::string reference;
    std::vector<std::string> platforms;
    bool all_platforms = false;
    bool all_metadata = false;
    bool skip_metadata = false;
    std::vector<std::string> labels;
    std::size_t downloads = 4;
    bool foreign_layers = false;
    bool referrers = false;
    std::optional<unsigned> chunks;
    std::optional<std::uint64_t> chunk_size;
    ProgressFlag progress;
    RegistryFlags registry;

    void add(const Command& command, Context& context);
    // Everything but what is unpacked, and how. Flags that make no sense are refused here, before there is a store or a
    // request. Asks for a password if one is missing.
    transfer::PullOptions options(const Context& context) const;
    // Pulls while it shows progress, ends with a summary, "<verb> <name> <digest>", and prints what --json and --quiet
    // ask for.
    transfer::Pulled pull(Context& context, const transfer::PullOptions& options, const std::string& verb) const;
};

} // namespace lade::cli
