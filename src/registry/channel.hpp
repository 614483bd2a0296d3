// SPDX-License-Identifier: Apache-2.0
// One registry host and one repository on it: adds what a request needs (scheme, credentials, redirects)
// and nothing else. Safe to use from several threads at once.
#pragma once

#include <atomic>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "registry/auth.hpp"
#include "registry/hosts.hpp"
#include "registry/http.hpp"

namespace lade::registry {

class Channel {
public:
    // `client` outlives it. The keys are this host's own. `denied` says what 401 and 403 mean as long as no credentials
    // were refused. Without a repository it is about the registry as a whole.
    Channel(Client& client, Host host, const std::string& repository, KeySource keys, std::string denied);

    const Host& host() const noexcept { return host_; }
    Authorizer& authorizer() noexcept { return authorizer_; }

    // What is asked for below the repository's path, e.g. "manifests/latest".
    struct Ask {
        std::string method;
        std::string path;
        std::vector<std::string> headers{};
    };
    // The last request of a chain of redirects with its reply; any status but a redirect, 408, 429 and the
    // 5xx of retry.hpp, which are thrown as Transient. One attempt: the caller retries.
    struct Answer {
        Request request;
        Response response;
        std::string denied; // what 401 and 403 mean: see throw_status()
    };
    Answer send(const Ask& ask, Receiver& receiver, const std::stop_token& stop);

private:
    enum class Guess { open, http, https };

    Answer send_to(const Url& root, const Ask& ask, Receiver& receiver, const std::stop_token& stop);
    std::optional<Answer> try_https(const Ask& ask, Receiver& receiver, const std::stop_token& stop);

    Client& client_;
    const Host host_;
    const std::string repository_;
    Authorizer authorizer_;
    const std::string denied_;
    // Which scheme a host on loopback speaks; settled by its first reply.
    std::atomic<Guess> guess_;
};

} // namespace lade::registry
