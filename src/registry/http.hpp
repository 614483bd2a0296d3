// SPDX-License-Identifier: Apache-2.0
// One HTTP exchange: no redirect, no retry, no authentication is done here. With exchange.hpp the only user of libcurl.
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
#include "registry/account.hpp"
#include "registry/url.hpp"

namespace lade::registry {

// Files in PEM; `key` is the same file when that holds both.
struct ClientPair {
    std::string certificate;
    std::string key;

    bool operator==(const ClientPair&) const = default;
};

// What the connections to a host need beyond the machine's own settings. Those of one Tls are used for no other.
struct Tls {
    std::string roots{};              // certificates in PEM, trusted beside those of the machine
    std::vector<ClientPair> client{}; // ours; of several the first whose issuer the server accepts is shown
    bool only_roots = false;          // nothing is trusted but `roots`

    bool operator==(const Tls&) const = default;
};

// The body of a request: exactly size() bytes, read from the beginning after each rewind(). What these throw ends the
// exchange and reaches the caller of send().
class Sender : public Source {
public:
    virtual std::uint64_t size() const = 0;
    virtual void rewind() = 0;
};

struct Request {
    std::string method = "GET"; // GET, HEAD, POST or DELETE; PUT or PATCH with a sender
    Url url;
    std::vector<std::string> headers{};                         // "Name: value"
    std::string body{};                                         // of a POST
    bool verify = true;                                         // the server's certificate
    bool refuse_local = false;                                  // send nothing to an address of this machine or link
    bool refuse_private = false;                                // nor to one of a private network
    std::shared_ptr<const Tls> tls{};                           // null: nothing beyond the machine's settings
    std::optional<std::chrono::milliseconds> connect_timeout{}; // in place of the client's
    std::optional<std::chrono::milliseconds> header_timeout{};  // in place of the client's
    Sender* sender = nullptr;                                   // outlives the exchange
};

struct Response {
    int status = 0;
    std::vector<std::pair<std::string, std::string>> headers{}; // names in lower case, in order
    std::string body{};                                         // not 2xx: its first 64000 bytes
    std::chrono::seconds retry_after{0};
    std::string peer{};                      // the server's address; "" when a proxy may stand between
    std::chrono::microseconds round_trip{0}; // as opening the connection had it; 0 when that was not for this reply

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

// For replies whose body says nothing of interest.
class NoReceiver final : public Receiver {
public:
    void begin(const Response& /*head*/) override {}
    void write(std::span<const std::byte> /*bytes*/) override {}
};

// A failure that another attempt may cure; see retry.hpp.
class Transient final : public Error {
public:
    template <typename... Parts>
    explicit Transient(const Parts&... parts) : Error(ErrorKind::unavailable, parts...) {}

    std::chrono::seconds retry_after{0};
    // Nobody answers (refused, unknown host, no TLS, no connection in time): seldom cured by patience, so it is tried
    // less often.
    bool unreachable = false;
    // Nor did anything come back from whoever took the connection, or nothing but a header. Tried less often, too.
    bool silent = false;
    // The server said so, with a status.
    bool answered = false;
};

struct Timeouts {
    std::chrono::milliseconds connect{30'000};
    std::chrono::milliseconds header{30'000}; // from the end of the request to the end of the reply's header
    std::chrono::milliseconds stall{30'000};  // without one byte of a body, theirs or ours
    // From the end of a request that completes an upload: some registries copy a large blob then, within another
    // storage.
    std::chrono::milliseconds completion{300'000};
};

class Client {
public:
    // Each exchange is told to `tell`, if that is not empty.
    explicit Client(Timeouts timeouts = {}, Tell tell = {});
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
    Account account_;
};

// permission_denied: nothing may be sent to this host or address.
void check_address(const Request& request, std::string_view address);

// "HEAD https://host/v2/x/manifests/1", the beginning of every message about a request.
std::string describe(const Request& request);

} // namespace lade::registry
