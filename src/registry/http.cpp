// SPDX-License-Identifier: Apache-2.0
#include "registry/http.hpp"

#include <algorithm>

#include "base/tasks.hpp"
#include "base/text.hpp"
#include "registry/exchange.hpp"

namespace lade::registry {

std::optional<std::string> Response::find(std::string_view name) const {
    const auto found = std::ranges::find(headers, name, &std::pair<std::string, std::string>::first);
    return found == headers.end() ? std::nullopt : std::optional(found->second);
}

std::vector<std::string> Response::all(std::string_view name) const {
    std::vector<std::string> values;
    for (const auto& [key, value] : headers)
        if (key == name)
            values.push_back(value);
    return values;
}

std::optional<std::uint64_t> Response::content_length() const {
    const auto text = find("content-length");
    return text ? parse_number(*text) : std::nullopt;
}

std::string describe(const Request& request) {
    return cat(request.method, ' ', request.url.shown());
}

// Borrows a session, preferably one that has a connection to the server already.
class Client::Lease {
public:
    Lease(Client& client, const Request& request) : client_(client) {
        {
            const std::scoped_lock lock(client_.mutex_);
            auto& idle = client_.idle_;
            const auto serves = [&](const auto& session) { return session->serves(request.tls.get()); };
            auto best = std::ranges::find_if(
                idle, [&](const auto& session) { return serves(session) && session->knows(request.url); });
            if (best == idle.end())
                best = std::ranges::find_if(idle, serves);
            if (best != idle.end()) {
                session_ = std::move(*best);
                idle.erase(best);
            }
        }
        if (!session_)
            session_ = std::make_unique<Session>(request.tls);
    }
    ~Lease() {
        const std::scoped_lock lock(client_.mutex_);
        client_.idle_.push_back(std::move(session_));
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Session& session() { return *session_; }

private:
    Client& client_;
    std::unique_ptr<Session> session_;
};

void check_address(const Request& request, std::string_view address) {
    if (request.refuse_local && (is_loopback(address) || is_local_address(address)))
        throw Error(ErrorKind::permission_denied, describe(request), ": refused, ", printable(address),
                    " is a local address");
    if (request.refuse_private && is_private_address(address))
        throw Error(ErrorKind::permission_denied, describe(request), ": refused, ", printable(address),
                    " is an address of a private network");
}

Client::Client(Timeouts timeouts, Tell tell) : timeouts_(timeouts), account_(std::move(tell)) {}
Client::~Client() = default;

Response Client::send(const Request& request, Receiver& receiver, const std::stop_token& stop) {
    check_stop(stop);
    // A name that is an address in itself is refused before it is connected to, by way of a proxy as well.
    check_address(request, request.url.host);
    Lease lease(*this, request);
    try {
        Response response = lease.session().exchange(request, receiver, timeouts_, stop);
        account_.add(request, response);
        return response;
    } catch (const Error& error) {
        account_.add(error);
        throw;
    }
}

} // namespace lade::registry
