// SPDX-License-Identifier: Apache-2.0
// One exchange after another on connections that are kept between them: the libcurl side of Client. For http.cpp,
// exchange.cpp and exchange_setup.cpp alone.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/size.hpp"
#include "registry/curl.hpp"
#include "registry/http.hpp"

namespace lade::registry {

struct CurlDeleter {
    void operator()(CURL* easy) const { curl().easy_cleanup(easy); }
    void operator()(curl_slist* list) const { curl().slist_free_all(list); }
};
// CURL and CURLM are the same type to the compiler.
struct CurlMultiDeleter {
    void operator()(CURLM* multi) const { curl().multi_cleanup(multi); }
};

// One easy handle in a multi handle of its own, which keeps the connections between exchanges. The members
// below the handles belong to the exchange under way.
class Client::Session {
public:
    // Measured on loopback: curl hands out 16 KiB pieces, sinks (hash, write) want larger ones.
    static constexpr std::size_t piece = 256 * kib;

    explicit Session(std::shared_ptr<const Tls> tls) : tls_(std::move(tls)), multi_(curl().multi_init()) {
        if (!multi_)
            throw Error(ErrorKind::resource_exhausted, "cannot make a libcurl handle");
        pending_.reserve(piece);
    }

    Response exchange(const Request& request, Receiver& receiver, const Timeouts& timeouts,
                      const std::stop_token& stop);
    bool knows(const Url& url) const { return last_.same_origin(url); }
    bool serves(const Tls* tls) const { return tls_ && tls != nullptr ? *tls_ == *tls : tls_.get() == tls; }

private:
    enum class Phase { connecting, waiting, receiving };

    void prepare(const Request& request, const Timeouts& timeouts);
    void prepare_tls(const Request& request);
    void prepare_body(const Request& request);
    void add_header(const std::string& header);
    const std::string& all_roots();
    void check_time(const Timeouts& timeouts);
    void note_sent();
    CURLcode run(const Timeouts& timeouts);
    Response finish(CURLcode code);
    std::chrono::microseconds round_trip() const;
    void flush();

    void on_header(std::string_view line);
    // False ends the exchange.
    bool on_body(std::string_view bytes);
    // Keeps exceptions out of libcurl's frames: what `work` throws is thrown again by exchange().
    template <typename Work>
    bool guarded(Work&& work) noexcept {
        try {
            return std::forward<Work>(work)();
        } catch (...) {
            thrown_ = std::current_exception();
            return false;
        }
    }

    static std::size_t header_callback(char* data, std::size_t size, std::size_t count, void* self);
    static std::size_t body_callback(char* data, std::size_t size, std::size_t count, void* self);
    static std::size_t read_callback(char* data, std::size_t size, std::size_t count, void* self);
    static int rewind_callback(void* self, curl_off_t offset, int origin);
    static int ready_callback(void* self, char* remote, char* local, int remote_port, int local_port);

    const std::shared_ptr<const Tls> tls_;
    std::string roots_; // the machine's and those of tls_
    std::unique_ptr<CURLM, CurlMultiDeleter> multi_;
    std::unique_ptr<CURL, CurlDeleter> easy_;
    std::unique_ptr<curl_slist, CurlDeleter> headers_;
    bool reusable_ = false; // easy_
    Url last_;
    std::array<char, CURL_ERROR_SIZE> reason_{};

    const Request* request_ = nullptr;
    Receiver* receiver_ = nullptr;
    const std::stop_token* stop_ = nullptr;
    Response response_;
    Phase phase_ = Phase::connecting;
    std::chrono::steady_clock::time_point heard_at_; // when the request was sent, or something came last
    bool heard_ = false;
    std::uint64_t sent_ = 0; // of the sender's bytes
    std::size_t header_bytes_ = 0;
    bool interim_ = false; // the header that comes is of a 1xx
    std::size_t error_bytes_ = 0;
    bool begun_ = false;
    bool enough_ = false; // the rest of an error body is not wanted
    std::vector<std::byte> pending_;
    std::exception_ptr thrown_;
};

// nullptr for one that is not set, or empty.

} // namespace lade::registry
