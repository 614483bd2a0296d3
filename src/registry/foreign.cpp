// SPDX-License-Identifier: Apache-2.0
#include "registry/foreign.hpp"

#include <algorithm>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"
#include "registry/redirects.hpp"
#include "registry/status.hpp"

namespace lade::registry {

namespace {

// Redirects lead to places that are as foreign.
Response follow(Client& client, Request& request, Receiver& receiver, const std::stop_token& stop) {
    for (Redirects redirects;;) {
        Response response = client.send(request, receiver, stop);
        throw_if_transient(request, response);
        if (!response.is_redirect())
            return response;
        request.url = redirects.next(request, response);
    }
}

// False when it is not there.
bool fetch_url(Client& client, const Url& url, const Nearness& nearness, Attempts attempts, BlobReceiver& receiver,
               const std::stop_token& stop) {
    const auto attempt = [&] {
        if (receiver.done())
            return true;
        Request request{.url = url,
                        .headers = {"Accept: */*", "Accept-Encoding: identity"},
                        .refuse_local = !nearness.local,
                        .refuse_private = !nearness.private_network};
        if (receiver.position() > 0)
            request.headers.push_back(cat("Range: bytes=", receiver.position(), '-'));
        const Response response = follow(client, request, receiver, stop);
        if (response.status == 404)
            return false;
        if (!response.ok())
            throw_status(request, response, "access denied");
        if (!receiver.done())
            throw Transient(describe(request), ": the body ended after ", receiver.position(), " bytes");
        return true;
    };
    return with_retries(attempts, stop, attempt, [&] { return receiver.position(); });
}

} // namespace

std::string foreign_hosts(const oci::Descriptor& descriptor) {
    std::vector<std::string> hosts;
    for (const std::string& text : descriptor.urls)
        if (const auto url = Url::parse(text); url && std::ranges::find(hosts, url->authority()) == hosts.end())
            hosts.push_back(url->authority());
    return printable(join(hosts, ", "));
}

void fetch_foreign(Client& client, const oci::Descriptor& descriptor, const Nearness& nearness, Attempts attempts,
                   BlobReceiver& receiver, const std::stop_token& stop) {
    for (const std::string& text : descriptor.urls)
        if (const auto url = Url::parse(text))
            if (doing([&] { return cat("foreign layer at ", url->shown()); },
                      [&] { return fetch_url(client, *url, nearness, attempts, receiver, stop); }))
                return;
    throw Error(ErrorKind::not_found, descriptor.digest, ": nor is it at any of its URLs (", foreign_hosts(descriptor),
                ")");
}

} // namespace lade::registry
