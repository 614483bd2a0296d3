// SPDX-License-Identifier: Apache-2.0
// Where the bytes of a transfer come from: a repository on its registry, an archive. All that fetch.hpp asks of it.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "base/error.hpp"
#include "base/stream.hpp"
#include "oci/manifest.hpp"
#include "registry/repository.hpp"
#include "transfer/progress.hpp"

namespace lade::transfer {

// Used by several threads at once.
class Provider {
public:
    virtual ~Provider() = default;

    // Sends the bytes [offset, descriptor.size) to `sink`, exactly those, from the calling thread. Nothing is hashed
    // here. not_found: it has none; data_loss: they are more, or end early.
    virtual void fetch(const oci::Descriptor& descriptor, std::uint64_t offset, Sink& sink,
                       const std::stop_token& stop) = 0;
    // After fetch(), when the bytes do not have that digest. Returns when there is somebody to fetch them anew from,
    // which `warn` is told of; else throws `mismatch`, saying who sent them.
    virtual void blame(const oci::Descriptor& descriptor, Error mismatch,
                       const std::function<void(const std::string&)>& warn) = 0;
    // Whether those who could make no sense of the bytes wait until it is known if they were the right ones.
    virtual bool awaits_verdict() const noexcept = 0;
    // Whether a layer is stored even if its snapshot exists, so that nobody needs its bytes.
    virtual bool brings_unpacked(const oci::Descriptor& layer) const = 0;
    // Whether part of a blob is worth keeping for another attempt, after this one has failed.
    virtual bool is_resumed() const noexcept { return true; }
    // The stages of what is on its way, and of what has arrived.
    virtual Stage arriving() const noexcept { return Stage::downloading; }
    virtual Stage arrived() const noexcept { return Stage::downloaded; }
};

class RepositoryProvider final : public Provider {
public:
    // The repository stays the caller's.
    explicit RepositoryProvider(registry::Repository& repository) : repository_(repository) {}

    void fetch(const oci::Descriptor& descriptor, std::uint64_t offset, Sink& sink,
               const std::stop_token& stop) override {
        repository_.fetch(descriptor, offset, sink, stop);
    }
    void blame(const oci::Descriptor& descriptor, Error mismatch,
               const std::function<void(const std::string&)>& warn) override;
    // A mirror's wrong bytes are cured by another host, a bad image is not.
    bool awaits_verdict() const noexcept override { return repository_.has_mirrors(); }
    bool brings_unpacked(const oci::Descriptor& /*layer*/) const override { return false; }

private:
    registry::Repository& repository_;
};

} // namespace lade::transfer
