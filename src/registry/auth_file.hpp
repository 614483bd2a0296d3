// SPDX-License-Identifier: Apache-2.0
// Files of credentials: docker's config.json and the containers tools' auth.json, which are read alike
// (registry-and-unpack.md 2.8, containers-auth.json(5)). Messages never hold a secret.
#pragma once

#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "registry/credentials.hpp"

namespace lade::registry {

// Whom credentials are for: a host and what is asked of it, "" for the host itself. "docker.io", "library/alpine".
struct Realm {
    std::string registry;
    std::string repository{};
};

class AuthFile {
public:
    // Of a file's text; an empty one has no entries. invalid_argument when it cannot be parsed.
    static AuthFile parse(const std::string& text);
    // Of the text of DOCKER_AUTH_CONFIG, where anything but auths.*.auth is refused, as docker does.
    static AuthFile parse_variable(const std::string& text);
    // An absent file, and one that this user may not look at, has no entries: HOME may well be another user's.
    static AuthFile read(const std::string& path);

    // The credential helper that the host's credentials are kept by: its own of credHelpers, else credsStore. What
    // `auths` says about the host counts for nothing then.
    std::optional<std::string> helper(const std::string& registry) const;
    // The longest key of `auths` that is the repository or contains it, else the host's own: exact, or by the host's
    // name where the key is a URL. nullopt when there is none, or none with a credential in it.
    std::optional<Credentials> find(const Realm& realm) const;
    // Whether it says anything about them, be it that a helper keeps them.
    bool knows(const Realm& realm) const;

private:
    struct Entry {
        std::optional<Credentials> credentials;
        std::string problem; // why it cannot be used, "" when it can
    };
    // Keys, the one that counts first.
    std::vector<std::string> keys_for(const Realm& realm) const;

    std::map<std::string, Entry> entries_;
    std::map<std::string, std::string> helpers_;
    std::string store_;
};

// Puts the credentials in, or takes out all entries of the host (or of exactly the namespace), and whatever else the
// file says stays. It is replaced at once and has the mode 0600 then; a symbolic link to it stays one. Writers take
// turns by a lock on its directory, which is made if need be.
void store_entry(const std::string& path, const Realm& realm, const Credentials& credentials,
                 const std::stop_token& stop);
// False when there was none: nothing is written then.
bool erase_entry(const std::string& path, const Realm& realm, const std::stop_token& stop);

} // namespace lade::registry
