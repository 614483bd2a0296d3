// SPDX-License-Identifier: Apache-2.0
#include "registry/repository.hpp"

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"
#include "registry/blob_request.hpp"
#include "registry/candidates.hpp"
#include "registry/channel.hpp"
#include "registry/foreign.hpp"
#include "registry/ranged_fetch.hpp"
#include "registry/referrers.hpp"
#include "registry/resolve.hpp"
#include "registry/retry.hpp"
#include "registry/senders.hpp"
#include "registry/status.hpp"
#include "registry/walk.hpp"

namespace lade::registry {

namespace {

constexpr Capabilities needs_pull{.pull = true, .resolve = false, .push = false, .referrers = false};
constexpr Capabilities needs_resolve{.pull = true, .resolve = true, .push = false, .referrers = false};
constexpr Capabilities needs_referrers{.pull = true, .resolve = false, .push = false, .referrers = true};

} // namespace

struct Repository::Impl {
    Impl(oci::Reference wanted, const Options& options)
        : reference(std::move(wanted)),
          retries(options.retries),
          foreign_layers(options.foreign_layers),
          chunks(options.chunks),
          spare(std::max(options.chunks.at_once, 1U) - 1),
          client(timeouts_of(options), options.trace),
          notices(options.warn) {
        for (auto& [host, keys] : find_candidates(reference, options))
            hosts.add(std::make_unique<Channel>(client, std::move(host), reference.path(), std::move(keys),
                                                std::string(denied_meaning), &notices));
    }

    std::optional<oci::Descriptor> find(const oci::Reference& wanted, Among place, const Capabilities& needs,
                                        unsigned further, Failures& failures, const std::stop_token& stop) {
        return hosts.first(needs, further, failures, [&](Channel& channel, Attempts attempts) {
            return registry::find(channel, wanted, place, attempts, stop);
        });
    }

    // Looks in these places, in order.
    oci::Descriptor get(const oci::Reference& wanted, std::initializer_list<Among> places, const Capabilities& needs,
                        const std::stop_token& stop) {
        Failures failures;
        for (const Among place : places) {
            if (auto descriptor = find(wanted, place, needs, retries, failures, stop))
                return *std::move(descriptor);
            if (!failures.only_elsewhere())
                break;
        }
        failures.throw_worst(cat(wanted.string(), " not found"));
    }

    // The registry's own, whoever is asked in its place.
    Nearness nearness() const {
        const auto url = Url::parse(cat("http://", reference.domain()));
        const bool local = url && is_loopback(url->host);
        const bool near = url && is_private_address(url->host);
        return {.local = local, .private_network = local || near || hosts.registry_is_private()};
    }

    const oci::Reference reference;
    const unsigned retries;
    const bool foreign_layers;
    const Chunks chunks;
    Spare spare;
    Client client;
    Notices notices;
    Walk hosts;
    Senders senders;
};

Repository::Repository(const oci::Reference& reference, const Options& options)
    : impl_(std::make_unique<Impl>(reference, options)) {}

Repository::~Repository() = default;

oci::Descriptor Repository::resolve(const std::stop_token& stop) {
    return impl_->reference.digest() ? impl_->get(impl_->reference, {Among::manifests, Among::blobs}, needs_pull, stop)
                                     : impl_->get(impl_->reference, {Among::manifests}, needs_resolve, stop);
}

oci::Descriptor Repository::resolve_blob(const oci::Digest& digest, bool document, const std::stop_token& stop) {
    const oci::Reference wanted = oci::Reference::parse(cat(impl_->reference.repository(), '@', digest));
    if (!document)
        return impl_->get(wanted, {Among::blobs, Among::manifests}, needs_pull, stop);
    // Some registries fail over a blob that is no manifest where they should not find it: they are asked only once
    // before the blobs are looked through.
    Failures failures;
    if (auto descriptor = impl_->find(wanted, Among::manifests, needs_pull, 0, failures, stop))
        return *std::move(descriptor);
    if (!failures.may_be_elsewhere())
        failures.throw_worst(cat(wanted.string(), " not found"));
    return impl_->get(wanted, {Among::blobs, Among::manifests}, needs_pull, stop);
}

std::vector<oci::Descriptor> Repository::referrers(const oci::Digest& subject, const std::string& artifact_type,
                                                   const std::stop_token& stop) {
    Failures failures;
    auto found =
        impl_->hosts.first(needs_referrers, impl_->retries, failures, [&](Channel& channel, Attempts attempts) {
            return find_referrers(channel, subject, artifact_type, attempts, stop);
        });
    if (!found && !failures.nobody_has())
        failures.throw_worst(cat("no referrers of ", subject));
    return found ? *std::move(found) : std::vector<oci::Descriptor>{};
}

void Repository::fetch(const oci::Descriptor& descriptor, std::uint64_t offset, Sink& sink,
                       const std::stop_token& stop) {
    if (offset > descriptor.size)
        throw Error(ErrorKind::invalid_argument, descriptor.digest, ": offset ", offset, " is past its ",
                    descriptor.size, " bytes");
    const Asking asking{
        .hosts = impl_->hosts, .needs = needs_pull, .retries = impl_->retries, .senders = impl_->senders};
    const Channel* const likely = impl_->hosts.likely(needs_pull, asking.rejected(descriptor.digest));
    if (likely == nullptr)
        throw Error(ErrorKind::data_loss, descriptor.digest, ": every host that could be asked sent something else");
    Failures failures;
    const bool found = !ranges_pay(impl_->chunks, descriptor.size - offset, likely->round_trip(),
                                   is_loopback(likely->host().base.host)) ||
                       fetch_in_ranges(asking, impl_->chunks, impl_->spare, descriptor, offset, sink, failures, stop);
    BlobReceiver receiver(offset, descriptor.size, sink);
    Validator validator;
    if (found && fetch_from_any(asking, descriptor, receiver, validator, failures, stop))
        return;
    const std::string foreign = failures.only_elsewhere() ? foreign_hosts(descriptor) : "";
    if (foreign.empty())
        failures.throw_worst(cat(impl_->reference.repository(), '@', descriptor.digest, " not found"));
    if (!impl_->foreign_layers)
        throw Error(ErrorKind::failed_precondition, impl_->reference.repository(),
                    " does not have it; it is to be had from ", foreign, ", which is asked with --foreign-layers only");
    fetch_foreign(impl_->client, descriptor, impl_->nearness(), {impl_->retries, true}, receiver, stop);
}

Repository::Blamed Repository::blame(const oci::Digest& digest) {
    const Channel* const blamed = impl_->senders.blame(digest);
    const auto rejected = [&](const Channel& channel) { return impl_->senders.is_rejected(digest, channel); };
    return {.host = blamed == nullptr ? "" : cat(blamed->host().base.scheme, "://", blamed->host().base.authority()),
            .others = blamed != nullptr && impl_->hosts.likely(needs_pull, rejected) != nullptr};
}

bool Repository::has_mirrors() const noexcept {
    return impl_->hosts.size() > 1;
}

} // namespace lade::registry
