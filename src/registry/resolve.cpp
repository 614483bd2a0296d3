// SPDX-License-Identifier: Apache-2.0
#include "registry/resolve.hpp"

#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/text.hpp"
#include "oci/schema1.hpp"
#include "registry/document_receiver.hpp"
#include "registry/retry.hpp"
#include "registry/status.hpp"

namespace lade::registry {

namespace {

constexpr std::string_view accept_documents = "Accept: application/vnd.docker.distribution.manifest.v2+json, "
                                              "application/vnd.docker.distribution.manifest.list.v2+json, "
                                              "application/vnd.oci.image.manifest.v1+json, "
                                              "application/vnd.oci.image.index.v1+json, */*";

// Schema 1 comes as text/plain from the oldest registries.
std::string checked_media_type(const Request& request, const Response& response) {
    std::string type = media_type_of(response);
    if (type.empty())
        throw Error(ErrorKind::failed_precondition, describe(request), ": the reply has no content type");
    // Of a proxy that wants a login, or a mirror that is none any more: another host may have the manifest.
    if (type == "text/html")
        throw Error(ErrorKind::failed_precondition, describe(request), ": the reply is a page (", type,
                    "), not a manifest");
    return type == "text/plain" ? std::string(oci::media_type::docker_schema1) : type;
}

void check_size(const Request& request, std::uint64_t size) {
    if (size > oci::max_document)
        throw Error(ErrorKind::resource_exhausted, describe(request), ": a manifest of ", size, " bytes, at most ",
                    oci::max_document, " are read");
}

// What the registry says about the digest of its reply, if anything.
std::optional<oci::Digest> told_digest(const Request& request, const Response& response) {
    const auto text = response.find("docker-content-digest");
    if (!text || text->empty())
        return std::nullopt;
    auto digest = oci::Digest::try_parse(*text);
    if (!digest)
        throw Error(ErrorKind::data_loss, describe(request), ": Docker-Content-Digest \"",
                    printable(text->substr(0, 200)), "\" is no digest");
    return digest;
}

// Digests of different algorithms say nothing about each other.
void check_digest(const Request& request, const oci::Digest& wanted, const std::optional<oci::Digest>& found) {
    if (found && found->algorithm() == wanted.algorithm() && *found != wanted)
        throw Error(ErrorKind::data_loss, describe(request), ": the content has digest ", *found, ", not ", wanted);
}

// Whatever a registry calls a blob, it is no document: those are had from among the manifests only.
std::string blob_media_type(const Response& response) {
    std::string type = media_type_of(response);
    return type.empty() || oci::media_type::is_document(type) ? "application/octet-stream" : type;
}

// One reference in one place of one host.
class Resolution {
public:
    Resolution(Channel& channel, const oci::Reference& reference, Among place, Attempts attempts,
               const std::stop_token& stop)
        : channel_(channel),
          reference_(reference),
          place_(place),
          path_(cat(place == Among::manifests ? "manifests/" : "blobs/", reference.object())),
          attempts_(attempts),
          stop_(stop) {}

    oci::Descriptor find();

private:
    oci::Descriptor get();
    std::string media_type(const Channel::Answer& answer) const {
        return place_ == Among::manifests ? checked_media_type(answer.request, answer.response)
                                          : blob_media_type(answer.response);
    }
    [[noreturn]] void refuse_forbidden(const Channel::Answer& head);
    Channel::Answer ask(const std::string& method, Receiver& receiver);

    Channel& channel_;
    const oci::Reference& reference_;
    const Among place_;
    const std::string path_;
    const Attempts attempts_;
    const std::stop_token& stop_;
};

Channel::Answer Resolution::ask(const std::string& method, Receiver& receiver) {
    const Channel::Ask wanted{.method = method, .path = path_, .headers = {std::string(accept_documents)}};
    return with_retries(
        attempts_, stop_, [&] { return channel_.send(wanted, receiver, stop_); }, [] { return 0U; });
}

oci::Descriptor Resolution::find() {
    DocumentReceiver nothing(path_);
    const Channel::Answer head = ask("HEAD", nothing);
    if (head.response.status == 403)
        refuse_forbidden(head);
    if (head.response.status == 405)
        return get();
    if (!head.response.ok())
        throw_status(head.request, head.response, head.denied);

    const auto told = told_digest(head.request, head.response);
    // No document is empty: a length of 0 is a proxy's way of not knowing.
    const std::uint64_t size = head.response.content_length().value_or(0);
    if (place_ == Among::manifests)
        check_size(head.request, size);
    if (size == 0 || (!reference_.digest() && !told))
        return get();
    if (reference_.digest())
        check_digest(head.request, *reference_.digest(), told);
    return oci::Descriptor{
        .media_type = media_type(head), .digest = reference_.digest() ? *reference_.digest() : *told, .size = size};
}

oci::Descriptor Resolution::get() {
    DocumentReceiver receiver(path_);
    const Channel::Answer answer = ask("GET", receiver);
    if (!answer.response.ok())
        throw_status(answer.request, answer.response, answer.denied);
    std::string type = media_type(answer);
    const std::string text = receiver.take();
    oci::Digest digest = oci::document_digest(
        type, text, reference_.digest() ? reference_.digest()->algorithm() : oci::Algorithm::sha256,
        describe(answer.request));
    if (reference_.digest())
        check_digest(answer.request, *reference_.digest(), digest);
    if (const auto told = told_digest(answer.request, answer.response))
        check_digest(answer.request, *told, digest);
    return oci::Descriptor{.media_type = std::move(type), .digest = std::move(digest), .size = text.size()};
}

// A reply to HEAD has no body, and the reason stands in the body.
void Resolution::refuse_forbidden(const Channel::Answer& head) {
    DocumentReceiver nothing(path_);
    const Channel::Answer get = ask("GET", nothing);
    const Channel::Answer& told = get.response.status == 403 ? get : head;
    throw_status(head.request, told.response, told.denied);
}

} // namespace

std::string media_type_of(const Response& response) {
    const std::string type = response.find("content-type").value_or("");
    return std::string(trim(std::string_view(type).substr(0, type.find(';'))));
}

void check_told_digest(const Request& request, const Response& response, const oci::Digest& wanted) {
    check_digest(request, wanted, told_digest(request, response));
}

oci::Descriptor find(Channel& channel, const oci::Reference& reference, Among place, Attempts attempts,
                     const std::stop_token& stop) {
    return Resolution(channel, reference, place, attempts, stop).find();
}

} // namespace lade::registry
