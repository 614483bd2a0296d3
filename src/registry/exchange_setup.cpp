// SPDX-License-Identifier: Apache-2.0
// What libcurl is told before an exchange.
#include <fcntl.h>

#include <algorithm>

#include "base/fd.hpp"
#include "base/text.hpp"
#include "registry/client_offer.hpp"
#include "registry/exchange.hpp"
#include "registry/proxies.hpp"

#ifndef LADE_VERSION
#define LADE_VERSION "dev"
#endif

namespace lade::registry {

namespace {

constexpr long receive_buffer = 512L * 1024;
constexpr long send_buffer = 512L * 1024;
constexpr std::uint64_t worth_asking = 1 * mib;
constexpr std::size_t max_roots = 16 * mib;
// A TLS handshake with an http server on loopback (see channel.cpp) may be met with silence.
constexpr std::chrono::milliseconds loopback_connect{3000};

template <typename Value>
void set(CURL* easy, CURLoption option, Value value) {
    if (const CURLcode code = curl().easy_setopt(easy, option, value); code != CURLE_OK)
        throw Error(ErrorKind::internal, "libcurl option ", static_cast<int>(option), ": ", curl().easy_strerror(code));
}

} // namespace

void Client::Session::prepare(const Request& request, const Timeouts& timeouts) {
    // One that saw a failure is not used again: libcurl leaves traces in it that curl_easy_reset() does not undo.
    if (!std::exchange(reusable_, false))
        easy_.reset(curl().easy_init());
    CURL* const easy = easy_.get();
    if (easy == nullptr)
        throw Error(ErrorKind::resource_exhausted, "cannot make a libcurl handle");
    curl().easy_reset(easy);
    reason_[0] = '\0';
    set(easy, CURLOPT_URL, request.url.string().c_str());
    set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(easy, CURLOPT_PATH_AS_IS, 1L);
    set(easy, CURLOPT_NOSIGNAL, 1L);
    // A cancelled exchange does not wait for a name server.
    set(easy, CURLOPT_QUICK_EXIT, 1L);
    set(easy, CURLOPT_BUFFERSIZE, receive_buffer);
    set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    set(easy, CURLOPT_ERRORBUFFER, reason_.data());
    set(easy, CURLOPT_USERAGENT, "lade/" LADE_VERSION);
    const bool loopback = is_loopback(request.url.host);
    std::chrono::milliseconds connect = request.connect_timeout.value_or(timeouts.connect);
    if (loopback)
        connect = std::min(connect, loopback_connect);
    set(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(connect.count()));
    // libcurl takes proxies from the environment; this machine is never asked through one.
    if (loopback)
        set(easy, CURLOPT_NOPROXY, "*");

    prepare_tls(request);

    headers_.reset();
    for (const std::string& header : request.headers) {
        // One header must not become two, whatever its value was made of. It is not shown: it may be a secret.
        if (std::ranges::any_of(header, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }))
            throw Error(ErrorKind::invalid_argument, describe(request), ": a request header with control characters");
        add_header(header);
    }
    // Who refuses a large body need not be sent it first; a small one has gone before he could have said so.
    if (request.sender != nullptr && request.sender->size() < worth_asking)
        add_header("Expect:");
    set(easy, CURLOPT_HTTPHEADER, headers_.get());
    prepare_body(request);

    set(easy, CURLOPT_HEADERFUNCTION, &header_callback);
    set(easy, CURLOPT_HEADERDATA, this);
    set(easy, CURLOPT_WRITEFUNCTION, &body_callback);
    set(easy, CURLOPT_WRITEDATA, this);
    set(easy, CURLOPT_PREREQFUNCTION, &ready_callback);
    set(easy, CURLOPT_PREREQDATA, this);
}

void Client::Session::add_header(const std::string& header) {
    // On failure the list is left as it was, on success `head` is it.
    curl_slist* const head = curl().slist_append(headers_.get(), header.c_str());
    if (head == nullptr)
        throw Error(ErrorKind::resource_exhausted, "out of memory");
    static_cast<void>(headers_.release());
    headers_.reset(head);
}

void Client::Session::prepare_body(const Request& request) {
    CURL* const easy = easy_.get();
    if (request.sender != nullptr) {
        request.sender->rewind();
        set(easy, CURLOPT_UPLOAD, 1L);
        set(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
        set(easy, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.sender->size()));
        set(easy, CURLOPT_UPLOAD_BUFFERSIZE, send_buffer);
        set(easy, CURLOPT_READFUNCTION, &read_callback);
        set(easy, CURLOPT_READDATA, this);
        set(easy, CURLOPT_SEEKFUNCTION, &rewind_callback);
        set(easy, CURLOPT_SEEKDATA, this);
    } else if (request.method == "HEAD") {
        set(easy, CURLOPT_NOBODY, 1L);
    } else if (request.method == "POST") {
        set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
        set(easy, CURLOPT_COPYPOSTFIELDS, request.body.c_str());
    } else if (request.method != "GET") {
        set(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
}

// libcurl takes one file or one text beside a folder: the machine's roots stay only when they are a part of it.
const std::string& Client::Session::all_roots() {
    if (tls_->only_roots)
        return tls_->roots;
    if (roots_.empty()) {
        const char* file = find_environment("SSL_CERT_FILE");
        if (file == nullptr)
            curl().easy_getinfo(easy_.get(), CURLINFO_CAINFO, &file);
        if (const auto open = file == nullptr ? std::nullopt : find_at(AT_FDCWD, file, O_RDONLY))
            roots_ = read_text(open->get(), max_roots, file);
        roots_.append("\n").append(tls_->roots);
    }
    return roots_;
}

void Client::Session::prepare_tls(const Request& request) {
    CURL* const easy = easy_.get();
    set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(easy, CURLOPT_SSL_VERIFYPEER, request.verify ? 1L : 0L);
    set(easy, CURLOPT_SSL_VERIFYHOST, request.verify ? 2L : 0L);
    if (const char* file = find_environment("SSL_CERT_FILE"))
        set(easy, CURLOPT_CAINFO, file);
    if (const char* folder = find_environment("SSL_CERT_DIR"))
        set(easy, CURLOPT_CAPATH, folder);
    if (!tls_ || request.url.scheme != "https")
        return;
    if (!tls_->roots.empty()) {
        const std::string& roots = all_roots();
        curl_blob blob{.data = const_cast<char*>(roots.data()), .len = roots.size(), .flags = CURL_BLOB_NOCOPY};
        set(easy, CURLOPT_CAINFO_BLOB, &blob);
        if (tls_->only_roots)
            set(easy, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    }
    if (tls_->client.size() > 1 && can_offer_clients()) {
        set(easy, CURLOPT_SSL_CTX_FUNCTION, &offer_clients);
        set(easy, CURLOPT_SSL_CTX_DATA, const_cast<std::vector<ClientPair>*>(&tls_->client));
    } else if (!tls_->client.empty()) {
        set(easy, CURLOPT_SSLCERT, tls_->client.front().certificate.c_str());
        set(easy, CURLOPT_SSLKEY, tls_->client.front().key.c_str());
    }
}

} // namespace lade::registry
