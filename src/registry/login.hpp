// SPDX-License-Identifier: Apache-2.0
// Whether a registry takes credentials (registry-and-unpack.md 2.7).
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "registry/credentials.hpp"
#include "registry/repository.hpp"

namespace lade::registry {

struct CheckedLogin {
    Credentials credentials; // to be kept: a refresh token instead of the password where one was wanted
    bool asked = false;      // the registry wanted credentials; else nobody knows whether they are good
};

// Asks the registry ("docker.io", "localhost:5000") with the credentials of `options`, which are given. With
// `wants_refresh` its token server is asked for a token that can be kept instead of them: failed_precondition when it
// gives none. `trusted` are token servers (as Url::authority) on other sites that may see the credentials.
// unauthenticated or permission_denied when they are refused.
CheckedLogin check_login(const std::string& registry, const Options& options, bool wants_refresh,
                         const std::vector<std::string>& trusted, const std::stop_token& stop);

} // namespace lade::registry
