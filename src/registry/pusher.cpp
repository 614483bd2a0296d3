// SPDX-License-Identifier: Apache-2.0
#include "registry/pusher.hpp"

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/referrers.hpp"
#include "registry/candidates.hpp"
#include "registry/referrers.hpp"
#include "registry/referrers_tag.hpp"
#include "registry/resolve.hpp"
#include "registry/retry.hpp"
#include "registry/status.hpp"
#include "registry/text_sender.hpp"

namespace lade::registry {

namespace {

constexpr std::string_view push_denied = "push access denied, the repository may not exist or needs a login";

} // namespace

struct Pusher::Impl {
    Impl(const oci::Reference& reference, const Options& options, std::uint64_t its_piece)
        : piece(its_piece),
          retries(options.retries),
          timeouts(timeouts_of(options)),
          client(timeouts, options.trace),
          notices(options.warn) {
        std::vector<Candidate> candidates = find_candidates(reference, options);
        const auto chosen =
            std::ranges::find_if(candidates, [](const Candidate& one) { return one.host.capabilities.push; });
        if (chosen == candidates.end())
            throw Error(ErrorKind::failed_precondition, "no host of ", reference.domain(),
                        " is configured to take pushes");
        channel.emplace(client, std::move(chosen->host), reference.path(), std::move(chosen->keys),
                        std::string(push_denied), &notices, "pull,push");
    }

    bool has_document(const oci::Descriptor& document, const std::string& name, const std::stop_token& stop);
    bool lists(const oci::Digest& subject, const oci::Digest& referrer, const std::stop_token& stop);
    // The reply to the document; nullopt when the registry `has` it.
    std::optional<Response> put(const oci::Descriptor& document, std::string_view text, const std::string& name,
                                const std::function<bool()>& has, const std::stop_token& stop);

    std::uint64_t piece;
    unsigned retries;
    Timeouts timeouts;
    Client client;
    Notices notices;
    std::optional<Channel> channel;
};

Pusher::Pusher(const oci::Reference& reference, const Options& options, std::uint64_t piece)
    : impl_(std::make_unique<Impl>(reference, options, piece)) {}

Pusher::~Pusher() = default;

UploadResult Pusher::upload(const oci::Descriptor& blob, BlobContent& content, const std::string& mount_from,
                            const std::stop_token& stop) {
    return Upload(*impl_->channel, blob, content, impl_->piece, impl_->timeouts.completion, impl_->retries, stop)
        .run(mount_from);
}

// Whoever may write need not be allowed to look; what else is wrong shows when it is written.
bool Pusher::Impl::has_document(const oci::Descriptor& document, const std::string& name, const std::stop_token& stop) {
    try {
        NoReceiver nothing;
        const Channel::Answer answer = channel->send({.method = "HEAD",
                                                      .path = cat("manifests/", name),
                                                      .headers = {cat("Accept: ", document.media_type, ", */*")}},
                                                     nothing, stop);
        return answer.response.ok() && (name == document.digest.string() ||
                                        answer.response.find("docker-content-digest") == document.digest.string());
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::unauthenticated && error.kind() != ErrorKind::permission_denied)
            throw;
        return false;
    }
}

bool Pusher::Impl::lists(const oci::Digest& subject, const oci::Digest& referrer, const std::stop_token& stop) {
    try {
        // What is tried again is all that is done about the document.
        const std::vector<oci::Descriptor> listed = find_referrers(*channel, subject, "", 0, stop);
        return std::ranges::find(listed, referrer, &oci::Descriptor::digest) != listed.end();
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::not_found && error.kind() != ErrorKind::unauthenticated &&
            error.kind() != ErrorKind::permission_denied)
            throw;
        return false;
    }
}

std::optional<Response> Pusher::Impl::put(const oci::Descriptor& document, std::string_view text,
                                          const std::string& name, const std::function<bool()>& has,
                                          const std::stop_token& stop) {
    TextSender body(text);
    const auto attempt = [&]() -> std::optional<Response> {
        // Again after each break: the reply alone may have been lost.
        if (has())
            return std::nullopt;
        NoReceiver nothing;
        Channel::Answer answer = channel->send({.method = "PUT",
                                                .path = cat("manifests/", name),
                                                .headers = {cat("Content-Type: ", document.media_type)},
                                                .sender = &body},
                                               nothing, stop);
        if (!answer.response.ok())
            throw_status(answer.request, answer.response, answer.denied);
        check_told_digest(answer.request, answer.response, document.digest);
        return std::move(answer.response);
    };
    return with_retries(retries, stop, attempt, [] { return 0U; });
}

UploadResult Pusher::put_document(const oci::Descriptor& document, std::string_view text, const std::string& name,
                                  const std::stop_token& stop) {
    const auto subject = oci::parse_referral(text, document.digest.string()).subject;
    // One that is there and not listed is put again: the reply says who has to list it.
    const auto has = [&] {
        return impl_->has_document(document, name, stop) &&
               (!subject || impl_->lists(subject->digest, document.digest, stop));
    };
    const std::optional<Response> reply = impl_->put(document, text, name, has, stop);
    if (!reply)
        return UploadResult::exists;
    if (subject && reply->find("oci-subject") != subject->digest.string())
        list_in_tag(*impl_->channel, subject->digest,
                    oci::describe_referrer(text, document.media_type, document.digest), impl_->retries, stop);
    return UploadResult::uploaded;
}

} // namespace lade::registry
