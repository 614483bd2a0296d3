// SPDX-License-Identifier: Apache-2.0
#include "registry/hosts_dir.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/size.hpp"
#include "base/text.hpp"
#include "registry/hosts_toml.hpp"

namespace lade::registry {

namespace {

constexpr std::size_t max_file = 1 * mib;

bool exists(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0)
        return true;
    if (errno != ENOENT && errno != ENOTDIR)
        throw_errno(errno, printable(path));
    return false;
}

std::optional<std::string> find_directory(std::string_view domain, const std::vector<std::string>& roots) {
    std::vector<std::string> names;
    const std::size_t colon = domain.rfind(':');
    if (colon != std::string_view::npos && !domain.ends_with(']'))
        names.push_back(cat(domain.substr(0, colon), '_', domain.substr(colon + 1), '_'));
    names.emplace_back(domain);
    names.emplace_back("_default");
    for (const std::string& root : roots)
        for (const std::string& name : names)
            if (std::string path = cat(root, '/', name); exists(path))
                return path;
    return std::nullopt;
}

std::string read_file(const std::string& path) {
    return doing([&] { return printable(path); },
                 [&] {
                     const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
                     if (!file)
                         throw_errno(errno, "open");
                     return read_text(file.get(), max_file, "the file");
                 });
}

// Where a file is named, for what is wrong with it; empty where a flag names it.
using Place = std::function<std::string(const std::string& path)>;

// What a connection needs of an entry's files, read and checked here: what fails in a handshake names no file.
void load_tls(Host& host, const Place& place, bool only_roots = false) {
    if (host.base.scheme != "https" && !host.try_https_too)
        return;
    std::string roots;
    const auto read = [&](const std::string& path, bool certificates) {
        const auto work = [&] {
            std::string text = read_file(path);
            if (certificates &&
                (text.find("-----BEGIN ") == std::string::npos || text.find("CERTIFICATE-----") == std::string::npos))
                throw Error(ErrorKind::invalid_argument, printable(path), ": holds no certificate in PEM");
            return text;
        };
        return place ? doing([&] { return place(path); }, work) : work();
    };
    for (const std::string& path : host.ca)
        roots.append(read(path, true)).append("\n");
    for (const ClientPair& pair : host.client) {
        static_cast<void>(read(pair.certificate, false));
        static_cast<void>(read(pair.key, false));
    }
    if (!roots.empty())
        host.onward_tls = std::make_shared<const Tls>(Tls{.roots = roots});
    host.tls = host.onward_tls;
    if (host.client.empty() && !only_roots)
        return;
    host.tls = std::make_shared<const Tls>(Tls{.roots = roots, .client = host.client, .only_roots = only_roots});
}

// What flags say of the registry itself comes before what is written of it. Whoever names certificates means TLS, and
// whoever names roots wants it to be held to them.
void apply_flags(const HostRules& rules, Host& host) {
    if (!host.is_registry || (rules.ca.empty() && !rules.client))
        return;
    if (!rules.ca.empty())
        host.ca = {rules.ca};
    if (rules.client)
        host.client = {*rules.client};
    if (host.try_https_too)
        host.base.scheme = "https";
    host.try_https_too = false;
    if (!rules.ca.empty() || host.source.empty())
        host.verify = !rules.skip_verify;
    load_tls(host, {}, !rules.ca.empty());
}

// "/us/../v2/" is "/v2"; "" is "/".
std::string clean_path(std::string_view path) {
    std::vector<std::string> kept;
    for (std::string& part : split(path, '/')) {
        if (part == ".." && !kept.empty())
            kept.pop_back();
        else if (!part.empty() && part != "." && part != "..")
            kept.push_back(std::move(part));
    }
    return cat('/', join(kept, "/"));
}

Url base_of(const HostEntry& entry) {
    const std::size_t scheme = entry.url.find("://");
    const std::string_view rest = std::string_view(entry.url).substr(scheme == std::string::npos ? 0 : scheme + 3);
    const std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
    // Not shown: what stands before the @ may be a secret.
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos)
        throw Error(ErrorKind::invalid_argument, "the URL of ", printable(authority.substr(at + 1)),
                    " has a user in it, which has no place there; \"lade registry login\" keeps credentials");
    auto url = Url::parse(scheme == std::string::npos ? cat("https://", entry.url) : entry.url);
    if (!url)
        throw Error(ErrorKind::invalid_argument, '"', printable(entry.url), "\" is no http or https URL");
    url->target = clean_path(url->target.substr(0, url->target.find('?')));
    if (url->host == "docker.io")
        url->host = "registry-1.docker.io";
    const bool complete = url->target == "/v2" || url->target.ends_with("/v2");
    if (!entry.override_path && !complete)
        url->target = cat(url->target == "/" ? "" : url->target, "/v2");
    return *url;
}

// A credential belongs to a host and a port, in whichever way the machine's configuration says it is spoken to; where
// the domain names no port that is https.
bool is_same_host(const Url& one, const Host& registry) {
    return one.host == registry.base.host && one.port == registry.base.port;
}

void apply(const HostEntry& entry, const std::string& path, Host& host) {
    host.ca = entry.ca;
    host.client = entry.client;
    host.headers = entry.headers;
    host.dial_timeout = entry.dial_timeout;
    host.source = entry.line > 0 ? cat(path, ':', entry.line) : path;
    load_tls(host, [&](const std::string& file) {
        const auto line = entry.lines.find(file);
        return line == entry.lines.end() ? printable(host.source) : cat(printable(path), ':', line->second);
    });
}

void apply_to_registry(const HostEntry& entry, const std::string& path, const HostRules& rules, Host& registry) {
    // Whoever keeps a root for a registry on loopback wants it to be held to that.
    const bool said = entry.skip_verify || !entry.ca.empty() || !entry.client.empty();
    if (said)
        registry.verify = !entry.skip_verify.value_or(false) && !rules.skip_verify;
    apply(entry, path, registry);
}

// `registry` is the registry itself, as it would be asked without a configuration.
Host host_of(const HostEntry& entry, const std::string& path, const Host& registry, std::string_view domain) {
    Host host;
    host.base = doing([&] { return cat(printable(path), ':', entry.line); }, [&] { return base_of(entry); });
    host.capabilities = entry.capabilities;
    host.is_registry = is_same_host(host.base, registry);
    host.verify = !entry.skip_verify.value_or(false);
    if (!host.is_registry)
        host.name_space = domain;
    apply(entry, path, host);
    return host;
}

HostList from_toml(const std::string& text, const std::string& path, std::string_view domain, const HostRules& rules) {
    HostsFile file = parse_hosts_toml(text, path);
    Host registry = registry_of(domain, rules);
    HostList list;
    list.hosts.reserve(file.mirrors.size() + 1);
    for (const HostEntry& mirror : file.mirrors)
        list.hosts.push_back(host_of(mirror, path, registry, domain));
    if (file.server.url.empty()) {
        apply_to_registry(file.server, path, rules, registry);
        list.hosts.push_back(std::move(registry));
    } else {
        list.hosts.push_back(host_of(file.server, path, registry, domain));
        list.hosts.back().verify = list.hosts.back().verify && !rules.skip_verify;
    }
    list.warnings = std::move(file.warnings);
    return list;
}

// docker's way: "*.crt" are roots, "*.cert" a client's certificates with their keys in "*.key".
HostList from_certificates(const std::string& folder, std::string_view domain, const HostRules& rules) {
    HostEntry entry;
    for (const std::string& name : list_directory(AT_FDCWD, folder)) {
        const std::string path = cat(folder, '/', name);
        if (name.ends_with(".crt")) {
            entry.ca.push_back(path);
        } else if (name.ends_with(".cert")) {
            const std::string key = cat(path.substr(0, path.size() - 5), ".key");
            if (!exists(key))
                throw Error(ErrorKind::invalid_argument, printable(path), ": its key ", printable(key), " is missing");
            entry.client.push_back({.certificate = path, .key = key});
        }
    }
    Host registry = registry_of(domain, rules);
    apply_to_registry(entry, folder, rules, registry);
    return {.hosts = {std::move(registry)}};
}

} // namespace

std::vector<std::string> default_hosts_dirs() {
    return {"/etc/containerd/certs.d", "/etc/docker/certs.d"};
}

HostList hosts_for(std::string_view domain, const HostRules& rules, const std::vector<std::string>& roots) {
    const auto folder = find_directory(domain, roots);
    HostList list;
    if (!folder) {
        list.hosts.push_back(registry_of(domain, rules));
    } else {
        const std::string path = cat(*folder, "/hosts.toml");
        const std::string text = exists(path) ? read_file(path) : "";
        list = trim(text).empty() ? from_certificates(*folder, domain, rules) : from_toml(text, path, domain, rules);
    }
    for (Host& host : list.hosts)
        apply_flags(rules, host);
    return list;
}

} // namespace lade::registry
