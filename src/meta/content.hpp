// SPDX-License-Identifier: Apache-2.0
// Rows of content: the blobs every namespace shares, what one namespace has of them, and its ingests
// (containerd-store.md 2.3, 2.4).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "meta/sqlite.hpp"
#include "oci/digest.hpp"
#include "oci/labels.hpp"

namespace lade::meta {

struct Blob {
    oci::Digest digest;
    std::uint64_t size = 0;
    oci::Labels labels;
    Time created{};
    Time updated{};
};

struct IngestRow {
    std::string ref;
    std::optional<std::string> expected;
    std::optional<Time> expires;
};

class Content {
public:
    Content(Database& database, std::string name_space) : database_(database), namespace_(std::move(name_space)) {}

    // In byte order of the digest.
    std::vector<Blob> list();
    std::optional<Blob> find(const oci::Digest& digest);
    // not_found names it.
    Blob get(const oci::Digest& digest);
    // At most `limit` of the digests recorded here that `start` abbreviates (oci::Digest::is_abbreviation), in byte
    // order.
    std::vector<oci::Digest> starting_with(std::string_view start, std::uint64_t limit);
    // The size of the shared blob, whichever namespace has it.
    std::optional<std::uint64_t> shared_size(const oci::Digest& digest);
    // True when a namespace that shares with all others (label containerd.io/namespace.shareable=true) has it.
    bool is_shareable(const oci::Digest& digest);
    // Records the blob here; one that is recorded gets `labels` merged. The file must be published.
    void put(const oci::Digest& digest, std::uint64_t size, const oci::Labels& labels);
    // An empty value removes its key. False when the digest is not recorded here.
    bool label(const oci::Digest& digest, const oci::Labels& changes);
    // By field path, see update_labels(). Returns what it is now. not_found, invalid_argument.
    Blob update(const oci::Digest& digest, const oci::Labels& labels, const std::vector<std::string>& paths);
    // False when there is none. The file stays until garbage collection.
    bool remove(const oci::Digest& digest);

    // In byte order of the ref.
    std::vector<IngestRow> ingests();
    // Makes the row or moves its expiry.
    void put_ingest(const IngestRow& ingest);
    // Whether there is one that has an expiry.
    bool is_resumable(const std::string& ref);
    bool remove_ingest(const std::string& ref);

private:
    Blob from_row(const Statement& row);

    Database& database_;
    std::string namespace_;
};

} // namespace lade::meta
