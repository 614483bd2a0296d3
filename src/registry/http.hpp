// SPDX-License-Identifier: Apache-2.0
// One HTTP exchange: no redirect, no retry, no authentication is done here. The only user of libcurl.
// A Client may be used from several threads at once; each exchange borrows one of its sessions, so
// connections are used again. Every wait ends with Error cancelled soon after `stop` is requested.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/stream.hpp"
#include "registry/url.hpp"

namespace lade::registry {

struct Request {
    std::string method = "GET"; // GET, HEAD or POST
    Url url;
    std::vector<std::string> headers{}; // "Name: value"
    std::string body{};                 // of a POST
    bool verify = true;                 // the server's certificate
    bool refuse_local = false;          // send nothing to an address of this machine or link
};

struct Response {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers{}; // names in lower case, in order
    std::string body{};                                         // not 2xx: its first 64000 bytes
    std::chrono::seconds retry_after{0};
    std::string peer{}; // the server's address; "" when a proxy may stand between

    bool ok() const noexcept { return status >= 200 && status < 300; }
    // One that names another place; not 304.
    bool is_redirect() const noexcept {
        return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    }
    // The first header of that (lower-case) name.
    std::optional<std::string> find(std::string_view name) const;
    std::vector<std::string> all(std::string_view name) const;
    std::optional<std::uint64_t> content_length() const;
};

// Takes the body of a 2xx reply. What it throws ends the exchange and reaches the caller of send().
class Receiver : public Sink {
public:
    // Before the first byte of the body; not called for other replies.
    virtual void begin(const Response& head) = 0;
};

// A failure that another attempt may cure; see retry.hpp.
class Transient final : public Error {
public:
    template <typename... Parts>
    explicit Transient(const Parts&... parts) : Error(ErrorKind::unavailable, parts...) {}

    std::chrono::seconds retry_after{0};
    // Nobody answers (refused, unknown host, no TLS): seldom cured by patience, so it is tried less often.
    bool unreachable = false;
};

struct Timeouts {
    std::chrono::seconds connect{30};
    std::chrono::seconds header{30}; // from the request to the end of the reply's header
    std::chrono::seconds stall{30};  // without one byte of the body
};

class Client {
public:
    explicit Client(Timeouts timeouts = {});
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // Any status is a Response. Network failures and cut bodies are Transient; a certificate that does not
    // verify is failed_precondition. Messages name method and URL without its query.
    Response send(const Request& request, Receiver& receiver, const std::stop_token& stop);

private:
    class Session;
    class Lease;

    std::mutex mutex_;
    std::vector<std::unique_ptr<Session>> idle_;
    Timeouts timeouts_;
};

// "HEAD https://host/v2/x/manifests/1", the beginning of every message about a request.
std::string describe(const Request& request);

} // namespace lade::registry
