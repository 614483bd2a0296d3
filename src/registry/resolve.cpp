// SPDX-License-Identifier: Apache-2.0
#include "registry/resolve.hpp"

#include <initializer_list>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/text.hpp"
#include "registry/retry.hpp"
#include "registry/status.hpp"

namespace lade::registry {

namespace {

constexpr std::string_view accept_documents = "Accept: application/vnd.docker.distribution.manifest.v2+json, "
                                              "application/vnd.docker.distribution.manifest.list.v2+json, "
                                              "application/vnd.oci.image.manifest.v1+json, "
                                              "application/vnd.oci.image.index.v1+json, */*";

// A document's bytes; every attempt begins anew.
class DocumentReceiver final : public Receiver {
public:
    explicit DocumentReceiver(std::string what) : what_(std::move(what)) {}
    void begin(const Response& /*head*/) override { sink_ = fresh(); }
    void write(std::span<const std::byte> bytes) override { sink_.write(bytes); }
    std::string take() { return sink_.take(); }

private:
    StringSink fresh() const { return {oci::max_document, what_}; }
    std::string what_;
    StringSink sink_ = fresh();
};

std::string media_type_of(const Response& response) {
    const std::string type = response.find("content-type").value_or("");
    return std::string(trim(std::string_view(type).substr(0, type.find(';'))));
}

// Schema 1 comes with its own types, or as text/plain from the oldest registries.
std::string checked_media_type(const Request& request, const Response& response) {
    std::string type = media_type_of(response);
    if (type.empty())
        throw Error(ErrorKind::failed_precondition, describe(request), ": the reply has no content type");
    if (type == "text/plain" || oci::media_type::is_schema1(type))
        throw Error(ErrorKind::unimplemented, describe(request), ": schema 1 image manifests are not supported");
    return type;
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

// Among what the object is looked for. A digest may name any blob, e.g. a config.
enum class Among { manifests, blobs };

// Whatever a registry calls a blob, it is no document: those are had from among the manifests only.
std::string blob_media_type(const Response& response) {
    std::string type = media_type_of(response);
    return type.empty() || oci::media_type::is_document(type) ? "application/octet-stream" : type;
}

// One reference on one host.
class Resolution {
public:
    Resolution(Channel& channel, const oci::Reference& reference, unsigned retries, const std::stop_token& stop)
        : channel_(channel), reference_(reference), retries_(retries), stop_(stop) {}

    // Looks in these places, in order.
    oci::Descriptor run(std::initializer_list<Among> places);
    // Looks in one place; nullopt when it is not there.
    std::optional<oci::Descriptor> find(Among place);

private:
    std::optional<oci::Descriptor> get(Among place);
    std::string path(Among place) const {
        return cat(place == Among::manifests ? "manifests/" : "blobs/", reference_.object());
    }
    static std::string media_type(Among place, const Channel::Answer& answer) {
        return place == Among::manifests ? checked_media_type(answer.request, answer.response)
                                         : blob_media_type(answer.response);
    }
    [[noreturn]] void refuse_forbidden(const std::string& path, const Channel::Answer& head);
    Channel::Answer ask(const std::string& method, const std::string& path, Receiver& receiver);

    Channel& channel_;
    const oci::Reference& reference_;
    unsigned retries_;
    const std::stop_token& stop_;
    std::optional<Channel::Answer> missing_; // the first 404
};

Channel::Answer Resolution::ask(const std::string& method, const std::string& path, Receiver& receiver) {
    const Channel::Ask wanted{.method = method, .path = path, .headers = {std::string(accept_documents)}};
    return with_retries(
        retries_, stop_, [&] { return channel_.send(wanted, receiver, stop_); }, [] { return 0U; });
}

oci::Descriptor Resolution::run(std::initializer_list<Among> places) {
    for (const Among place : places)
        if (auto descriptor = find(place))
            return *std::move(descriptor);
    doing([&] { return cat(reference_.string(), " not found"); },
          [&] { throw_status(missing_->request, missing_->response, missing_->denied); });
    throw Error(ErrorKind::internal, "unreachable");
}

std::optional<oci::Descriptor> Resolution::find(Among place) {
    DocumentReceiver nothing(path(place));
    Channel::Answer head = ask("HEAD", path(place), nothing);
    if (head.response.status == 403)
        refuse_forbidden(path(place), head);
    if (head.response.status == 405)
        return get(place);
    if (head.response.status == 404) {
        if (!missing_)
            missing_ = std::move(head);
        return std::nullopt;
    }
    if (!head.response.ok())
        throw_status(head.request, head.response, head.denied);

    const auto told = told_digest(head.request, head.response);
    // No document is empty: a length of 0 is a proxy's way of not knowing.
    const std::uint64_t size = head.response.content_length().value_or(0);
    if (place == Among::manifests)
        check_size(head.request, size);
    if (size == 0 || (!reference_.digest() && !told))
        return get(place);
    if (reference_.digest())
        check_digest(head.request, *reference_.digest(), told);
    return oci::Descriptor{.media_type = media_type(place, head),
                           .digest = reference_.digest() ? *reference_.digest() : *told,
                           .size = size};
}

std::optional<oci::Descriptor> Resolution::get(Among place) {
    DocumentReceiver receiver(path(place));
    Channel::Answer answer = ask("GET", path(place), receiver);
    if (answer.response.status == 404) {
        if (!missing_)
            missing_ = std::move(answer);
        return std::nullopt;
    }
    if (!answer.response.ok())
        throw_status(answer.request, answer.response, answer.denied);
    std::string type = media_type(place, answer);
    const std::string text = receiver.take();
    oci::Hasher hasher(reference_.digest() ? reference_.digest()->algorithm() : oci::Algorithm::sha256);
    hasher.update(as_bytes(text));
    oci::Digest digest = hasher.finish();
    if (reference_.digest())
        check_digest(answer.request, *reference_.digest(), digest);
    if (const auto told = told_digest(answer.request, answer.response))
        check_digest(answer.request, *told, digest);
    return oci::Descriptor{.media_type = std::move(type), .digest = std::move(digest), .size = text.size()};
}

// A reply to HEAD has no body, and the reason stands in the body.
void Resolution::refuse_forbidden(const std::string& path, const Channel::Answer& head) {
    DocumentReceiver nothing(path);
    const Channel::Answer get = ask("GET", path, nothing);
    const Channel::Answer& told = get.response.status == 403 ? get : head;
    throw_status(head.request, told.response, told.denied);
}

} // namespace

oci::Descriptor resolve(Channel& channel, const oci::Reference& reference, unsigned retries,
                        const std::stop_token& stop) {
    Resolution resolution(channel, reference, retries, stop);
    return reference.digest() ? resolution.run({Among::manifests, Among::blobs}) : resolution.run({Among::manifests});
}

oci::Descriptor resolve_blob(Channel& channel, const oci::Reference& reference, bool document, unsigned retries,
                             const std::stop_token& stop) {
    Resolution resolution(channel, reference, retries, stop);
    if (!document)
        return resolution.run({Among::blobs, Among::manifests});
    // Some registries fail over a blob that is no manifest where they should not find it: they are asked only once
    // before the blobs are looked through.
    try {
        if (auto descriptor = Resolution(channel, reference, 0, stop).find(Among::manifests))
            return *std::move(descriptor);
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::unavailable)
            throw;
    }
    if (auto descriptor = resolution.find(Among::blobs))
        return *std::move(descriptor);
    return resolution.run({Among::manifests});
}

} // namespace lade::registry
