// SPDX-License-Identifier: Apache-2.0
// Directories that say whom to ask for the images of a domain (registry-and-unpack.md 2.9): a hosts.toml, or docker's
// certificates alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "registry/hosts.hpp"

namespace lade::registry {

// Where containerd and docker look, in this order.
std::vector<std::string> default_hosts_dirs();

struct HostList {
    std::vector<Host> hosts{};           // in the order in which they are asked; never empty, the server is the last
    std::vector<std::string> warnings{}; // what was met on the way and has no effect, each with its place
};

// In each of `roots` these are looked for: "host_port_" and "host:port" (or "host"), then "_default"; the first
// directory that exists is the only one that counts. Without any, the registry itself is asked. `rules` are about the
// registry itself, never about a mirror, and say more than any file; the roots among them do without those of the
// machine, but where the registry sends us both are trusted. invalid_argument with file and line for a hosts.toml that
// cannot be used; the kinds of errno, naming the file, for one or a certificate that cannot be read.
HostList hosts_for(std::string_view domain, const HostRules& rules, const std::vector<std::string>& roots);

} // namespace lade::registry
