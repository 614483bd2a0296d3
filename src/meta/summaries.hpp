// SPDX-License-Identifier: Apache-2.0
// What the documents of an image say, remembered so that a listing of thousands need not read them. A summary is a
// function of the target's bytes and the platform asked for: it never grows old, and losing it loses nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "meta/sqlite.hpp"
#include "oci/digest.hpp"

namespace lade::meta {

struct Summary {
    std::optional<oci::Digest> config; // the image's ID; none for what is no image
    std::uint64_t size = 0;            // nominal: target, the platform's manifest, its config and layers
    std::vector<std::string> platforms;
};

class Summaries {
public:
    explicit Summaries(Database& database) : database_(database) {}

    std::optional<Summary> find(const oci::Digest& target, const std::string& platform);
    // Does nothing for a target that no image of any namespace has.
    void put(const oci::Digest& target, const std::string& platform, const Summary& summary);
    // Does nothing while any image of any namespace has the target.
    void forget(const oci::Digest& target);

    // From the columns config, size and platforms, beginning with `column`; nullopt when they are NULL.
    static std::optional<Summary> from_row(const Statement& row, int column);

private:
    Database& database_;
};

} // namespace lade::meta
