// SPDX-License-Identifier: Apache-2.0
// One registry host and one repository on it: adds what a request needs (scheme, credentials, redirects)
// and nothing else. Safe to use from several threads at once.
#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "registry/auth.hpp"
#include "registry/hosts.hpp"
#include "registry/http.hpp"
#include "registry/notices.hpp"

namespace lade::registry {

class Channel {
public:
    // `client` outlives it. The keys are this host's own. `denied` says what 401 and 403 mean as long as no credentials
    // were refused. Without a repository it is about the registry as a whole. `notices`, if there is one, hears what
    // the host has to say to people, and outlives it, too. `actions` is what a token shall allow.
    Channel(Client& client, Host host, const std::string& repository, KeySource keys, std::string denied,
            Notices* notices = nullptr, const std::string& actions = "pull");

    const Host& host() const noexcept { return host_; }
    Authorizer& authorizer() noexcept { return authorizer_; }
    // How long it takes to where content comes from: the host, or where it sends us. nullopt: not known yet.
    std::optional<std::chrono::microseconds> round_trip() const;

    // Whether the host's last reply came from an address of a private network. False as long as that is not known:
    // nobody was asked, or a proxy stands between.
    bool is_in_private_network() const noexcept { return private_; }

    // What is asked for below the repository's path, e.g. "manifests/latest".
    struct Ask {
        std::string method;
        std::string path;
        std::vector<std::string> headers{};
        std::optional<Url> url{}; // in place of the path, on any host
        Sender* sender = nullptr; // as Request has it
        std::string scope{};      // that a token shall have beside the usual one
        // In place of what is configured.
        std::optional<std::chrono::milliseconds> connect_timeout{};
        std::optional<std::chrono::milliseconds> header_timeout{};
        bool challenges = true; // are answered; else a 401 is the answer
    };
    // The last request of a chain of redirects with its reply; any status but 408, 429 and the 5xx of
    // retry.hpp, which are thrown as Transient, and a redirect: what is written follows only those that leave method
    // and body as they are. One attempt: the caller retries.
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
    Notices* const notices_;
    // Which scheme a host on loopback speaks; settled by its first reply.
    std::atomic<Guess> guess_;
    std::atomic<std::chrono::microseconds::rep> round_trip_{0}; // 0: not known
    std::atomic<bool> private_{false};
};

} // namespace lade::registry
