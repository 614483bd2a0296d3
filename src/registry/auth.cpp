// SPDX-License-Identifier: Apache-2.0
#include "registry/auth.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <utility>

#include "base/base64.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "base/size.hpp"
#include "base/text.hpp"
#include "registry/document_receiver.hpp"
#include "registry/redirects.hpp"
#include "registry/status.hpp"

namespace lade::registry {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr std::size_t max_token_reply = 1 * mib;
constexpr std::string_view client_id = "lade";
constexpr seconds default_expiry{60};
constexpr seconds longest_expiry{24 * 3600};

// A reply to the password form that only says that the form is not understood.
bool wants_get(int status) {
    return status == 400 || status == 401 || status == 404 || status == 405;
}

void append_parameter(std::string& text, std::string_view name, std::string_view value) {
    if (!text.empty() && text.back() != '?')
        text.push_back('&');
    text.append(name).append("=").append(percent_encode(value));
}

std::string basic(const Credentials& credentials) {
    return cat("Basic ", base64_encode(cat(credentials.user, ':', credentials.secret)));
}

} // namespace

Token parse_token(std::string_view json, Clock::time_point asked) {
    Token token;
    auto lifetime = default_expiry;
    try {
        const Json document = parse_json(json, "token");
        for (const char* name : {"access_token", "token"})
            if (token.value.empty())
                token.value = find_string(document, name).value_or("");
        token.refresh = find_string(document, "refresh_token").value_or("");
        if (const auto expires = find_integer(document, "expires_in"); expires && *expires > 0)
            lifetime = seconds(std::min<std::int64_t>(*expires, longest_expiry.count()));
    } catch (const Error&) {
        throw Error(ErrorKind::invalid_argument, "the token server's reply is not the JSON it should be");
    }
    if (token.value.empty())
        throw Error(ErrorKind::invalid_argument, "the token server's reply holds no token");
    if (std::ranges::any_of(token.value, [](char c) { return c <= ' ' || c > '~'; }))
        throw Error(ErrorKind::invalid_argument, "the token server's reply holds a token that is no header value");
    // It shall still be good when the request that carries it arrives.
    token.expires = asked + lifetime - std::min<seconds>(lifetime / 4, seconds(10));
    return token;
}

std::string Authorizer::Bearer::key() const {
    return join({scopes.begin(), scopes.end()}, " ");
}

Authorizer::Authorizer(Client& client, const Host& host, KeySource keys, std::set<std::string> scopes)
    : client_(client), host_(host), keys_(std::move(keys)), scopes_(std::move(scopes)) {}

std::string Authorizer::refresh_token() {
    const std::scoped_lock lock(mutex_);
    return refresh_;
}

std::string Authorizer::withheld() {
    const std::scoped_lock lock(mutex_);
    return withheld_;
}

const std::optional<Credentials>& Authorizer::own_credentials(const std::stop_token& stop) {
    if (!credentials_)
        credentials_ = keys_.own ? keys_.own(stop) : std::nullopt;
    return *credentials_;
}

// A registry may name any token server. One on another site gets the credentials if the user says that they are its own
// too: an entry that merely exists would buy a token there, for a scope that this registry chose, and bring it here.
std::optional<Credentials> Authorizer::credentials_at(const Url& realm, const Url& origin,
                                                      const std::stop_token& stop) {
    const std::optional<Credentials>& own = own_credentials(stop);
    if (!own || same_site(realm.host, origin.host) || (keys_.of && keys_.of(realm.authority(), stop) == own))
        return own;
    const std::scoped_lock lock(mutex_);
    withheld_ = cat("the credentials are not sent to token server ", realm.authority(),
                    ", which is on another site (see --token-server in lade-registry(1))");
    return std::nullopt;
}

// The one that was bought last before any other: others may mount from elsewhere at the same time.
const Token* Authorizer::token_for(const std::string& scope) const {
    const auto serves = [&](const Bought& bought) {
        return (scope.empty() || bought.scopes.contains(scope)) && bought.token.expires > Clock::now();
    };
    const auto last = tokens_.find(bearer_->key());
    if (last != tokens_.end() && serves(last->second))
        return &last->second.token;
    const auto other = std::ranges::find_if(tokens_, [&](const auto& one) { return serves(one.second); });
    return scope.empty() || other == tokens_.end() ? nullptr : &other->second.token;
}

std::string Authorizer::authorization(const std::string& scope) {
    const std::scoped_lock lock(mutex_);
    if (!fixed_.empty() || !bearer_)
        return fixed_;
    const Token* token = token_for(scope);
    if (token == nullptr)
        token = token_for("");
    return token == nullptr ? "" : "Bearer " + token->value;
}

bool Authorizer::covers(const std::string& scope) {
    const std::scoped_lock lock(mutex_);
    return scope.empty() || !bearer_ || token_for(scope) != nullptr;
}

bool Authorizer::answer(const Response& response, const Url& origin, const std::string& used, const std::string& scope,
                        const std::stop_token& stop) {
    std::vector<Challenge> challenges;
    for (const std::string& line : response.all("www-authenticate"))
        std::ranges::move(parse_challenges(line), std::back_inserter(challenges));
    const auto bearer = std::ranges::find(challenges, "bearer", &Challenge::scheme);
    const bool has_basic = std::ranges::find(challenges, "basic", &Challenge::scheme) != challenges.end();
    if (bearer == challenges.end() && !has_basic)
        return false;

    const Limiter::Slot slot(one_at_a_time_, stop);
    // Another thread may have been here while this one waited.
    if (const std::string current = authorization(scope); !current.empty() && covers(scope)) {
        if (current != used)
            return true;
        // A token for what was merely worth a try is not asked for by one after the other.
        if (!scope.empty())
            return false;
    }
    return bearer != challenges.end() ? answer_bearer(*bearer, origin, response.peer, used, scope, stop)
                                      : answer_basic(used, stop);
}

bool Authorizer::answer_basic(const std::string& used, const std::stop_token& stop) {
    const std::optional<Credentials>& own = own_credentials(stop);
    if (!own || own->user.empty() || own->secret.empty())
        return false;
    std::string value = basic(*own);
    if (value == used)
        return false;
    const std::scoped_lock lock(mutex_);
    fixed_ = std::move(value);
    bearer_.reset();
    return true;
}

bool Authorizer::answer_bearer(const Challenge& challenge, const Url& origin, const std::string& peer,
                               const std::string& used, const std::string& scope, const std::stop_token& stop) {
    if (const auto& own = own_credentials(stop); own && !own->registry_token.empty()) {
        std::string value = "Bearer " + own->registry_token;
        if (value == used)
            return false;
        const std::scoped_lock lock(mutex_);
        fixed_ = std::move(value);
        return true;
    }
    Bearer bearer{
        .realm = checked_realm(challenge, origin), .service = challenge.parameter("service"), .scopes = scopes_};
    for (std::string& wanted : split(challenge.parameter("scope"), ' '))
        if (!wanted.empty())
            bearer.scopes.insert(std::move(wanted));
    if (!scope.empty())
        bearer.scopes.insert(scope);
    Token token = fetch_token(bearer, origin, peer, stop);
    const std::scoped_lock lock(mutex_);
    fixed_.clear();
    if (!token.refresh.empty())
        refresh_ = token.refresh;
    tokens_.insert_or_assign(bearer.key(), Bought{.scopes = bearer.scopes, .token = std::move(token)});
    bearer_ = std::move(bearer);
    return true;
}

Url Authorizer::checked_realm(const Challenge& challenge, const Url& origin) const {
    const std::string text = challenge.parameter("realm");
    auto realm = Url::parse(text);
    if (!realm)
        throw Error(ErrorKind::failed_precondition, "the registry names no usable token server (realm \"",
                    printable(text.substr(0, text.find('?'))), "\")");
    if (origin.scheme == "https" && realm->scheme != "https")
        throw Error(ErrorKind::permission_denied, "token server ", realm->shown(),
                    ": refused, an https registry must name an https one");
    return *realm;
}

Response Authorizer::ask(Request request, std::string& body, const std::stop_token& stop) {
    request.headers.emplace_back("Accept: application/json");
    for (Redirects redirects;;) {
        DocumentReceiver receiver(cat(describe(request), ": the reply"), max_token_reply);
        Response response = client_.send(request, receiver, stop);
        throw_if_transient(request, response);
        body = receiver.take();
        if (!response.is_redirect())
            return response;
        Url target = redirects.next(request, response);
        if (!target.same_origin(request.url))
            throw Error(ErrorKind::permission_denied, describe(request),
                        ": refused to follow a token server's redirect to ", target.shown());
        request.url = std::move(target);
    }
}

Token Authorizer::fetch_token(const Bearer& bearer, const Url& origin, const std::string& peer,
                              const std::stop_token& stop) {
    const bool local = is_loopback(origin.host) || is_local_address(peer);
    Request request{.method = "GET", .url = bearer.realm};
    // What the user allowed for the registry's certificate does not reach its token server.
    request.verify = bearer.realm.same_origin(origin) ? host_.verify : !(local && is_loopback(bearer.realm.host));
    request.tls = bearer.realm.same_origin(origin) ? host_.tls : host_.onward_tls;
    request.refuse_local = !local;

    Request get = request;
    if (get.url.target.find('?') == std::string::npos)
        get.url.target.push_back('?');
    if (!bearer.service.empty())
        append_parameter(get.url.target, "service", bearer.service);
    for (const std::string& scope : bearer.scopes)
        append_parameter(get.url.target, "scope", scope);

    const auto credentials = credentials_at(bearer.realm, origin, stop);
    const auto asked = Clock::now();
    std::string body;
    const auto finish = [&](const Request& sent, const Response& response) {
        if (!response.ok())
            throw_status(sent, response, credentials ? refused_meaning : withheld());
        return doing([&] { return describe(sent); }, [&] { return parse_token(body, asked); });
    };

    return doing("get a token", [&] {
        if (!credentials)
            return finish(get, ask(get, body, stop));

        Request post = request;
        post.method = "POST";
        post.headers.emplace_back("Content-Type: application/x-www-form-urlencoded; charset=utf-8");
        append_parameter(post.body, "client_id", client_id);
        append_parameter(post.body, "service", bearer.service);
        append_parameter(post.body, "scope", bearer.key());
        if (credentials->user.empty()) {
            append_parameter(post.body, "grant_type", "refresh_token");
            append_parameter(post.body, "refresh_token", credentials->secret);
        } else {
            append_parameter(post.body, "grant_type", "password");
            append_parameter(post.body, "username", credentials->user);
            append_parameter(post.body, "password", credentials->secret);
        }
        if (wants_refresh_)
            append_parameter(post.body, "access_type", "offline");
        const Response response = ask(post, body, stop);
        if (credentials->user.empty() || !wants_get(response.status))
            return finish(post, response);
        if (wants_refresh_)
            append_parameter(get.url.target, "offline_token", "true");
        get.headers.push_back("Authorization: " + basic(*credentials));
        return finish(get, ask(get, body, stop));
    });
}

} // namespace lade::registry
