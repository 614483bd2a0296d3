// SPDX-License-Identifier: Apache-2.0
#include "registry/candidates.hpp"

#include <fcntl.h>

#include <algorithm>
#include <utility>

#include "base/fd.hpp"
#include "base/text.hpp"
#include "registry/hosts_dir.hpp"
#include "registry/keyring.hpp"

namespace lade::registry {

namespace {

HostRules rules_of(const Options& options) {
    return {.plain_http = options.plain_http,
            .skip_verify = options.skip_verify,
            .ca = options.ca,
            .client = options.client};
}

// The places that are looked at by default need not exist; one that is named does.
std::vector<std::string> roots_of(const Options& options) {
    if (options.hosts_dir.empty())
        return default_hosts_dirs();
    doing("hosts directory", [&] { open_at(AT_FDCWD, options.hosts_dir, O_PATH | O_DIRECTORY); });
    return {options.hosts_dir};
}

// Whoever gives flags for a registry should know when a file puts another host in its place.
void tell_withheld(std::string_view domain, const std::vector<Host>& hosts, const Options& options) {
    if (!options.warn || std::ranges::find(hosts, true, &Host::is_registry) != hosts.end())
        return;
    std::vector<std::string> flags;
    if (options.credentials)
        flags.emplace_back(options.credentials->user.empty() ? "--refresh" : "--user");
    if (!options.ca.empty())
        flags.emplace_back("--tlscacert");
    if (options.client)
        flags.emplace_back("--tlscert");
    if (flags.empty())
        return;
    const Host& server = hosts.back();
    options.warn(cat(printable(server.source), ": ", server.base.authority(), " stands in for ", printable(domain),
                     ", so ", join(flags, " and "), flags.size() == 1 ? " has" : " have",
                     " no effect: what is given for the one is not for the other"));
}

std::vector<Host> find_hosts(std::string_view domain, const Options& options) {
    HostList list = hosts_for(domain, rules_of(options), roots_of(options));
    if (options.timeout)
        for (Host& host : list.hosts)
            if (host.dial_timeout)
                host.dial_timeout = std::min(*options.timeout, *host.dial_timeout);
    if (options.warn)
        for (const std::string& warning : list.warnings)
            options.warn(warning);
    return std::move(list.hosts);
}

} // namespace

Timeouts timeouts_of(const Options& options) {
    Timeouts timeouts;
    timeouts.connect = options.timeout.value_or(timeouts.connect);
    timeouts.header = options.timeout.value_or(timeouts.header);
    timeouts.completion = options.timeout.value_or(timeouts.completion);
    timeouts.stall = options.stall_timeout;
    return timeouts;
}

Host find_registry(std::string_view domain, const Options& options) {
    std::vector<Host> hosts = find_hosts(domain, options);
    const auto own = std::ranges::find(hosts, true, &Host::is_registry);
    return own == hosts.end() ? registry_of(domain, rules_of(options)) : std::move(*own);
}

std::vector<Candidate> find_candidates(const oci::Reference& reference, const Options& options) {
    std::vector<Host> hosts = find_hosts(reference.domain(), options);
    tell_withheld(reference.domain(), hosts, options);
    const Keyring keyring(options.ask_program);
    std::vector<Candidate> candidates;
    candidates.reserve(hosts.size());
    for (Host& host : hosts) {
        // -u is for the reference's own registry; a mirror has what is kept under its own name.
        KeySource keys =
            keyring.keys({.registry = host.is_registry ? std::string(reference.domain()) : host.base.authority(),
                          .repository = reference.path()},
                         host.is_registry ? options.credentials : std::nullopt);
        candidates.push_back({.host = std::move(host), .keys = std::move(keys)});
    }
    return candidates;
}

} // namespace lade::registry
