// SPDX-License-Identifier: Apache-2.0
#include "registry/credential_helper.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"

namespace lade::registry {

namespace {

// The user's name that stands for an identity token.
constexpr std::string_view token_user = "<token>";
constexpr std::string_view none_known = "credentials not found in native keychain";

// What a program that failed said, if it may be shown: JSON of a helper may hold a secret.
std::string last_words(const ProgramReply& reply) {
    constexpr std::size_t enough = 300;
    for (const std::string* said : {&reply.output, &reply.errors}) {
        const std::string_view text = trim(*said);
        if (!text.empty() && text.find('{') == std::string_view::npos)
            return ": " + printable(text.substr(text.size() - std::min(text.size(), enough)));
    }
    return "";
}

} // namespace

CredentialHelper::CredentialHelper(const std::string& name, AskProgram ask)
    : program_("docker-credential-" + name), ask_(std::move(ask)) {
    if (name.empty() || name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos)
        throw Error(ErrorKind::invalid_argument, "credential helper \"", printable(name),
                    "\": not a name of [a-z0-9-]+");
}

std::optional<std::string> CredentialHelper::ask(const std::string& action, std::string input,
                                                 const std::stop_token& stop) const {
    const std::string path = find_program(program_);
    if (path.empty())
        throw Error(ErrorKind::failed_precondition, "credential helper ", program_, ": no such program in PATH");
    return doing([&] { return cat("credential helper ", program_, ' ', action); },
                 [&]() -> std::optional<std::string> {
                     if (input.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
                         throw Error(ErrorKind::invalid_argument, "what it is to be told holds a line break or NUL");
                     ProgramReply reply = ask_({.path = path, .arguments = {action}, .input = std::move(input)}, stop);
                     if (reply.code == 0)
                         return std::move(reply.output);
                     check_stop(stop);
                     if (reply.output.find(none_known) != std::string::npos)
                         return std::nullopt;
                     throw Error(ErrorKind::failed_precondition, "exit code ", reply.code, last_words(reply));
                 });
}

std::optional<Credentials> CredentialHelper::find(const std::string& server, const std::stop_token& stop) const {
    const auto said = ask("get", server, stop);
    if (!said)
        return std::nullopt;
    std::string user;
    std::string secret;
    try {
        const Json reply = parse_json(*said, "");
        user = find_string(reply, "Username").value_or("");
        secret = find_string(reply, "Secret").value_or("");
    } catch (const Error&) {
        throw Error(ErrorKind::invalid_argument, "credential helper ", program_,
                    " get: the reply is not the JSON it should be");
    }
    if (secret.empty())
        return std::nullopt;
    if (user == token_user)
        return Credentials::of_identity_token(std::move(secret));
    return Credentials{.user = std::move(user), .secret = std::move(secret), .registry_token = {}};
}

void CredentialHelper::store(const std::string& server, const Credentials& credentials,
                             const std::stop_token& stop) const {
    const std::string user = credentials.user.empty() ? std::string(token_user) : credentials.user;
    const Json told{{"ServerURL", server}, {"Username", user}, {"Secret", credentials.secret}};
    if (!ask("store", dump_json(told), stop))
        throw Error(ErrorKind::failed_precondition, "credential helper ", program_, " store: ", none_known);
}

bool CredentialHelper::erase(const std::string& server, const std::stop_token& stop) const {
    return find(server, stop) && ask("erase", server, stop);
}

} // namespace lade::registry
