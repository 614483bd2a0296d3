// SPDX-License-Identifier: Apache-2.0
#include "transfer/login.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/reference.hpp"
#include "registry/keyring.hpp"
#include "registry/login.hpp"

namespace lade::transfer {

namespace {

registry::Realm realm_of(const std::string& text) {
    std::string_view rest = text;
    for (const std::string_view scheme : {"https://", "http://"})
        if (rest.starts_with(scheme))
            rest.remove_prefix(scheme.size());
    // docker's own name of docker.io is a URL with a path, which says nothing.
    const bool is_url = rest.size() != text.size();
    while (rest.ends_with('/'))
        rest.remove_suffix(1);
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    std::string host = lower(rest.substr(0, slash));
    if (registry::is_hub(host))
        host = "docker.io";
    std::string path(is_url || slash == rest.size() ? "" : rest.substr(slash + 1));
    const auto reference = oci::Reference::try_parse(cat(host, '/', path.empty() ? "any" : path));
    if (!reference || reference->domain() != host || path.find_first_of(":@") != std::string::npos)
        throw Error(ErrorKind::invalid_argument, "\"", printable(text),
                    "\": not a registry such as quay.io or localhost:5000, nor a namespace on one");
    return {.registry = std::move(host), .repository = std::move(path)};
}

std::string string(const registry::Realm& realm) {
    return realm.repository.empty() ? realm.registry : cat(realm.registry, '/', realm.repository);
}

} // namespace

std::string checked_place(const std::string& text) {
    return string(realm_of(text));
}

LoggedIn login(const LoginOptions& options, const std::stop_token& stop) {
    const registry::Realm realm = realm_of(options.place);
    std::vector<registry::Realm> servers;
    std::vector<std::string> trusted;
    for (const std::string& server : options.token_servers) {
        servers.push_back({.registry = realm_of(server).registry});
        trusted.push_back(servers.back().registry);
    }
    return doing(cat("log in to ", string(realm)), [&] {
        const registry::CheckedLogin checked =
            registry::check_login(realm.registry, options.registry, options.wants_refresh, trusted, stop);
        const registry::Keyring keyring(options.registry.ask_program);
        LoggedIn result{.registry = string(realm),
                        .stored = keyring.store(realm, checked.credentials, stop),
                        .asked = checked.asked};
        for (const registry::Realm& server : servers)
            keyring.store(server, checked.credentials, stop);
        return result;
    });
}

std::vector<std::string> logout(const std::string& place, const AskProgram& ask, const std::stop_token& stop) {
    const registry::Realm realm = realm_of(place);
    std::vector<std::string> erased = registry::Keyring(ask).erase(realm, stop);
    if (erased.empty())
        throw Error(ErrorKind::not_found, "not logged in to ", string(realm));
    return erased;
}

} // namespace lade::transfer
