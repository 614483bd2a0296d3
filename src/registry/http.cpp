// SPDX-License-Identifier: Apache-2.0
#include "registry/http.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <exception>

#include "base/size.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"
#include "registry/curl.hpp"

#ifndef LADE_VERSION
#define LADE_VERSION "dev"
#endif

namespace lade::registry {

namespace {

using Clock = std::chrono::steady_clock;

// Measured on loopback: curl hands out 16 KiB pieces, sinks (hash, write) want larger ones.
constexpr long receive_buffer = 512L * 1024;
constexpr std::size_t piece = 256 * kib;
constexpr std::size_t kept_error_body = 64'000;
constexpr std::size_t max_error_body = 1 * mib;
constexpr std::size_t max_header_bytes = 256 * kib;
constexpr long max_poll_ms = 1000;
// A TLS handshake with an http server on loopback (see channel.cpp) may be met with silence.
constexpr std::chrono::seconds loopback_connect{3};

using Easy = std::unique_ptr<CURL, decltype([](CURL* easy) { curl().easy_cleanup(easy); })>;
using Multi = std::unique_ptr<CURLM, decltype([](CURLM* multi) { curl().multi_cleanup(multi); })>;
using List = std::unique_ptr<curl_slist, decltype([](curl_slist* list) { curl().slist_free_all(list); })>;

template <typename Value>
void set(CURL* easy, CURLoption option, Value value) {
    if (const CURLcode code = curl().easy_setopt(easy, option, value); code != CURLE_OK)
        throw Error(ErrorKind::internal, "libcurl option ", static_cast<int>(option), ": ", curl().easy_strerror(code));
}

const char* environment(const char* name) {
    const char* value = std::getenv(name);
    return value == nullptr || *value == '\0' ? nullptr : value;
}

// Behind a proxy the address connected to is the proxy's and says nothing about the server.
bool has_proxy(std::string_view scheme) {
    if (environment("all_proxy") != nullptr || environment("ALL_PROXY") != nullptr)
        return true;
    if (scheme == "http")
        return environment("http_proxy") != nullptr;
    return environment("https_proxy") != nullptr || environment("HTTPS_PROXY") != nullptr;
}

ErrorKind kind_of_certificate_failure(CURLcode code) {
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return ErrorKind::failed_precondition;
    default:
        return ErrorKind::internal;
    }
}

bool is_unreachable(CURLcode code, long os_error) {
    return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY ||
           code == CURLE_SSL_CONNECT_ERROR || (code == CURLE_COULDNT_CONNECT && os_error == ECONNREFUSED);
}

} // namespace

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

// One easy handle in a multi handle of its own, which keeps the connections between exchanges. The members
// below the handles belong to the exchange under way.
class Client::Session {
public:
    Session() : multi_(curl().multi_init()) {
        if (!multi_)
            throw Error(ErrorKind::resource_exhausted, "cannot make a libcurl handle");
        pending_.reserve(piece);
    }

    Response exchange(const Request& request, Receiver& receiver, const Timeouts& timeouts,
                      const std::stop_token& stop);
    bool knows(const Url& url) const { return last_.same_origin(url); }

private:
    enum class Phase { connecting, waiting, receiving };

    void prepare(const Request& request, const Timeouts& timeouts);
    CURLcode run(const Timeouts& timeouts);
    Response finish(CURLcode code);
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
    static int ready_callback(void* self, char* remote, char* local, int remote_port, int local_port);

    Multi multi_;
    Easy easy_;
    List headers_;
    bool reusable_ = false; // easy_
    Url last_;
    std::array<char, CURL_ERROR_SIZE> reason_{};

    const Request* request_ = nullptr;
    Receiver* receiver_ = nullptr;
    const std::stop_token* stop_ = nullptr;
    Response response_;
    Phase phase_ = Phase::connecting;
    Clock::time_point asked_at_;
    std::size_t header_bytes_ = 0;
    std::size_t error_bytes_ = 0;
    bool begun_ = false;
    bool enough_ = false; // the rest of an error body is not wanted
    std::vector<std::byte> pending_;
    std::exception_ptr thrown_;
};

std::size_t Client::Session::header_callback(char* data, std::size_t size, std::size_t count, void* self) {
    auto& session = *static_cast<Session*>(self);
    const bool good = session.guarded([&] {
        session.on_header({data, size * count});
        return true;
    });
    return good ? size * count : 0;
}

std::size_t Client::Session::body_callback(char* data, std::size_t size, std::size_t count, void* self) {
    auto& session = *static_cast<Session*>(self);
    return session.guarded([&] { return session.on_body({data, size * count}); }) ? size * count : 0;
}

// Called for new and reused connections alike, before the request is sent.
int Client::Session::ready_callback(void* self, char* remote, char* /*local*/, int /*remote_port*/,
                                    int /*local_port*/) {
    auto& session = *static_cast<Session*>(self);
    const bool good = session.guarded([&] {
        const Request& request = *session.request_;
        if (request.refuse_local && !has_proxy(request.url.scheme) && is_local_address(remote))
            throw Error(ErrorKind::permission_denied, describe(request), ": refused, ", printable(remote),
                        " is a local address");
        session.response_.peer = has_proxy(request.url.scheme) && !is_loopback(request.url.host) ? "" : remote;
        session.phase_ = Phase::waiting;
        session.asked_at_ = Clock::now();
        return true;
    });
    return good ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

void Client::Session::on_header(std::string_view line) {
    header_bytes_ += line.size();
    if (header_bytes_ > max_header_bytes)
        throw Error(ErrorKind::resource_exhausted, describe(*request_), ": a header of more than ", max_header_bytes,
                    " bytes");
    line = trim(line);
    if (line.starts_with("HTTP/")) {
        response_.headers.clear();
        phase_ = Phase::waiting;
    } else if (line.empty()) {
        phase_ = Phase::receiving;
    } else if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
        response_.headers.emplace_back(lower(trim(line.substr(0, colon))), trim(line.substr(colon + 1)));
    }
}

bool Client::Session::on_body(std::string_view bytes) {
    if (response_.status == 0) {
        long status = 0;
        curl().easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
        response_.status = static_cast<int>(status);
    }
    if (!response_.ok()) {
        error_bytes_ += bytes.size();
        response_.body.append(bytes.substr(0, kept_error_body - response_.body.size()));
        enough_ = error_bytes_ > max_error_body;
        return !enough_;
    }
    if (!begun_) {
        begun_ = true;
        receiver_->begin(response_);
    }
    const auto* const data = reinterpret_cast<const std::byte*>(bytes.data());
    pending_.insert(pending_.end(), data, data + bytes.size());
    if (pending_.size() >= piece) {
        // curl_multi_perform() stays in its loop for as long as the server is faster than the sink.
        check_stop(*stop_);
        flush();
    }
    return true;
}

void Client::Session::flush() {
    if (pending_.empty())
        return;
    receiver_->write(pending_);
    pending_.clear();
}

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
    const std::chrono::seconds connect = loopback ? std::min(timeouts.connect, loopback_connect) : timeouts.connect;
    set(easy, CURLOPT_CONNECTTIMEOUT, static_cast<long>(connect.count()));
    set(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(easy, CURLOPT_LOW_SPEED_TIME, static_cast<long>(timeouts.stall.count()));
    // libcurl takes proxies from the environment; this machine is never asked through one.
    if (loopback)
        set(easy, CURLOPT_NOPROXY, "*");

    set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set(easy, CURLOPT_SSL_VERIFYPEER, request.verify ? 1L : 0L);
    set(easy, CURLOPT_SSL_VERIFYHOST, request.verify ? 2L : 0L);
    if (const char* file = environment("SSL_CERT_FILE"))
        set(easy, CURLOPT_CAINFO, file);
    if (const char* folder = environment("SSL_CERT_DIR"))
        set(easy, CURLOPT_CAPATH, folder);

    headers_.reset();
    for (const std::string& header : request.headers) {
        // One header must not become two, whatever its value was made of. It is not shown: it may be a secret.
        if (std::ranges::any_of(header, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; }))
            throw Error(ErrorKind::invalid_argument, describe(request), ": a request header with control characters");
        // On failure the list is left as it was, on success `head` is it.
        curl_slist* const head = curl().slist_append(headers_.get(), header.c_str());
        if (head == nullptr)
            throw Error(ErrorKind::resource_exhausted, "out of memory");
        static_cast<void>(headers_.release());
        headers_.reset(head);
    }
    set(easy, CURLOPT_HTTPHEADER, headers_.get());
    if (request.method == "HEAD") {
        set(easy, CURLOPT_NOBODY, 1L);
    } else if (request.method == "POST") {
        set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
        set(easy, CURLOPT_COPYPOSTFIELDS, request.body.c_str());
    }

    set(easy, CURLOPT_HEADERFUNCTION, &header_callback);
    set(easy, CURLOPT_HEADERDATA, this);
    set(easy, CURLOPT_WRITEFUNCTION, &body_callback);
    set(easy, CURLOPT_WRITEDATA, this);
    set(easy, CURLOPT_PREREQFUNCTION, &ready_callback);
    set(easy, CURLOPT_PREREQDATA, this);
}

CURLcode Client::Session::run(const Timeouts& timeouts) {
    CURLM* const multi = multi_.get();
    const std::stop_callback wake(*stop_, [multi] { curl().multi_wakeup(multi); });
    for (;;) {
        check_stop(*stop_);
        int running = 0;
        if (const CURLMcode code = curl().multi_perform(multi, &running); code != CURLM_OK)
            throw Error(ErrorKind::internal, "libcurl: ", curl().multi_strerror(code));
        if (thrown_)
            std::rethrow_exception(thrown_);
        flush();
        int left = 0;
        while (const CURLMsg* message = curl().multi_info_read(multi, &left))
            if (message->msg == CURLMSG_DONE)
                return message->data.result;
        if (phase_ == Phase::waiting && Clock::now() - asked_at_ > timeouts.header)
            throw Transient(describe(*request_), ": no reply within ", timeouts.header.count(), " seconds");
        if (const CURLMcode code = curl().multi_poll(multi, nullptr, 0, max_poll_ms, nullptr); code != CURLM_OK)
            throw Error(ErrorKind::internal, "libcurl: ", curl().multi_strerror(code));
    }
}

Response Client::Session::finish(CURLcode code) {
    CURL* const easy = easy_.get();
    if (code != CURLE_OK && !enough_) {
        const std::string cause = reason_[0] != '\0' ? printable(reason_.data()) : curl().easy_strerror(code);
        if (const ErrorKind kind = kind_of_certificate_failure(code); kind != ErrorKind::internal)
            throw Error(kind, describe(*request_), ": ", cause);
        if (code == CURLE_OUT_OF_MEMORY)
            throw Error(ErrorKind::resource_exhausted, describe(*request_), ": ", cause);
        long os_error = 0;
        curl().easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
        Transient failure(describe(*request_), ": ", cause);
        failure.unreachable = is_unreachable(code, os_error);
        throw failure;
    }
    long status = 0;
    curl_off_t retry_after = 0;
    curl().easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl().easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
    response_.status = static_cast<int>(status);
    response_.retry_after = std::chrono::seconds(std::max<curl_off_t>(retry_after, 0));
    if (response_.ok() && !begun_)
        receiver_->begin(response_);
    reusable_ = true;
    return std::move(response_);
}

Response Client::Session::exchange(const Request& request, Receiver& receiver, const Timeouts& timeouts,
                                   const std::stop_token& stop) {
    request_ = &request;
    receiver_ = &receiver;
    stop_ = &stop;
    response_ = {};
    phase_ = Phase::connecting;
    header_bytes_ = 0;
    error_bytes_ = 0;
    begun_ = false;
    enough_ = false;
    pending_.clear();
    thrown_ = nullptr;
    last_ = request.url;
    prepare(request, timeouts);

    // Taken out again however this ends; a transfer that is not done loses its connection thereby.
    struct Added {
        Added(CURLM* m, CURL* e) : multi(m), easy(e) {
            if (const CURLMcode code = curl().multi_add_handle(multi, easy); code != CURLM_OK)
                throw Error(ErrorKind::internal, "libcurl: ", curl().multi_strerror(code));
        }
        ~Added() { curl().multi_remove_handle(multi, easy); }
        Added(const Added&) = delete;
        Added& operator=(const Added&) = delete;
        CURLM* multi;
        CURL* easy;
    };
    const Added added(multi_.get(), easy_.get());
    return finish(run(timeouts));
}

// Borrows a session, preferably one that has a connection to the server already.
class Client::Lease {
public:
    Lease(Client& client, const Url& url) : client_(client) {
        {
            const std::scoped_lock lock(client_.mutex_);
            auto& idle = client_.idle_;
            auto best = std::ranges::find_if(idle, [&](const auto& session) { return session->knows(url); });
            if (best == idle.end() && !idle.empty())
                best = idle.begin();
            if (best != idle.end()) {
                session_ = std::move(*best);
                idle.erase(best);
            }
        }
        if (!session_)
            session_ = std::make_unique<Session>();
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

Client::Client(Timeouts timeouts) : timeouts_(timeouts) {}
Client::~Client() = default;

Response Client::send(const Request& request, Receiver& receiver, const std::stop_token& stop) {
    check_stop(stop);
    // A name that is an address in itself is refused before it is connected to, by way of a proxy as well.
    if (request.refuse_local && (is_loopback(request.url.host) || is_local_address(request.url.host)))
        throw Error(ErrorKind::permission_denied, describe(request), ": refused, ", request.url.host,
                    " is a local address");
    Lease lease(*this, request.url);
    return lease.session().exchange(request, receiver, timeouts_, stop);
}

} // namespace lade::registry
