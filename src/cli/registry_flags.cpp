// SPDX-License-Identifier: Apache-2.0
#include "cli/registry_flags.hpp"

#include <chrono>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/context.hpp"
#include "cli/password.hpp"

namespace lade::cli {

namespace {

// libcurl counts in milliseconds, and in a long.
std::chrono::milliseconds parse_timeout(const char* flag, const std::string& text) {
    const auto duration = parse_duration(text);
    if (!duration || *duration <= std::chrono::nanoseconds(0) || *duration > std::chrono::hours(24))
        throw Error(ErrorKind::invalid_argument, flag, ": ", printable(text),
                    ": not a duration such as 500ms, 30s or 2m, of a day at most");
    return std::chrono::ceil<std::chrono::milliseconds>(*duration);
}

} // namespace

void RegistryFlags::add(const Command& command) {
    command.add_option("-u,--user", user, "user[:password] for the image's registry").type_name("USER");
    command.add_option("--refresh", refresh, "a refresh token, when there is no --user").type_name("TOKEN");
    add_connection(command);
    add_verbose(command);
}

void RegistryFlags::add_verbose(const Command& command) {
    command.add_flag("-v,--verbose", verbose, "tell of each request and of rate limits");
}

void RegistryFlags::add_connection(const Command& command) {
    const Option plain =
        command.add_flag("--plain-http", plain_http, "speak http to a registry that is not on loopback");
    command.add_flag("-k,--skip-verify", skip_verify, "do not verify the registry's certificate");
    command.add_option("--tlscacert", ca, "trust these roots alone for the image's registry")
        .type_name("FILE")
        .excludes(plain);
    const Option shown =
        command.add_option("--tlscert", certificate, "a client certificate for that registry").type_name("FILE");
    const Option its_key = command.add_option("--tlskey", key, "its key").type_name("FILE");
    shown.needs(its_key).excludes(plain);
    its_key.needs(shown);
    command.add_option("--hosts-dir", hosts_dir, "where hosts.toml and certificates are looked for").type_name("DIR");
    command.add_option("--retries", retries, "further attempts after a failed request")
        .between(0, 100)
        .capture_default_str();
    command.add_option("--timeout", timeout, "for a connection, and then for a reply [30s]").type_name("TIME");
    command.add_option("--stall-timeout", stall_timeout, "without a byte of a body")
        .type_name("TIME")
        .capture_default_str();
}

registry::Options RegistryFlags::connection_options() const {
    registry::Options options{.plain_http = plain_http,
                              .skip_verify = skip_verify,
                              .ca = ca,
                              .client = std::nullopt,
                              .credentials = std::nullopt,
                              .retries = retries,
                              .hosts_dir = hosts_dir};
    if (!certificate.empty())
        options.client = {.certificate = certificate, .key = key};
    if (!timeout.empty())
        options.timeout = parse_timeout("--timeout", timeout);
    options.warn = [](const std::string& text) { complain(cat("warning: ", text)); };
    if (verbose)
        options.trace = complain;
    options.stall_timeout = parse_timeout("--stall-timeout", stall_timeout);
    return options;
}

registry::Options RegistryFlags::options(const std::stop_token& stop) const {
    registry::Options options = connection_options();
    if (!user.empty()) {
        options.credentials = registry::parse_user(user);
        if (user.find(':') == std::string::npos)
            options.credentials->secret = ask_password(user, stop);
    } else if (!refresh.empty()) {
        options.credentials = registry::Credentials::of_identity_token(refresh);
    }
    return options;
}

} // namespace lade::cli
