// SPDX-License-Identifier: Apache-2.0
#include "transfer/source_labels.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::transfer {

namespace {

std::string key_of(const oci::Reference& reference) {
    const std::string& domain = reference.domain();
    const std::size_t colon = domain.rfind(':');
    const bool has_port = colon != std::string::npos && domain.find(']', colon) == std::string::npos;
    return cat(oci::label::distribution_source, domain.substr(0, has_port ? colon : std::string::npos));
}

std::vector<std::string> listed(const oci::Labels& labels, const std::string& key) {
    const auto known = labels.find(key);
    return known == labels.end() ? std::vector<std::string>{} : split(known->second, ',');
}

std::ptrdiff_t in_common(const std::string& one, const std::string& other) {
    const std::vector<std::string> its = split(one, '/');
    const std::vector<std::string> others = split(other, '/');
    return std::ranges::mismatch(its, others).in1 - its.begin();
}

} // namespace

oci::Labels source_labels(store::Blobs& blobs, const oci::Reference& reference, const oci::Digest& digest) {
    const std::string key = key_of(reference);
    std::set<std::string> repositories{reference.path()};
    if (const auto blob = blobs.find(digest))
        std::ranges::move(listed(blob->labels, key), std::inserter(repositories, repositories.end()));
    const std::string value = join({repositories.begin(), repositories.end()}, ",");
    if (key.size() + value.size() > oci::max_label_size)
        return {};
    return {{key, value}};
}

std::string nearest_source(const oci::Labels& labels, const oci::Reference& target) {
    std::string nearest;
    std::ptrdiff_t most = 0;
    for (std::string& repository : listed(labels, key_of(target))) {
        // People can write labels, too.
        const auto reference = oci::Reference::try_parse(cat(target.domain(), '/', repository));
        if (!reference || reference->path() != repository || repository == target.path())
            continue;
        const std::ptrdiff_t common = in_common(repository, target.path());
        if (nearest.empty() || common >= most) {
            most = common;
            nearest = std::move(repository);
        }
    }
    return nearest;
}

} // namespace lade::transfer
