// SPDX-License-Identifier: Apache-2.0
// Files of credentials, written.
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <functional>

#include "base/base64.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/locks.hpp"
#include "base/text.hpp"
#include "registry/auth_file.hpp"
#include "registry/auth_keys.hpp"

namespace lade::registry {

namespace {

// It keeps the order of what people wrote.
using Ordered = nlohmann::ordered_json;

constexpr mode_t own_only = 0600;
constexpr mode_t own_folder = 0700;

// Where a symbolic link leads in the end, there or not.
std::filesystem::path followed(std::filesystem::path path) {
    constexpr int enough = 40;
    for (int links = 0; links < enough; ++links) {
        std::error_code none;
        const std::filesystem::path target = std::filesystem::read_symlink(path, none);
        if (none)
            return path;
        path = path.parent_path() / target;
    }
    throw_errno(ELOOP, "follow");
}

// `change` says whether the file is to be written.
bool change_file(const std::string& path, const std::stop_token& stop, const std::function<bool(Ordered&)>& change) {
    return doing([&] { return printable(path); },
                 [&] {
                     const std::filesystem::path file = followed(std::filesystem::absolute(path));
                     const std::string name = file.filename();
                     make_directories(file.parent_path(), own_folder);
                     const FileLock lock =
                         FileLock::acquire(open_at(AT_FDCWD, file.parent_path(), O_RDONLY | O_DIRECTORY),
                                           LockMode::exclusive, Patience{}, stop);
                     struct stat before {};
                     const bool is_there = ::fstatat(lock.fd(), name.c_str(), &before, 0) == 0;
                     const std::string text =
                         is_there ? read_text(open_at(lock.fd(), name, O_RDONLY).get(), max_auth_file, name) : "";
                     static_cast<void>(AuthFile::parse(text));
                     Ordered config = trim(text).empty() ? Ordered::object() : Ordered::parse(text);
                     if (!change(config))
                         return false;
                     // One that somebody left could be open to others.
                     if (::unlinkat(lock.fd(), (name + ".tmp").c_str(), 0) != 0 && errno != ENOENT)
                         throw_errno(errno, "remove ", name, ".tmp");
                     replace_file(lock.fd(), name, config.dump(1, '\t') + "\n", own_only);
                     // Root may be at work on somebody's file.
                     if (is_there && before.st_uid != ::geteuid() &&
                         ::fchownat(lock.fd(), name.c_str(), before.st_uid, before.st_gid, AT_SYMLINK_NOFOLLOW) != 0)
                         throw_errno(errno, "give ", name, " to its owner");
                     sync_file(lock.fd(), "the directory");
                     return true;
                 });
}

// The keys that `realm` has in the file.
std::vector<std::string> keys_of(const Ordered& auths, const Realm& realm) {
    std::vector<std::string> keys;
    for (const auto& [key, entry] : auths.items())
        if (realm.repository.empty() ? is_key_of(key, realm.registry)
                                     : key == cat(realm.registry, '/', realm.repository))
            keys.push_back(key);
    return keys;
}

// docker knows docker.io by the URL alone, the containers tools prefer the name.
std::string key_to_write(const std::string& path, const Realm& realm) {
    if (!realm.repository.empty())
        return cat(realm.registry, '/', realm.repository);
    const bool is_dockers = std::filesystem::path(path).filename() == "config.json";
    return is_hub(realm.registry) ? std::string(is_dockers ? hub_key : "docker.io") : realm.registry;
}

Ordered entry_of(const Credentials& credentials) {
    Ordered entry = Ordered::object();
    if (credentials.user.empty()) {
        // Readers want a user before they look at the token.
        entry["auth"] = base64_encode("<token>:");
        entry["identitytoken"] = credentials.secret;
    } else {
        entry["auth"] = base64_encode(cat(credentials.user, ':', credentials.secret));
    }
    return entry;
}

} // namespace

void store_entry(const std::string& path, const Realm& realm, const Credentials& credentials,
                 const std::stop_token& stop) {
    change_file(path, stop, [&](Ordered& config) {
        Ordered& auths = config["auths"];
        if (auths.is_null())
            auths = Ordered::object();
        const std::string written = key_to_write(path, realm);
        for (const std::string& key : keys_of(auths, realm))
            if (key != written)
                auths.erase(key);
        auths[written] = entry_of(credentials);
        return true;
    });
}

bool erase_entry(const std::string& path, const Realm& realm, const std::stop_token& stop) {
    if (::access(path.c_str(), F_OK) != 0)
        return false;
    return change_file(path, stop, [&](Ordered& config) {
        if (!config.contains("auths"))
            return false;
        const std::vector<std::string> keys = keys_of(config["auths"], realm);
        for (const std::string& key : keys)
            config["auths"].erase(key);
        return !keys.empty();
    });
}

} // namespace lade::registry
