// SPDX-License-Identifier: Apache-2.0
// Authentication with one host (registry-and-unpack.md 2.7, safety.md 4.1): challenges in, the value of the
// Authorization header out. Credentials given here are for that host and the token server it names only.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/tasks.hpp"
#include "registry/credentials.hpp"
#include "registry/hosts.hpp"
#include "registry/http.hpp"

namespace lade::registry {

struct Challenge {
    std::string scheme;                            // lower case: "bearer", "basic"
    std::map<std::string, std::string> parameters; // names in lower case

    std::string parameter(const std::string& name) const;
};

// All challenges of one WWW-Authenticate line, in order. Reading ends at the first thing that is not to
// be understood; what stood before it counts.
std::vector<Challenge> parse_challenges(std::string_view line);

// What a token server answered.
struct Token {
    std::string value;
    std::string refresh; // buys further ones without a password; "" when it gave none
    std::chrono::steady_clock::time_point expires;
};
// invalid_argument without the text, which is a secret. The value may go into a header as it is; it
// expires 60 seconds after `asked` when the reply does not say, and a little before its time otherwise.
Token parse_token(std::string_view json, std::chrono::steady_clock::time_point asked);

// Safe to use from several threads at once: one of them asks for a token, the others wait for it.
class Authorizer {
public:
    // `client` outlives it. The keys are asked by the first challenge.
    Authorizer(Client& client, const Host& host, KeySource keys, std::set<std::string> scopes);

    // Token servers are asked for a refresh token too. Before the first request.
    void want_refresh_token() { wants_refresh_ = true; }
    // The last that one gave, or "".
    std::string refresh_token();

    // The header's value for a request to the host, or "" when nothing is known to be needed. A token that is good for
    // `scope`, too, if there is one.
    std::string authorization(const std::string& scope = "");

    // Takes up the challenges of a 401 to a request that carried `used`. True when authorization() has
    // something better now; false when there is nothing (more) to offer. `origin` is where the 401 came from. A
    // token is asked for `scope`, too, if one is given.
    bool answer(const Response& response, const Url& origin, const std::string& used, const std::string& scope,
                const std::stop_token& stop);

    // Why the credentials that there are were not used; "" when they were, or there are none.
    std::string withheld();

private:
    struct Bearer {
        Url realm;
        std::string service;
        std::set<std::string> scopes;
        std::string key() const;
    };

    struct Bought {
        std::set<std::string> scopes;
        Token token;
    };

    // Whether what authorization() gives is for that scope, too.
    bool covers(const std::string& scope);
    // Under the lock: one that is still good, for that scope, too; nullptr when there is none.
    const Token* token_for(const std::string& scope) const;
    bool answer_basic(const std::string& used, const std::stop_token& stop);
    bool answer_bearer(const Challenge& challenge, const Url& origin, const std::string& peer, const std::string& used,
                       const std::string& scope, const std::stop_token& stop);
    const std::optional<Credentials>& own_credentials(const std::stop_token& stop);
    std::optional<Credentials> credentials_at(const Url& realm, const Url& origin, const std::stop_token& stop);
    Url checked_realm(const Challenge& challenge, const Url& origin) const;
    Token fetch_token(const Bearer& bearer, const Url& origin, const std::string& peer, const std::stop_token& stop);
    Response ask(Request request, std::string& body, const std::stop_token& stop);

    Client& client_;
    const Host host_;
    const KeySource keys_;
    const std::set<std::string> scopes_;
    bool wants_refresh_ = false;
    Limiter one_at_a_time_{1};

    // For whom has the slot.
    std::optional<std::optional<Credentials>> credentials_; // once they were looked for

    std::mutex mutex_;
    std::string withheld_;
    std::string refresh_;
    std::string fixed_; // Basic, or the configured registry token
    std::optional<Bearer> bearer_;
    std::map<std::string, Bought> tokens_; // by the key of their scopes
};

} // namespace lade::registry
