// SPDX-License-Identifier: Apache-2.0
#include "registry/login.hpp"

#include <algorithm>

#include "base/error.hpp"
#include "registry/candidates.hpp"
#include "registry/channel.hpp"
#include "registry/retry.hpp"
#include "registry/status.hpp"

namespace lade::registry {

CheckedLogin check_login(const std::string& registry, const Options& options, bool wants_refresh,
                         const std::vector<std::string>& trusted, const std::stop_token& stop) {
    CheckedLogin checked{.credentials = options.credentials.value(), .asked = false};
    const KeySource keys{.own =
                             [&](const std::stop_token&) {
                                 checked.asked = true;
                                 return options.credentials;
                             },
                         .of =
                             [&](const std::string& host, const std::stop_token&) {
                                 return std::ranges::find(trusted, host) == trusted.end() ? std::nullopt
                                                                                          : options.credentials;
                             }};
    Client client(timeouts_of(options), options.trace);
    Channel channel(client, find_registry(registry, options), "", keys, std::string(refused_meaning));
    if (wants_refresh)
        channel.authorizer().want_refresh_token();
    const auto attempt = [&] {
        NoReceiver nothing;
        const Channel::Answer answer =
            channel.send({.method = "GET", .path = "", .headers = {"Accept: */*"}}, nothing, stop);
        if (!answer.response.ok())
            throw_status(answer.request, answer.response, answer.denied);
    };
    with_retries(options.retries, stop, attempt, [] { return 0U; });
    if (const std::string refusal = channel.authorizer().withheld(); !refusal.empty())
        throw Error(ErrorKind::permission_denied, refusal);
    if (wants_refresh) {
        std::string token = channel.authorizer().refresh_token();
        if (!token.empty())
            checked.credentials = Credentials::of_identity_token(std::move(token));
        else if (!checked.credentials.user.empty())
            throw Error(ErrorKind::failed_precondition,
                        "the registry gives no refresh token to keep instead of the password");
    }
    return checked;
}

} // namespace lade::registry
