// SPDX-License-Identifier: Apache-2.0
#include "registry/repository.hpp"

#include <algorithm>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"
#include "registry/blob_receiver.hpp"
#include "registry/channel.hpp"
#include "registry/keyring.hpp"
#include "registry/resolve.hpp"
#include "registry/retry.hpp"
#include "registry/status.hpp"

namespace lade::registry {

namespace {

std::string resource_of(const oci::Descriptor& descriptor) {
    const std::string& type = descriptor.media_type;
    return cat(oci::media_type::is_document(type) ? "manifests/" : "blobs/", descriptor.digest);
}

// The media type comes from a stranger's document; what is no plain text stays out of the request.
std::string accept(const std::string& media_type) {
    const bool plain = !media_type.empty() && media_type.size() < 256 &&
                       std::ranges::all_of(media_type, [](char c) { return c > ' ' && c <= '~' && c != ','; });
    return plain ? cat("Accept: ", media_type, ", */*") : "Accept: */*";
}

// A document must be the same thing in the header as in the descriptor (safety.md 3.3). Types that are none of a
// document say nothing: some servers know only files.
void check_kind(const oci::Descriptor& descriptor, const Request& request, const Response& response) {
    const auto is_document = [](std::string_view type) {
        return oci::media_type::is_document(type) || oci::media_type::is_schema1(type);
    };
    const std::string header = response.find("content-type").value_or("");
    const std::string type(trim(std::string_view(header).substr(0, header.find(';'))));
    if (is_document(descriptor.media_type) && is_document(type) && type != descriptor.media_type)
        throw Error(ErrorKind::data_loss, describe(request), ": the registry calls it ", printable(type),
                    ", the descriptor says ", printable(descriptor.media_type));
}

// -u is for the reference's own registry; a mirror has what is kept under its own name.
KeySource keys_of(const Host& host, const oci::Reference& reference, const std::optional<Credentials>& given,
                  const Keyring& keyring) {
    return keyring.keys(
        {.registry = host.is_registry ? reference.domain() : host.base.authority(), .repository = reference.path()},
        host.is_registry ? given : std::nullopt);
}

} // namespace

struct Repository::Impl {
    Impl(oci::Reference wanted, Options options) : reference(std::move(wanted)), retries(options.retries) {
        const HostRules rules{.plain_http = options.plain_http, .skip_verify = options.skip_verify};
        const Keyring keyring(std::move(options.ask_program));
        for (const Host& host : hosts_for(reference.domain(), rules))
            channels.push_back(std::make_unique<Channel>(client, host, reference.path(),
                                                         keys_of(host, reference, options.credentials, keyring),
                                                         std::string(denied_meaning)));
    }

    // There is one host so far. With mirrors, resolve and fetch will go through all that are capable, in order, and
    // an error of one will lead on to the next.
    Channel& channel(bool Capabilities::*capability) {
        const auto able =
            std::ranges::find_if(channels, [&](const auto& one) { return one->host().capabilities.*capability; });
        if (able == channels.end())
            throw Error(ErrorKind::not_found, reference.repository(), ": no host serves this registry");
        return **able;
    }

    const oci::Reference reference;
    const unsigned retries;
    Client client;
    std::vector<std::unique_ptr<Channel>> channels;
};

Repository::Repository(const oci::Reference& reference, Options options)
    : impl_(std::make_unique<Impl>(reference, std::move(options))) {}

Repository::~Repository() = default;

oci::Descriptor Repository::resolve(const std::stop_token& stop) {
    Channel& channel = impl_->channel(impl_->reference.digest() ? &Capabilities::pull : &Capabilities::resolve);
    return registry::resolve(channel, impl_->reference, impl_->retries, stop);
}

oci::Descriptor Repository::resolve_blob(const oci::Digest& digest, bool document, const std::stop_token& stop) {
    const oci::Reference wanted = oci::Reference::parse(cat(impl_->reference.repository(), '@', digest));
    return registry::resolve_blob(impl_->channel(&Capabilities::pull), wanted, document, impl_->retries, stop);
}

void Repository::fetch(const oci::Descriptor& descriptor, std::uint64_t offset, Sink& sink,
                       const std::stop_token& stop) {
    if (offset > descriptor.size)
        throw Error(ErrorKind::invalid_argument, descriptor.digest, ": offset ", offset, " is past its ",
                    descriptor.size, " bytes");
    Channel& channel = impl_->channel(&Capabilities::pull);
    BlobReceiver receiver(offset, descriptor.size, sink);
    const auto attempt = [&] {
        if (receiver.done())
            return;
        Channel::Ask ask{.method = "GET", .path = resource_of(descriptor), .headers = {accept(descriptor.media_type)}};
        if (receiver.position() > 0)
            ask.headers.push_back(cat("Range: bytes=", receiver.position(), '-'));
        const Channel::Answer answer = channel.send(ask, receiver, stop);
        const Request& request = answer.request;
        const Response& response = answer.response;
        if (response.status == 416 && receiver.position() > 0)
            throw Error(ErrorKind::data_loss, describe(request), ": ", status_text(response.status),
                        ": the registry's content ends before byte ", receiver.position(), ", the descriptor says ",
                        descriptor.size);
        if (response.status == 404)
            doing([&] { return cat(impl_->reference.repository(), '@', descriptor.digest, " not found"); },
                  [&] { throw_status(request, response, answer.denied); });
        if (!response.ok())
            throw_status(request, response, answer.denied);
        check_kind(descriptor, request, response);
        if (!receiver.done())
            throw Transient(describe(request), ": the body ended after ", receiver.position(), " of ", descriptor.size,
                            " bytes");
    };
    with_retries(impl_->retries, stop, attempt, [&] { return receiver.position(); });
}

} // namespace lade::registry
