// SPDX-License-Identifier: Apache-2.0
// What refers to some content as its subject, as one host lists it (registry-and-unpack.md 2.11): by the referrers API
// with all its pages, or where there is none by the index of a tag.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "oci/manifest.hpp"
#include "registry/channel.hpp"
#include "registry/retry.hpp"

namespace lade::registry {

// A host that lists more is not believed: resource_exhausted.
inline constexpr std::size_t max_referrers = 10'000;

// Each once, in the host's order; with an artifact type only those of that type. not_found: the host knows none.
// invalid_argument: its list is no index; failed_precondition: a next page that is not its own. Else as
// Repository::resolve().
std::vector<oci::Descriptor> find_referrers(Channel& channel, const oci::Digest& subject,
                                            const std::string& artifact_type, Attempts attempts,
                                            const std::stop_token& stop);

// The index of the tag where hosts without the API have them.
struct TagIndex {
    std::string text;
    std::string etag; // a strong entity tag, or ""
};

// nullopt: there is no such tag.
std::optional<TagIndex> find_referrers_index(Channel& channel, const oci::Digest& subject, Attempts attempts,
                                             const std::stop_token& stop);

// What the Link headers of a reply name as the next page, as it is written there.
std::optional<std::string> next_page(const Response& response);

} // namespace lade::registry
