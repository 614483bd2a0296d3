// SPDX-License-Identifier: Apache-2.0
// All places where credentials are kept, in the order they are asked (registry-and-unpack.md 2.8,
// containers-auth.json(5)): what the environment says comes before what lies somewhere by default.
//
//   REGISTRY_AUTH_FILE     that file and nothing else
//   DOCKER_AUTH_CONFIG     the text itself
//   DOCKER_CONFIG          config.json in that directory, and nothing else
//   else                   ${XDG_RUNTIME_DIR:-/run/containers/UID}/containers/auth.json,
//                          ${XDG_CONFIG_HOME:-~/.config}/containers/auth.json, ~/.docker/config.json
//
// The first place that has some for the host has the word. A credential helper that a file names keeps the credentials
// of that file.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/program.hpp"
#include "registry/auth_file.hpp"
#include "registry/credentials.hpp"

namespace lade::registry {

// Errors name the file, the variable or the helper, and no secret.
class Keyring {
public:
    explicit Keyring(AskProgram ask) : ask_(std::move(ask)) {}

    std::optional<Credentials> find(const Realm& realm, const std::stop_token& stop) const;

    // For a host: `given`, or what is found under its name when it is wanted.
    KeySource keys(Realm realm, std::optional<Credentials> given) const;

    // Keeps them where the host has some already or a helper, else in the first file that exists, else in the first.
    // Returns where, for people. failed_precondition for a namespace in a file whose helper would be asked instead.
    std::string store(const Realm& realm, const Credentials& credentials, const std::stop_token& stop) const;

    // Takes them out of every file and its helper; returns where they were.
    std::vector<std::string> erase(const Realm& realm, const std::stop_token& stop) const;

private:
    AskProgram ask_;
};

} // namespace lade::registry
