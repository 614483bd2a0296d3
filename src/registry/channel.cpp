// SPDX-License-Identifier: Apache-2.0
#include "registry/channel.hpp"

#include "base/text.hpp"
#include "registry/status.hpp"

namespace lade::registry {

namespace {

constexpr unsigned max_redirects = 10;

// Where a redirect leads, or the reason why it is not followed.
Url redirected(const Request& request, const Response& response) {
    const std::string location = response.find("location").value_or("");
    const auto target = request.url.resolve(location);
    if (!target)
        throw Error(ErrorKind::failed_precondition, describe(request), ": ", status_text(response.status),
                    ": a redirect to no usable place");
    if (request.url.scheme == "https" && target->scheme != "https")
        throw Error(ErrorKind::failed_precondition, describe(request), ": refused to follow a redirect from https to ",
                    target->shown());
    return *target;
}

std::set<std::string> scopes_of(const std::string& repository) {
    return repository.empty() ? std::set<std::string>{} : std::set{cat("repository:", repository, ":pull")};
}

Url as_https(Url url) {
    url.scheme = "https";
    return url;
}

} // namespace

Channel::Channel(Client& client, Host host, const std::string& repository, KeySource keys, std::string denied)
    : client_(client),
      host_(std::move(host)),
      repository_(repository),
      authorizer_(client, host_, std::move(keys), scopes_of(repository)),
      denied_(std::move(denied)),
      guess_(host_.try_https_too ? Guess::open : Guess::http) {}

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
    request.url.target =
        cat(root.target == "/" ? "" : root.target, '/', repository_, repository_.empty() ? "" : "/", ask.path);
    bool challenged = false;
    for (unsigned redirects = 0;;) {
        // A credential belongs to one scheme, host and port; a redirect takes none along. Nor does it take
        // along the user's leave not to verify a certificate.
        const bool own = request.url.same_origin(root);
        const std::string authorization = own ? authorizer_.authorization() : "";
        request.verify = own ? host_.verify : !(is_loopback(root.host) && is_loopback(request.url.host));
        request.headers = ask.headers;
        request.headers.emplace_back("Accept-Encoding: identity");
        if (!authorization.empty())
            request.headers.push_back("Authorization: " + authorization);

        Response response = client_.send(request, receiver, stop);
        if (own && guess_ == Guess::open && response.status != 400)
            guess_ = root.scheme == "https" ? Guess::https : Guess::http;
        throw_if_transient(request, response);
        if (response.is_redirect()) {
            if (++redirects > max_redirects)
                throw Error(ErrorKind::failed_precondition, describe(request), ": more than ", max_redirects,
                            " redirects");
            request.url = redirected(request, response);
            continue;
        }
        if (response.status == 401 && own && !challenged) {
            challenged = true;
            if (authorizer_.answer(response, request.url, authorization, stop))
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
