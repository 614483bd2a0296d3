// SPDX-License-Identifier: Apache-2.0
// Blob files: verified, immutable, laid out as an OCI image layout's blobs/ (containerd-store.md 4.1).
// Knows files, not rows; every path below content/ is made in this room.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/locks.hpp"
#include "oci/digest.hpp"

namespace lade::content {

class Blobs {
public:
    // `content` is the directory that holds blobs/ and ingest/; both are made when missing. Stays open with
    // the object. `patience` is for ingests that another process writes.
    explicit Blobs(Fd content, Patience patience = {});

    // nullopt when there is no such file.
    std::optional<Fd> find(const oci::Digest& digest) const;
    // The size of the file, nullopt when there is none.
    std::optional<std::uint64_t> size(const oci::Digest& digest) const;
    // Every digest that has a file.
    std::vector<oci::Digest> list() const;
    // What lies where blobs lie, as "<algorithm>:<name>", which is a digest unless somebody put another thing there. In
    // byte order.
    std::vector<std::string> entries() const;
    // The path below content/ of such an entry.
    static std::string path_of_entry(const std::string& entry);
    // What else lies below content/ and can be no ingest, as paths for discard_stray().
    std::vector<std::string> strays() const;

    // Puts a verified, synced file in its place and syncs the directory. A file of this size that is there already
    // stays and serves: it may be more durable than the new one. `directory` and `name` say where it lies now. The
    // caller holds the publish lock.
    void publish(int directory, const std::string& name, const oci::Digest& digest, bool durable) const;
    // Moves the file to `trash` under `name`; absent is success.
    void discard(const oci::Digest& digest, int trash, const std::string& name) const;
    void discard_stray(const std::string& path, int trash, const std::string& name) const;

    int directory() const noexcept { return content_.get(); }
    const Patience& patience() const noexcept { return patience_; }

private:
    Fd content_;
    Patience patience_;
};

} // namespace lade::content
