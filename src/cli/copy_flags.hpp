// SPDX-License-Identifier: Apache-2.0
// What `images copy` has for a copy out of the store: into another namespace, or into another store.
#pragma once

#include <optional>
#include <string>

#include "cli/command.hpp"
#include "cli/context.hpp"
#include "cli/push_flags.hpp"

namespace lade::cli {

struct StoreFlags {
    std::optional<std::string> dest_namespace;
    std::optional<std::string> to_root;
    bool force = false;
    bool skip_missing = false;
    bool no_link = false;

    void add(const Command& command);
    // Whether such a copy is meant. invalid_argument: a flag that is given is of the other kind.
    bool wanted(const Command& command) const;
    void copy(Context& context, const std::string& source, const std::string& target, const PushFlags& common) const;
};

} // namespace lade::cli
