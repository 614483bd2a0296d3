// SPDX-License-Identifier: Apache-2.0
#include "cli/registry_flags.hpp"

#include "cli/password.hpp"

namespace lade::cli {

void RegistryFlags::add(CLI::App& command) {
    command.add_option("-u,--user", user, "user[:password] for the image's registry")->type_name("USER");
    command.add_option("--refresh", refresh, "a refresh token, when there is no --user")->type_name("TOKEN");
    add_connection(command);
}

void RegistryFlags::add_connection(CLI::App& command) {
    command.add_flag("--plain-http", plain_http, "speak http to a registry that is not on loopback");
    command.add_flag("-k,--skip-verify", skip_verify, "do not verify the registry's certificate");
    command.add_option("--retries", retries, "further attempts after a failed request")
        ->check(CLI::Range(0, 100))
        ->capture_default_str();
}

registry::Options RegistryFlags::connection_options() const {
    return {.plain_http = plain_http, .skip_verify = skip_verify, .credentials = std::nullopt, .retries = retries};
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
