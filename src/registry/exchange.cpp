// SPDX-License-Identifier: Apache-2.0
#include "registry/exchange.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/tasks.hpp"
#include "base/text.hpp"
#include "registry/proxies.hpp"

namespace lade::registry {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kept_error_body = 64'000;
constexpr std::size_t max_error_body = 1 * mib;
constexpr std::size_t max_header_bytes = 256 * kib;
constexpr std::chrono::milliseconds longest_poll{1000};

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

std::string seconds_text(std::chrono::milliseconds time) {
    return cat(std::chrono::duration<double>(time).count(), " seconds");
}

} // namespace

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

std::size_t Client::Session::read_callback(char* data, std::size_t size, std::size_t count, void* self) {
    auto& session = *static_cast<Session*>(self);
    std::size_t n = 0;
    const bool good = session.guarded([&] {
        check_stop(*session.stop_);
        n = session.request_->sender->read({reinterpret_cast<std::byte*>(data), size * count});
        // However long the bytes took to come: it was not the server who was slow.
        session.heard_ = true;
        return true;
    });
    return good ? n : CURL_READFUNC_ABORT;
}

// A connection may turn out to be dead when the request has been written to it already.
int Client::Session::rewind_callback(void* self, curl_off_t offset, int origin) {
    auto& session = *static_cast<Session*>(self);
    const bool good = session.guarded([&] {
        session.request_->sender->rewind();
        return offset == 0 && origin == SEEK_SET;
    });
    return good ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

// Called for new and reused connections alike, before the request is sent.
int Client::Session::ready_callback(void* self, char* remote, char* /*local*/, int remote_port, int /*local_port*/) {
    auto& session = *static_cast<Session*>(self);
    const bool good = session.guarded([&] {
        const Request& request = *session.request_;
        // Behind a proxy the address connected to is the proxy's and says nothing about the server.
        const bool by_proxy = !is_loopback(request.url.host) && is_proxy(request.url.scheme, remote, remote_port);
        if (!by_proxy)
            check_address(request, remote);
        session.response_.peer = by_proxy ? "" : remote;
        session.phase_ = Phase::waiting;
        session.heard_at_ = Clock::now();
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
        const std::size_t status = line.find(' ');
        interim_ = status != std::string_view::npos && line.substr(status + 1).starts_with('1');
    } else if (line.empty()) {
        // Interim replies do not prolong the time in which the reply itself has to come.
        if (!interim_) {
            long status = 0;
            curl().easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
            response_.status = static_cast<int>(status);
            phase_ = Phase::receiving;
            heard_ = true;
        }
    } else if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
        response_.headers.emplace_back(lower(trim(line.substr(0, colon))), trim(line.substr(colon + 1)));
    }
}

// To a proxy's address it would say nothing about the server.
std::chrono::microseconds Client::Session::round_trip() const {
    long opened = 0;
    curl_off_t resolved = 0;
    curl_off_t connected = 0;
    curl().easy_getinfo(easy_.get(), CURLINFO_NUM_CONNECTS, &opened);
    curl().easy_getinfo(easy_.get(), CURLINFO_NAMELOOKUP_TIME_T, &resolved);
    curl().easy_getinfo(easy_.get(), CURLINFO_CONNECT_TIME_T, &connected);
    return std::chrono::microseconds(
        opened == 1 && !response_.peer.empty() ? std::max<curl_off_t>(connected - resolved, 0) : 0);
}

bool Client::Session::on_body(std::string_view bytes) {
    if (!response_.ok()) {
        error_bytes_ += bytes.size();
        response_.body.append(bytes.substr(0, kept_error_body - response_.body.size()));
        enough_ = error_bytes_ > max_error_body;
        return !enough_;
    }
    heard_ = true;
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

void Client::Session::check_time(const Timeouts& timeouts) {
    if (phase_ == Phase::connecting)
        return;
    const auto quiet = Clock::now() - heard_at_;
    const bool sending = request_->sender != nullptr && sent_ < request_->sender->size();
    const bool waiting = phase_ == Phase::waiting;
    if (waiting && sending && quiet > timeouts.stall)
        throw Transient(describe(*request_), ": not a byte taken for ", seconds_text(timeouts.stall));
    const std::chrono::milliseconds patience = request_->header_timeout.value_or(timeouts.header);
    if (waiting && !sending && quiet > patience) {
        Transient failure(describe(*request_), ": no reply within ", seconds_text(patience));
        failure.silent = true;
        throw failure;
    }
    if (phase_ != Phase::receiving || quiet <= timeouts.stall)
        return;
    // What a server says about a failure is not worth more than one pause; that it failed is known.
    enough_ = !response_.ok();
    if (!enough_) {
        Transient failure(describe(*request_), ": not a byte for ", seconds_text(timeouts.stall));
        failure.silent = !begun_;
        throw failure;
    }
}

// What libcurl was given need not have left it.
void Client::Session::note_sent() {
    curl_off_t sent = 0;
    curl().easy_getinfo(easy_.get(), CURLINFO_SIZE_UPLOAD_T, &sent);
    if (const auto before = std::exchange(sent_, static_cast<std::uint64_t>(sent)); before != sent_)
        heard_ = true;
}

CURLcode Client::Session::run(const Timeouts& timeouts) {
    CURLM* const multi = multi_.get();
    const std::stop_callback wake(*stop_, [multi] { curl().multi_wakeup(multi); });
    const auto poll_ms = static_cast<int>(std::min({longest_poll, timeouts.header, timeouts.stall}).count());
    for (;;) {
        check_stop(*stop_);
        int running = 0;
        if (const CURLMcode code = curl().multi_perform(multi, &running); code != CURLM_OK)
            throw Error(ErrorKind::internal, "libcurl: ", curl().multi_strerror(code));
        if (thrown_)
            std::rethrow_exception(std::exchange(thrown_, nullptr));
        flush();
        int left = 0;
        while (const CURLMsg* message = curl().multi_info_read(multi, &left))
            if (message->msg == CURLMSG_DONE)
                return message->data.result;
        if (request_->sender != nullptr)
            note_sent();
        // After the bytes were taken: a slow disk is not the server's silence.
        if (std::exchange(heard_, false))
            heard_at_ = Clock::now();
        check_time(timeouts);
        if (enough_)
            return CURLE_OK;
        if (const CURLMcode code = curl().multi_poll(multi, nullptr, 0, poll_ms, nullptr); code != CURLM_OK)
            throw Error(ErrorKind::internal, "libcurl: ", curl().multi_strerror(code));
    }
}

Response Client::Session::finish(CURLcode code) {
    CURL* const easy = easy_.get();
    if (code != CURLE_OK && !enough_) {
        const std::string cause = reason_[0] != '\0' ? printable(reason_.data()) : curl().easy_strerror(code);
        if (const ErrorKind kind = kind_of_certificate_failure(code); kind != ErrorKind::internal)
            throw Error(kind, describe(*request_), ": ", cause);
        // libcurl says so too of a header's line that is longer than it takes.
        if (code == CURLE_OUT_OF_MEMORY)
            throw Error(ErrorKind::resource_exhausted, describe(*request_), ": ",
                        phase_ == Phase::waiting ? "too long a line in the header, or out of memory" : cause);
        long os_error = 0;
        curl().easy_getinfo(easy, CURLINFO_OS_ERRNO, &os_error);
        Transient failure(describe(*request_), ": ", cause);
        const bool in_vain = phase_ == Phase::connecting && code == CURLE_OPERATION_TIMEDOUT;
        failure.unreachable = in_vain || is_unreachable(code, os_error);
        failure.silent = phase_ == Phase::connecting;
        throw failure;
    }
    // libcurl takes the end of a connection for the end of the header.
    if (phase_ != Phase::receiving)
        throw Transient(describe(*request_), ": the connection ended within the reply's header");
    curl_off_t retry_after = 0;
    curl().easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after);
    response_.retry_after = std::chrono::seconds(std::max<curl_off_t>(retry_after, 0));
    if (response_.ok() && !begun_)
        receiver_->begin(response_);
    response_.round_trip = round_trip();
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
    heard_ = false;
    sent_ = 0;
    header_bytes_ = 0;
    interim_ = false;
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

} // namespace lade::registry
