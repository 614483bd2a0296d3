// SPDX-License-Identifier: Apache-2.0
#include "registry/upload.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "registry/piece_sender.hpp"
#include "registry/resolve.hpp"
#include "registry/status.hpp"

namespace lade::registry {

namespace {

using std::chrono::seconds;

// Nobody waits long for an upload to be taken back.
constexpr seconds impatience{2};
constexpr const char* octets = "Content-Type: application/octet-stream";
// libcurl says of a POST that it is a form unless it is told to say nothing.
constexpr const char* no_type = "Content-Type:";

// A way of uploading that the registry does not know. One that it knows may fail in others, and what it says of the
// content or the name is true of either way.
bool is_unknown_way(const Response& response) {
    static constexpr std::array statuses{400, 405, 411, 415, 501};
    static constexpr std::array<std::string_view, 13> other_causes{
        "BLOB_UNKNOWN",     "DENIED",          "DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN", "MANIFEST_INVALID",
        "MANIFEST_UNKNOWN", "NAME_INVALID",    "NAME_UNKNOWN",   "QUOTA_EXCEEDED",        "SIZE_INVALID",
        "TAG_INVALID",      "TOOMANYREQUESTS", "UNAUTHORIZED",
    };
    return std::ranges::find(statuses, response.status) != statuses.end() &&
           std::ranges::none_of(error_codes(response.body), [](const std::string& code) {
               return std::ranges::find(other_causes, code) != other_causes.end();
           });
}

// "0-499" is 500 bytes; "0-0" is what registries say of an upload that has none. Some put "bytes=" before it.
std::optional<std::uint64_t> parse_taken(std::string_view text) {
    text = trim(text);
    if (text.starts_with("bytes="))
        text.remove_prefix(6);
    const auto last = text.starts_with("0-") ? parse_number(text.substr(2)) : std::nullopt;
    if (!last)
        return std::nullopt;
    return *last == 0 ? 0 : *last + 1;
}

bool is_refusal(const Error& error) {
    return error.kind() == ErrorKind::unauthenticated || error.kind() == ErrorKind::permission_denied;
}

} // namespace

Channel::Answer Upload::ask(const Channel::Ask& ask, const std::stop_token& stop) {
    NoReceiver nothing;
    return channel_.send(ask, nothing, stop);
}

bool Upload::exists() {
    try {
        const Channel::Answer answer =
            ask({.method = "HEAD", .path = cat("blobs/", blob_.digest), .headers = {"Accept: */*"}}, stop_);
        // Whoever may write need not be allowed to look; what else is wrong shows when it is written.
        return answer.response.ok();
    } catch (const Error& error) {
        if (!is_refusal(error))
            throw;
        return false;
    }
}

void Upload::take_location(const Channel::Answer& answer) {
    const Url& at = answer.request.url;
    auto location = at.resolve(answer.response.find("location").value_or(""));
    if (!location || !answer.response.find("location"))
        throw Error(ErrorKind::failed_precondition, describe(answer.request),
                    ": the reply names no place to upload to");
    // A registry behind a proxy that speaks https for it may not know better.
    if (at.scheme == "https" && location->scheme == "http" && location->host == at.host) {
        location->scheme = at.scheme;
        location->port = at.port;
    }
    if (at.scheme == "https" && location->scheme != "https")
        throw Error(ErrorKind::failed_precondition, describe(answer.request), ": refused to upload from https to ",
                    location->shown());
    location_ = std::move(location);
    if (const auto least = parse_number(answer.response.find("oci-chunk-min-length").value_or(""))) {
        least_piece_ = std::max(least_piece_, *least);
        piece_ = std::max(piece_, *least);
    }
}

void Upload::take_range(const Channel::Answer& answer, std::uint64_t otherwise) {
    taken_ = parse_taken(answer.response.find("range").value_or("")).value_or(otherwise);
    most_ = std::max(most_, taken_);
}

bool Upload::mount(const std::string& from) {
    try {
        const Channel::Answer answer = ask({.method = "POST",
                                            .path = cat("blobs/uploads/?mount=", percent_encode(blob_.digest.string()),
                                                        "&from=", percent_encode(from)),
                                            .headers = {no_type},
                                            .scope = cat("repository:", from, ":pull")},
                                           stop_);
        if (answer.response.status == 201)
            return true;
        // It cannot be had from there, but this is an upload as good as any.
        if (answer.response.ok())
            take_location(answer);
    } catch (const Transient& failure) {
        // Who only fails at mounting may yet take the blob.
        if (!failure.answered || failure.retry_after.count() > 0)
            throw;
    } catch (const Error& error) {
        // It was worth a try: the blob can be sent.
        if (error.kind() == ErrorKind::cancelled || error.kind() == ErrorKind::internal)
            throw;
    }
    return false;
}

bool Upload::start() {
    taken_ = 0;
    if (const std::string from = std::exchange(mount_from_, ""); !from.empty() && mount(from))
        return true;
    if (location_)
        return false;
    const Channel::Answer answer = ask({.method = "POST", .path = "blobs/uploads/", .headers = {no_type}}, stop_);
    if (!answer.response.ok())
        throw_status(answer.request, answer.response, answer.denied);
    take_location(answer);
    return false;
}

// Its query is the registry's own business and stays as it is.
Url Upload::completing_url() const {
    Url url = *location_;
    url.target +=
        cat(url.target.find('?') == std::string::npos ? '?' : '&', "digest=", percent_encode(blob_.digest.string()));
    return url;
}

void Upload::lose(const Channel::Answer& answer) {
    location_.reset();
    throw Transient(describe(answer.request), ": ", status_text(answer.response.status), ": the upload is lost");
}

bool Upload::narrow() {
    const std::uint64_t before = std::min(piece_, blob_.size);
    const std::uint64_t after = std::max(before / 4, least_piece_);
    if (after >= before)
        return false;
    piece_ = after;
    return true;
}

bool Upload::send_whole() {
    PieceSender body(content_, 0, blob_.size);
    const Channel::Answer answer = ask(
        {.method = "PUT", .headers = {octets}, .url = completing_url(), .sender = &body, .header_timeout = completion_},
        stop_);
    const int status = answer.response.status;
    if (status == 404)
        lose(answer);
    if (status == 413 && !changed_way_ && narrow())
        return false;
    if (!answer.response.ok() || status == 202)
        throw_status(answer.request, answer.response, answer.denied);
    check_told_digest(answer.request, answer.response, blob_.digest);
    return true;
}

bool Upload::send_pieces() {
    while (taken_ < blob_.size) {
        const std::uint64_t end = taken_ + std::min(piece_, blob_.size - taken_);
        PieceSender body(content_, taken_, end);
        const Channel::Answer answer = ask({.method = "PATCH",
                                            .headers = {octets, cat("Content-Range: ", taken_, '-', end - 1)},
                                            .url = *location_,
                                            .sender = &body},
                                           stop_);
        const int status = answer.response.status;
        if (status == 404)
            lose(answer);
        if (status == 413 && narrow())
            continue;
        if (status == 416)
            throw Transient(describe(answer.request), ": ", status_text(status));
        if (is_unknown_way(answer.response) && !changed_way_)
            return false;
        if (!answer.response.ok())
            throw_status(answer.request, answer.response, answer.denied);
        if (answer.response.find("location"))
            take_location(answer);
        const std::uint64_t before = taken_;
        take_range(answer, end);
        if (taken_ > end)
            lose(answer);
        if (taken_ <= before)
            throw Transient(describe(answer.request), ": nothing of it was taken");
    }
    PieceSender nothing(content_, blob_.size, blob_.size);
    const Channel::Answer answer = ask({.method = "PUT",
                                        .headers = {octets},
                                        .url = completing_url(),
                                        .sender = &nothing,
                                        .header_timeout = completion_},
                                       stop_);
    const int status = answer.response.status;
    if (status == 404)
        lose(answer);
    if (status == 416)
        throw Transient(describe(answer.request), ": ", status_text(status));
    if (is_unknown_way(answer.response) && !changed_way_)
        return false;
    if (!answer.response.ok() || status == 202)
        throw_status(answer.request, answer.response, answer.denied);
    check_told_digest(answer.request, answer.response, blob_.digest);
    return true;
}

// Some registries know only the one way, some proxies let no large body pass.
void Upload::send() {
    while (!(in_pieces_ ? send_pieces() : send_whole())) {
        cancel();
        in_pieces_ = !in_pieces_;
        changed_way_ = true;
        start();
    }
}

bool Upload::resume() {
    if (!in_pieces_)
        return false;
    const Channel::Answer answer = ask({.method = "GET", .headers = {"Accept: */*"}, .url = *location_}, stop_);
    const auto taken = parse_taken(answer.response.find("range").value_or(""));
    if (!answer.response.ok() || !taken || *taken > content_.furthest())
        return false;
    if (answer.response.find("location"))
        take_location(answer);
    take_range(answer, 0);
    return true;
}

void Upload::cancel() noexcept {
    if (!location_)
        return;
    const auto ask_once = [&] {
        return ask({.method = "DELETE",
                    .url = *location_,
                    .connect_timeout = impatience,
                    .header_timeout = impatience,
                    .challenges = false},
                   std::stop_token());
    };
    // Once more: who refuses a body unread may break the connection under the request that follows.
    attempt([&] { with_retries({1, false}, std::stop_token(), ask_once, [] { return 0U; }); });
    location_.reset();
}

UploadResult Upload::run(std::string mount_from) {
    mount_from_ = std::move(mount_from);
    const auto attempt = [&] {
        if (location_ && !resume())
            cancel();
        if (!location_) {
            // Again after each break: the reply alone may have been lost.
            if (exists())
                return UploadResult::exists;
            if (start())
                return UploadResult::mounted;
        }
        send();
        return UploadResult::uploaded;
    };
    try {
        return with_retries(attempts_, stop_, attempt, [&] { return most_; });
    } catch (const Transient& failure) {
        if (!failure.unreachable && !failure.silent)
            cancel();
        throw;
    } catch (...) {
        cancel();
        throw;
    }
}

} // namespace lade::registry
