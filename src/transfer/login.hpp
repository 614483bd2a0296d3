// SPDX-License-Identifier: Apache-2.0
// `registry login` and `registry logout`: credentials that were checked, to the place where they are looked for.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "registry/repository.hpp"

namespace lade::transfer {

struct LoginOptions {
    std::string place;                      // "docker.io", "localhost:5000", or a namespace on one: "quay.io/user"
    registry::Options registry;             // with credentials
    bool wants_refresh = false;             // keep a refresh token instead of the password
    std::vector<std::string> token_servers; // hosts on other sites that the credentials belong to as well
};

struct LoggedIn {
    std::string registry; // or the namespace
    std::string stored;   // where, for people
    bool asked = false;   // the registry wanted the credentials, and took them
};

// The registry or namespace as it is kept; "https://" before it and "/" behind it do not matter. invalid_argument when
// it is none.
std::string checked_place(const std::string& text);

// Nothing is stored unless the registry takes them: unauthenticated or permission_denied.
LoggedIn login(const LoginOptions& options, const std::stop_token& stop);

// Where credentials of the registry, or of exactly the namespace, were taken out; nowhere is not_found.
std::vector<std::string> logout(const std::string& place, const AskProgram& ask, const std::stop_token& stop);

} // namespace lade::transfer
