// SPDX-License-Identifier: Apache-2.0
#include "cli/registry_flags.hpp"

#include <termios.h>
#include <unistd.h>

#include <iostream>

#include "base/error.hpp"
#include "cli/context.hpp"

namespace lade::cli {

namespace {

std::string ask_password(const std::string& user) {
    termios before{};
    if (::tcgetattr(STDIN_FILENO, &before) != 0)
        throw Error(ErrorKind::invalid_argument, "--user ", user,
                    ": a password is needed, as user:password or at a terminal");
    termios silent = before;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
    std::cerr << "Password: " << std::flush;
    std::string password;
    std::getline(std::cin, password);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    std::cerr << '\n';
    return password;
}

} // namespace

void RegistryFlags::add(CLI::App& command) {
    command.add_option("-u,--user", user, "user[:password] for the image's registry")->type_name("USER");
    command.add_flag("--plain-http", plain_http, "speak http to a registry that is not on loopback");
    command.add_flag("-k,--skip-verify", skip_verify, "do not verify the registry's certificate");
    command.add_option("--retries", retries, "further attempts after a failed request")
        ->check(CLI::Range(0, 100))
        ->capture_default_str();
}

registry::Options RegistryFlags::options() const {
    registry::Options options{
        .plain_http = plain_http, .skip_verify = skip_verify, .credentials = std::nullopt, .retries = retries};
    if (!user.empty()) {
        options.credentials = registry::parse_user(user);
        if (user.find(':') == std::string::npos)
            options.credentials->secret = ask_password(user);
    }
    return options;
}

} // namespace lade::cli
