// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>

#include <memory>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/commands.hpp"
#include "cli/password.hpp"
#include "cli/registry_flags.hpp"
#include "transfer/login.hpp"

namespace lade::cli {

namespace {

struct Flags {
    std::string place;
    RegistryFlags registry;
    bool password_stdin = false;
    bool refresh = false;
    std::vector<std::string> token_servers;
};

registry::Credentials credentials_of(const Flags& flags, const std::stop_token& stop) {
    std::string user = flags.registry.user;
    if (user.find(':') != std::string::npos) {
        if (flags.password_stdin)
            throw Error(ErrorKind::invalid_argument, "--password-stdin: --user has a password already");
        return registry::parse_user(user);
    }
    if (user.empty() && flags.refresh)
        return registry::Credentials::of_identity_token(
            flags.password_stdin ? read_secret(stop) : ask_secret("Refresh token", "by --password-stdin", stop));
    if (user.empty() && flags.password_stdin)
        throw Error(ErrorKind::invalid_argument, "--password-stdin: whose password it is must be said by --user");
    if (user.empty())
        user = ask_openly("Username", "by --user", stop);
    registry::Credentials credentials = registry::parse_user(user);
    credentials.secret = flags.password_stdin ? read_secret(stop) : ask_secret("Password", "by --password-stdin", stop);
    return credentials;
}

void login(Context& context, const Flags& flags) {
    const std::string place = transfer::checked_place(flags.place);
    transfer::LoginOptions options{.place = place,
                                   .registry = flags.registry.connection_options(),
                                   .wants_refresh = flags.refresh,
                                   .token_servers = flags.token_servers};
    options.registry.credentials = credentials_of(flags, context.stop());
    const transfer::LoggedIn done = transfer::login(options, context.stop());
    if (!done.asked)
        complain(cat("warning: ", done.registry, " wants no credentials: they could not be checked"));
    if (context.json)
        context.print_json({{"registry", done.registry}, {"stored", done.stored}, {"checked", done.asked}});
    else
        context.print(cat("logged in to ", done.registry, ", stored in ", printable(done.stored), '\n'));
}

void logout(Context& context, const Flags& flags) {
    const std::string place = transfer::checked_place(flags.place);
    const std::vector<std::string> removed = transfer::logout(place, ask_program, context.stop());
    if (context.json) {
        context.print_json({{"registry", place}, {"removed", removed}});
        return;
    }
    for (const std::string& from : removed)
        context.print(cat("logged out of ", place, ", removed from ", printable(from), '\n'));
}

Command add(const Command& group, Context& context, const std::string& name, const std::string& about, Flags& flags) {
    const Command command = group.add_command(name, about);
    needs_rows_only(command, context);
    command.add_option("registry", flags.place, "quay.io, localhost:5000; a namespace: quay.io/user").required();
    add_json(command, context);
    return command;
}

} // namespace

void add_registry_logins(const Command& group, Context& context) {
    auto in = std::make_shared<Flags>();
    const Command login_command = add(group, context, "login", "check credentials and keep them", *in);
    login_command
        .add_option("-u,--user", in->registry.user, "whose; else asked for at the terminal, as the password is")
        .type_name("USER");
    login_command.add_flag("--password-stdin", in->password_stdin, "take the password from standard input");
    login_command.add_flag("--refresh", in->refresh, "keep a refresh token for it; without --user, take one");
    login_command.add_list("--token-server", in->token_servers,
                           "a host on another site that may see them (repeatable)");
    in->registry.add_connection(login_command);
    in->registry.add_verbose(login_command);
    login_command.runs(context, [&context, in] { login(context, *in); });

    auto out = std::make_shared<Flags>();
    const Command logout_command = add(group, context, "logout", "forget credentials, wherever they are kept", *out);
    logout_command.runs(context, [&context, out] { logout(context, *out); });
}

} // namespace lade::cli
