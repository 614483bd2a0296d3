// SPDX-License-Identifier: Apache-2.0
#include "registry/keyring.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/error.hpp"
#include "base/privilege.hpp"
#include "base/text.hpp"
#include "registry/auth_keys.hpp"
#include "registry/credential_helper.hpp"

namespace lade::registry {

namespace {

constexpr const char* text_variable = "DOCKER_AUTH_CONFIG";

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

struct Places {
    bool has_text = false; // text_variable is asked before the files
    std::vector<std::string> files;
};

Places places() {
    if (const std::string file = variable("REGISTRY_AUTH_FILE"); !file.empty())
        return {.has_text = false, .files = {file}};
    Places found{.has_text = !variable(text_variable).empty(), .files = {}};
    if (const std::string folder = variable("DOCKER_CONFIG"); !folder.empty()) {
        found.files.push_back(folder + "/config.json");
        return found;
    }
    const std::string runtime = variable("XDG_RUNTIME_DIR");
    const std::string config = variable("XDG_CONFIG_HOME");
    const std::string home = variable("HOME");
    found.files.push_back(runtime.empty() ? cat("/run/containers/", user_outside(), "/auth.json")
                                          : runtime + "/containers/auth.json");
    if (!config.empty() || !home.empty())
        found.files.push_back((config.empty() ? home + "/.config" : config) + "/containers/auth.json");
    if (!home.empty())
        found.files.push_back(home + "/.docker/config.json");
    return found;
}

// The names that tools keep a host's credentials by, docker's first.
std::vector<std::string> servers_of(const std::string& registry) {
    if (is_hub(registry))
        return {std::string(hub_key), "docker.io"};
    return {registry, "https://" + registry};
}

AuthFile read(const std::string& path) {
    return doing([&] { return printable(path); }, [&] { return AuthFile::read(path); });
}

bool exists(const std::string& path) {
    return ::access(path.c_str(), F_OK) == 0;
}

std::string choose_file(const Realm& realm) {
    const std::vector<std::string> files = places().files;
    const auto knowing = std::ranges::find_if(files, [&](const std::string& path) { return read(path).knows(realm); });
    if (knowing != files.end())
        return *knowing;
    const auto existing = std::ranges::find_if(files, exists);
    return existing == files.end() ? files.front() : *existing;
}

} // namespace

std::optional<Credentials> Keyring::find(const Realm& realm, const std::stop_token& stop) const {
    const Places all = places();
    if (all.has_text)
        if (auto found =
                doing(text_variable, [&] { return AuthFile::parse_variable(variable(text_variable)).find(realm); }))
            return found;
    for (const std::string& path : all.files) {
        auto found = doing([&] { return printable(path); },
                           [&]() -> std::optional<Credentials> {
                               const AuthFile file = AuthFile::read(path);
                               const auto name = file.helper(realm.registry);
                               if (!name)
                                   return file.find(realm);
                               const CredentialHelper helper(*name, ask_);
                               for (const std::string& server : servers_of(realm.registry))
                                   if (auto kept = helper.find(server, stop))
                                       return kept;
                               return std::nullopt;
                           });
        if (found)
            return found;
    }
    return std::nullopt;
}

KeySource Keyring::keys(Realm realm, std::optional<Credentials> given) const {
    return {
        .own = [keyring = *this, realm = std::move(realm), given = std::move(given)](
                   const std::stop_token& stop) { return given ? given : keyring.find(realm, stop); },
        .of = [keyring = *this](const std::string& registry,
                                const std::stop_token& stop) { return keyring.find({.registry = registry}, stop); }};
}

std::string Keyring::store(const Realm& realm, const Credentials& credentials, const std::stop_token& stop) const {
    std::string path = choose_file(realm);
    const auto name = read(path).helper(realm.registry);
    if (!name) {
        store_entry(path, realm, credentials, stop);
        return path;
    }
    return doing([&] { return printable(path); },
                 [&] {
                     const CredentialHelper helper(*name, ask_);
                     if (!realm.repository.empty())
                         throw Error(ErrorKind::failed_precondition, realm.registry, " has credential helper ",
                                     helper.program(), ", which keeps none for parts of it");
                     helper.store(servers_of(realm.registry).front(), credentials, stop);
                     return cat(helper.program(), ", named in ", path);
                 });
}

std::vector<std::string> Keyring::erase(const Realm& realm, const std::stop_token& stop) const {
    std::vector<std::string> erased;
    for (const std::string& path : places().files) {
        const auto name = read(path).helper(realm.registry);
        if (name && realm.repository.empty())
            doing([&] { return printable(path); },
                  [&] {
                      const CredentialHelper helper(*name, ask_);
                      bool kept = false;
                      for (const std::string& server : servers_of(realm.registry))
                          kept = helper.erase(server, stop) || kept;
                      if (kept)
                          erased.push_back(cat(helper.program(), ", named in ", path));
                  });
        if (erase_entry(path, realm, stop))
            erased.push_back(path);
    }
    return erased;
}

} // namespace lade::registry
