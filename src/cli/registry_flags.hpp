// SPDX-License-Identifier: Apache-2.0
// The flags of every command that speaks to a registry.
#pragma once

#include <stop_token>
#include <string>

#include "cli/command.hpp"
#include "transfer/pull.hpp"

namespace lade::cli {

struct RegistryFlags {
    std::string user;
    std::string refresh;
    bool plain_http = false;
    bool skip_verify = false;
    unsigned retries = 5;
    std::string ca;
    std::string certificate;
    std::string key;
    std::string hosts_dir;
    std::string timeout;
    std::string stall_timeout = "30s";
    bool verbose = false;

    void add(const Command& command);
    // Those that have nothing to do with credentials.
    void add_connection(const Command& command);
    // Of commands that do ask.
    void add_verbose(const Command& command);
    // What those say.
    registry::Options connection_options() const;
    // Asks for a password at the terminal when the user came without one.
    registry::Options options(const std::stop_token& stop) const;
};

} // namespace lade::cli
