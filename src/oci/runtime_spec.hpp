// SPDX-License-Identifier: Apache-2.0
// The OCI runtime spec of a container (opencontainers/runtime-spec 1.0): what an image's config and the wishes of a
// person become, with containerd's defaults (containerd-store.md 1.6). Linux only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/labels.hpp"

namespace lade::oci {

// What the config of an image says about running it.
struct Execution {
    std::vector<std::string> environment; // "K=V"
    std::vector<std::string> entrypoint;
    std::vector<std::string> command;
    std::string directory;
    std::string user; // as resolve_user() reads it
    std::string stop_signal;
    Labels labels;
};

// invalid_argument with `what` when the text is no config.
Execution parse_execution(std::string_view text, std::string_view what);

struct User {
    std::uint32_t id = 0;
    std::uint32_t group = 0;
    std::vector<std::uint32_t> groups; // all that it is in, its own included
};

// "", "name", "id", "name:group" and so on, by the texts of the image's /etc/passwd and /etc/group. An id that passwd
// does not know is in group 0. not_found: a name that they do not know.
User resolve_user(std::string_view text, std::string_view passwd, std::string_view group);

struct SpecMount {
    std::string type;
    std::string source;
    std::string destination;
    std::vector<std::string> options;
};

// "type=bind,src=/a,dst=/b,options=rbind:ro", in ctr's words; invalid_argument otherwise.
SpecMount parse_mount(std::string_view text);

struct SpecOptions {
    std::string id;
    std::string name_space;
    std::string root = "rootfs"; // for a runtime to replace, or a path
    bool read_only = false;
    std::vector<std::string> arguments;   // instead of the image's command; behind its entrypoint
    std::vector<std::string> environment; // "K=V" sets, "K" removes
    std::string directory;                // "" for the image's
    User user;
    bool terminal = false;
    std::string hostname;
    std::map<std::string, std::string> annotations;
    std::vector<SpecMount> mounts;
    std::vector<std::string> namespaces; // "type:path"
    bool host_network = false;
    bool privileged = false;
    bool new_privileges = false;
    std::vector<std::string> added_capabilities; // with or without CAP_
    std::vector<std::string> dropped_capabilities;
    std::string propagation; // of the root file system
    std::optional<std::uint64_t> memory_limit;
    std::optional<std::int64_t> cpu_quota;
    std::optional<std::uint64_t> cpu_period;
};

// The spec as JSON. `image` is empty where there is none. invalid_argument: nothing to run, an unknown capability, a
// namespace that is not type:path, a propagation or directory that cannot be.
std::string make_runtime_spec(const Execution& image, const SpecOptions& options);

} // namespace lade::oci
