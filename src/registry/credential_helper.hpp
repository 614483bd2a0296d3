// SPDX-License-Identifier: Apache-2.0
// The programs docker-credential-NAME, which keep credentials in keychains (registry-and-unpack.md 2.8, safety.md 4.2).
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "base/program.hpp"
#include "registry/credentials.hpp"

namespace lade::registry {

// Errors name the program: failed_precondition when there is none or it fails, with what it said if that is no JSON;
// unavailable when it does not end; invalid_argument when its reply cannot be read, without the reply.
class CredentialHelper {
public:
    // `name` is what follows "docker-credential-"; invalid_argument for anything but [a-z0-9-]+.
    CredentialHelper(const std::string& name, AskProgram ask);

    const std::string& program() const noexcept { return program_; }

    // Of a server under the name it is kept by; nullopt when the helper knows none.
    std::optional<Credentials> find(const std::string& server, const std::stop_token& stop) const;
    void store(const std::string& server, const Credentials& credentials, const std::stop_token& stop) const;
    // False when there were none.
    bool erase(const std::string& server, const std::stop_token& stop) const;

private:
    // What it printed; nullopt when it says that it has no such credentials.
    std::optional<std::string> ask(const std::string& action, std::string input, const std::stop_token& stop) const;

    std::string program_;
    AskProgram ask_;
};

} // namespace lade::registry
