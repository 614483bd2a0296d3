// SPDX-License-Identifier: Apache-2.0
#include "registry/auth_file.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>

#include "base/base64.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "registry/auth_keys.hpp"

namespace lade::registry {

namespace {

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
        return Credentials::of_identity_token(std::move(token));
    if (const std::string auth = member("auth"); !auth.empty())
        return decode_auth(auth);
    if (std::string user = member("username"); !user.empty())
        return Credentials{.user = std::move(user), .secret = member("password"), .registry_token = {}};
    return std::nullopt;
}

} // namespace

// The parser's own message quotes the text where it stopped, and that may be a secret.
Json parse_secret_object(const std::string& text) {
    if (trim(text).empty())
        return Json::object();
    Json document;
    try {
        document = parse_json(text, "");
    } catch (const Error& error) {
        throw Error(error.kind(), "not valid JSON");
    }
    if (!document.is_object())
        throw Error(ErrorKind::invalid_argument, "not a JSON object");
    return document;
}

std::string read_auth_text(const std::string& path) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
        const int code = errno;
        if (code == ENOENT || code == ENOTDIR || code == EACCES)
            return "";
        throw_errno(code, "open");
    }
    return read_text(file.get(), max_auth_file, "the file");
}

std::string host_of_key(std::string_view key) {
    const std::size_t scheme = key.find("://");
    if (scheme != std::string_view::npos)
        key.remove_prefix(scheme + 3);
    const std::size_t slash = std::min(key.find('/'), key.size());
    const std::string_view path = key.substr(slash);
    const bool is_host = scheme != std::string_view::npos || path.size() <= 1 || path == "/v1" || path == "/v1/" ||
                         path == "/v2" || path == "/v2/";
    return is_host ? lower(key.substr(0, slash)) : "";
}

bool is_key_of(std::string_view key, std::string_view registry) {
    const std::string host = host_of_key(key);
    return host == lower(registry) || (is_hub(host) && is_hub(lower(registry)));
}

AuthFile AuthFile::parse(const std::string& text) {
    const Json config = parse_secret_object(text);
    AuthFile file;
    if (const Json* auths = find_object(config, "auths"))
        for (const auto& [key, value] : auths->items()) {
            Entry& entry = file.entries_[key];
            try {
                if (!value.is_null())
                    entry.credentials = read_entry(value);
            } catch (const Error& error) {
                // It may be about a host that nobody asks for.
                entry.problem = error.message();
            }
        }
    if (const Json* helpers = find_object(config, "credHelpers"))
        for (const auto& [key, value] : helpers->items()) {
            if (!value.is_string())
                throw Error(ErrorKind::invalid_argument, "credHelpers of ", printable(key), ": not a text");
            file.helpers_[key] = value.get<std::string>();
        }
    file.store_ = find_string(config, "credsStore").value_or("");
    return file;
}

AuthFile AuthFile::parse_variable(const std::string& text) {
    const Json config = parse_secret_object(text);
    const auto allow = [](const Json& object, std::string_view allowed) {
        for (const auto& [key, value] : object.items())
            if (key != allowed)
                throw Error(ErrorKind::invalid_argument, "member \"", printable(key), "\" has no place there");
    };
    allow(config, "auths");
    if (const Json* auths = find_object(config, "auths"))
        for (const auto& one : auths->items())
            if (one.value().is_object())
                doing([&] { return cat("auths of ", printable(one.key())); }, [&] { allow(one.value(), "auth"); });
    return parse(text);
}

AuthFile AuthFile::read(const std::string& path) {
    return parse(read_auth_text(path));
}

std::optional<std::string> AuthFile::helper(const std::string& registry) const {
    const auto exact = helpers_.find(registry);
    const auto own = exact != helpers_.end() ? exact : std::ranges::find_if(helpers_, [&](const auto& one) {
        return is_key_of(one.first, registry);
    });
    const std::string& name = own != helpers_.end() ? own->second : store_;
    return name.empty() ? std::nullopt : std::optional(name);
}

std::vector<std::string> AuthFile::keys_for(const Realm& realm) const {
    std::vector<std::string> keys;
    for (std::string path = realm.repository; !path.empty();
         path.erase(path.find('/') == std::string::npos ? 0 : path.rfind('/')))
        keys.push_back(cat(realm.registry, '/', path));
    keys.push_back(realm.registry);
    if (is_hub(realm.registry))
        keys.emplace_back(hub_key);
    for (const auto& [key, entry] : entries_)
        if (is_key_of(key, realm.registry))
            keys.push_back(key);
    return keys;
}

std::optional<Credentials> AuthFile::find(const Realm& realm) const {
    for (const std::string& key : keys_for(realm)) {
        const auto found = entries_.find(key);
        if (found == entries_.end())
            continue;
        if (!found->second.problem.empty())
            throw Error(ErrorKind::invalid_argument, "auths of ", printable(key), ": ", found->second.problem);
        return found->second.credentials;
    }
    return std::nullopt;
}

bool AuthFile::knows(const Realm& realm) const {
    const auto keys = keys_for(realm);
    return helper(realm.registry) || std::ranges::any_of(keys, [&](const auto& key) { return entries_.contains(key); });
}

} // namespace lade::registry
