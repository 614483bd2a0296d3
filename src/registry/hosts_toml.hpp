// SPDX-License-Identifier: Apache-2.0
// hosts.toml as it is written (registry-and-unpack.md 2.9): nothing is looked up, no other file is read.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/hosts.hpp"

namespace lade::registry {

// The root table, which is about the registry itself, or one [host."URL"].
struct HostEntry {
    std::string url; // as written; "" of a root table without `server`
    unsigned line = 0;
    Capabilities capabilities{};
    std::vector<std::string> ca{}; // paths; a relative one begins in the file's directory
    std::vector<ClientPair> client{};
    std::optional<bool> skip_verify{};
    std::vector<std::string> headers{}; // "Name: value"
    bool override_path = false;
    std::optional<std::chrono::milliseconds> dial_timeout{};
    std::map<std::string, unsigned> lines{}; // where each of the files of `ca` and `client` is named
};

struct HostsFile {
    std::string path;
    HostEntry server{};
    std::vector<HostEntry> mirrors{};    // in the order in which they are first named
    std::vector<std::string> warnings{}; // what has no effect, each with file and line
};

// invalid_argument with "PATH:LINE: " in front of the cause for what is no TOML, of a wrong type or meaningless.
HostsFile parse_hosts_toml(std::string_view text, const std::string& path);

} // namespace lade::registry
