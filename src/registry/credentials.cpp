// SPDX-License-Identifier: Apache-2.0
#include "registry/credentials.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstdlib>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/json.hpp"
#include "base/size.hpp"
#include "base/text.hpp"
#include "registry/base64.hpp"

namespace lade::registry {

namespace {

constexpr std::size_t max_config = 4 * mib;
constexpr std::string_view hub_key = "https://index.docker.io/v1/";

bool is_hub(std::string_view registry) {
    return registry == "docker.io" || registry == "index.docker.io" || registry == "registry-1.docker.io";
}

std::string config_path() {
    if (const char* folder = std::getenv("DOCKER_CONFIG"); folder != nullptr && *folder != '\0')
        return cat(folder, "/config.json");
    if (const char* home = std::getenv("HOME"); home != nullptr && *home != '\0')
        return cat(home, "/.docker/config.json");
    return "";
}

// A file that this user may not look at is as good as none: HOME may well be another user's.
std::optional<std::string> read_config(const std::string& path) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
        const int code = errno;
        if (code == ENOENT || code == ENOTDIR || code == EACCES)
            return std::nullopt;
        throw_errno(code, "open");
    }
    return read_text(file.get(), max_config, "the file");
}

// The parser's own message quotes the text where it stopped, and that may be a secret.
Json parse_secret_json(const std::string& text) {
    try {
        return parse_json(text, "");
    } catch (const Error& error) {
        throw Error(error.kind(), "not valid JSON");
    }
}

// The file's members; none when there is no file.
Json read_config_object(const std::string& path) {
    const auto text = path.empty() ? std::nullopt : read_config(path);
    if (!text || trim(*text).empty())
        return Json::object();
    Json config = parse_secret_json(*text);
    if (!config.is_object())
        throw Error(ErrorKind::invalid_argument, "not a JSON object");
    return config;
}

// "https://host:port/v1/" and "host:port" are the same registry.
std::string host_of_key(std::string_view key) {
    if (const std::size_t scheme = key.find("://"); scheme != std::string_view::npos)
        key.remove_prefix(scheme + 3);
    return lower(key.substr(0, key.find('/')));
}

const Json* find_entry(const Json& auths, std::string_view registry) {
    if (const auto exact = auths.find(std::string(registry)); exact != auths.end())
        return &*exact;
    if (is_hub(registry))
        if (const auto hub = auths.find(std::string(hub_key)); hub != auths.end())
            return &*hub;
    const std::string host = lower(registry);
    for (const auto& [key, entry] : auths.items())
        if (const std::string other = host_of_key(key); other == host || (is_hub(host) && is_hub(other)))
            return &entry;
    return nullptr;
}

// base64 of "user:secret"; helpers of old padded it with NULs.
Credentials decode_auth(const std::string& auth) {
    auto text = base64_decode(trim(auth));
    const std::size_t colon = text ? text->find(':') : std::string::npos;
    if (colon == std::string::npos || colon == 0)
        throw Error(ErrorKind::invalid_argument, "\"auth\" is not the base64 of user:password");
    text->erase(text->find_last_not_of('\0') + 1);
    return {.user = text->substr(0, colon), .secret = text->substr(colon + 1), .registry_token = {}};
}

std::optional<Credentials> read_entry(const Json& entry) {
    const auto member = [&](std::string_view key) { return find_string(entry, key).value_or(""); };
    if (std::string token = member("registrytoken"); !token.empty())
        return Credentials{.user = {}, .secret = {}, .registry_token = std::move(token)};
    if (std::string token = member("identitytoken"); !token.empty())
        return Credentials{.user = {}, .secret = std::move(token), .registry_token = {}};
    if (const std::string auth = member("auth"); !auth.empty())
        return decode_auth(auth);
    if (std::string user = member("username"); !user.empty())
        return Credentials{.user = std::move(user), .secret = member("password"), .registry_token = {}};
    return std::nullopt;
}

} // namespace

Credentials parse_user(std::string_view text) {
    const std::size_t colon = text.find(':');
    Credentials credentials{.user = std::string(text.substr(0, colon)), .secret = {}, .registry_token = {}};
    if (colon != std::string_view::npos)
        credentials.secret = text.substr(colon + 1);
    if (credentials.user.empty() && credentials.secret.empty())
        throw Error(ErrorKind::invalid_argument, "user[:password] is empty");
    return credentials;
}

std::optional<Credentials> find_docker_credentials(std::string_view registry) {
    const std::string path = config_path();
    return doing(path, [&]() -> std::optional<Credentials> {
        const Json config = read_config_object(path);
        // Entries of credHelpers and credsStore will be asked here, before `auths` (2.8).
        const Json* auths = find_object(config, "auths");
        const Json* entry = auths == nullptr ? nullptr : find_entry(*auths, registry);
        if (entry == nullptr)
            return std::nullopt;
        return doing([&] { return cat("auths of ", registry); }, [&] { return read_entry(*entry); });
    });
}

std::optional<std::string> find_docker_helper(std::string_view registry) {
    const std::string path = config_path();
    return doing(path, [&]() -> std::optional<std::string> {
        const Json config = read_config_object(path);
        const Json* helpers = find_object(config, "credHelpers");
        const bool named = helpers != nullptr && find_entry(*helpers, registry) != nullptr;
        const bool stored = !find_string(config, "credsStore").value_or("").empty();
        return named || stored ? std::optional(path) : std::nullopt;
    });
}

} // namespace lade::registry
