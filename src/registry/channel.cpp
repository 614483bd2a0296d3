// SPDX-License-Identifier: Apache-2.0
#include "registry/channel.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "registry/redirects.hpp"
#include "registry/status.hpp"

namespace lade::registry {

namespace {

std::set<std::string> scopes_of(const std::string& repository, const std::string& actions) {
    return repository.empty() ? std::set<std::string>{} : std::set{cat("repository:", repository, ':', actions)};
}

bool is_followed(const std::string& method, const Response& response) {
    const bool reads = method == "GET" || method == "HEAD";
    return response.is_redirect() && (reads || response.status == 307 || response.status == 308);
}

// What the configuration says is sent to the host; a login that it asked for comes before one that was written there.
void add_headers(const Host& host, bool has_authorization, std::vector<std::string>& headers) {
    for (const std::string& header : host.headers) {
        const std::size_t colon = header.find(':');
        if (has_authorization && lower(header.substr(0, colon)) == "authorization")
            continue;
        // libcurl takes a name without a value for a wish to send none.
        headers.push_back(trim(std::string_view(header).substr(colon + 1)).empty() ? header.substr(0, colon) + ";"
                                                                                   : header);
    }
}

// A host may have put it into the URL that it gave us.
bool names_registry(const Url& url) {
    const std::size_t query = url.target.find('?');
    return query != std::string::npos &&
           std::ranges::any_of(split(std::string_view(url.target).substr(query + 1), '&'),
                               [](const std::string& part) { return part.starts_with("ns="); });
}

Url as_https(Url url) {
    url.scheme = "https";
    return url;
}

} // namespace

Channel::Channel(Client& client, Host host, const std::string& repository, KeySource keys, std::string denied,
                 Notices* notices, const std::string& actions)
    : client_(client),
      host_(std::move(host)),
      repository_(repository),
      authorizer_(client, host_, std::move(keys), scopes_of(repository, actions)),
      denied_(std::move(denied)),
      notices_(notices),
      guess_(host_.try_https_too ? Guess::open : Guess::http) {}

std::optional<std::chrono::microseconds> Channel::round_trip() const {
    const std::chrono::microseconds known(round_trip_.load());
    return known.count() > 0 ? std::optional(known) : std::nullopt;
}

// The guess for loopback is http. A TLS server answers that with 400, an alert or by hanging up; then one
// handshake tells.
Channel::Answer Channel::send(const Ask& ask, Receiver& receiver, const std::stop_token& stop) {
    if (guess_ == Guess::https)
        return send_to(as_https(host_.base), ask, receiver, stop);
    if (guess_ == Guess::http)
        return send_to(host_.base, ask, receiver, stop);
    std::optional<Answer> answer;
    try {
        answer = send_to(host_.base, ask, receiver, stop);
    } catch (const Transient& failure) {
        if (failure.unreachable || guess_ != Guess::open)
            throw;
        auto over_tls = try_https(ask, receiver, stop);
        if (!over_tls)
            throw;
        return *std::move(over_tls);
    }
    if (answer->response.status == 400)
        if (auto over_tls = try_https(ask, receiver, stop))
            return *std::move(over_tls);
    return *std::move(answer);
}

std::optional<Channel::Answer> Channel::try_https(const Ask& ask, Receiver& receiver, const std::stop_token& stop) {
    try {
        Answer answer = send_to(as_https(host_.base), ask, receiver, stop);
        guess_ = Guess::https;
        return answer;
    } catch (const Transient&) {
        guess_ = Guess::http;
        return std::nullopt;
    }
}

Channel::Answer Channel::send_to(const Url& root, const Ask& ask, Receiver& receiver, const std::stop_token& stop) {
    Request request{.method = ask.method, .url = root};
    if (ask.url)
        request.url = *ask.url;
    else
        request.url.target =
            cat(root.target == "/" ? "" : root.target, '/', repository_, repository_.empty() ? "" : "/", ask.path);
    if (!host_.name_space.empty() && request.url.same_origin(root) && !names_registry(request.url))
        request.url.target +=
            cat(request.url.target.find('?') == std::string::npos ? '?' : '&', "ns=", percent_encode(host_.name_space));
    request.sender = ask.sender;
    request.header_timeout = ask.header_timeout;
    bool challenged = false;
    for (Redirects redirects;;) {
        // A credential belongs to one scheme, host and port; a redirect takes none along, nor the host's headers, which
        // may be such. Nor does it take along the user's leave not to verify a certificate.
        const bool own = request.url.same_origin(root);
        const std::string authorization = own ? authorizer_.authorization(ask.scope) : "";
        request.verify = own ? host_.verify : !(is_loopback(root.host) && is_loopback(request.url.host));
        request.tls = own ? host_.tls : host_.onward_tls;
        request.connect_timeout = ask.connect_timeout || !own ? ask.connect_timeout : host_.dial_timeout;
        request.headers = ask.headers;
        request.headers.emplace_back("Accept-Encoding: identity");
        if (own)
            add_headers(host_, !authorization.empty(), request.headers);
        if (!authorization.empty())
            request.headers.push_back("Authorization: " + authorization);

        Response response = client_.send(request, receiver, stop);
        if (own && guess_ == Guess::open && response.status != 400)
            guess_ = root.scheme == "https" ? Guess::https : Guess::http;
        if (own)
            private_ = is_private_address(response.peer);
        if (own && notices_ != nullptr)
            notices_->take(root.authority(), response);
        if (response.ok() && response.round_trip.count() > 0)
            round_trip_ = response.round_trip.count();
        throw_if_transient(request, response);
        if (is_followed(ask.method, response)) {
            request.url = redirects.next(request, response);
            continue;
        }
        if (response.status == 401 && own && ask.challenges && !challenged) {
            challenged = true;
            if (authorizer_.answer(response, request.url, authorization, ask.scope, stop))
                continue;
        }
        request.headers.clear();
        // A token may be good and yet not for this; a password that is refused is wrong.
        const bool refused = response.status == 401 && authorization.starts_with("Basic ");
        const std::string withheld = authorizer_.withheld();
        return {.request = std::move(request),
                .response = std::move(response),
                .denied = refused            ? std::string(refused_meaning)
                          : withheld.empty() ? denied_
                                             : withheld};
    }
}

} // namespace lade::registry
