// SPDX-License-Identifier: Apache-2.0
#include "oci/referrers.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "oci/layout.hpp"

namespace lade::oci {

Referral parse_referral(std::string_view text, std::string_view what) {
    const Json document = parse_object(text, what);
    return doing(what, [&] {
        Referral referral{.subject = std::nullopt,
                          .artifact_type = find_string(document, "artifactType").value_or(""),
                          .annotations = parse_annotations(document)};
        if (const Json* subject = find_object(document, "subject"))
            referral.subject = doing("subject", [&] { return parse_descriptor(*subject); });
        const Json* config = find_object(document, "config");
        if (referral.artifact_type.empty() && config != nullptr)
            referral.artifact_type = find_string(*config, "mediaType").value_or("");
        return referral;
    });
}

std::optional<std::string> find_document_type(std::string_view text) {
    const Json document = parse_object(text, "document");
    if (const auto type = find_string(document, "mediaType"))
        return media_type::is_document(*type) ? type : std::nullopt;
    if (document.contains("config"))
        return std::string(media_type::oci_manifest);
    if (document.contains("manifests"))
        return std::string(media_type::oci_index);
    return std::nullopt;
}

Descriptor describe_referrer(std::string_view text, std::string_view media_type, const Digest& digest) {
    Referral referral = parse_referral(text, cat("referrer ", digest));
    return {.media_type = std::string(media_type),
            .digest = digest,
            .size = text.size(),
            .platform = std::nullopt,
            .urls = {},
            .annotations = std::move(referral.annotations),
            .artifact_type = std::move(referral.artifact_type)};
}

std::string referrers_tag(const Digest& subject) {
    return cat(subject.algorithm_name().substr(0, 32), '-', subject.hex().substr(0, 64));
}

std::optional<std::string> add_to_referrers(const std::optional<std::string>& current, const Descriptor& referrer) {
    Json index{{"schemaVersion", 2}, {"mediaType", media_type::oci_index}, {"manifests", Json::array()}};
    if (current) {
        const Index listed = parse_index(*current, media_type::oci_index, "index of referrers");
        if (std::ranges::find(listed.manifests, referrer.digest, &Descriptor::digest) != listed.manifests.end())
            return std::nullopt;
        index = parse_json(*current, "index of referrers");
        if (find_array(index, "manifests") == nullptr)
            index["manifests"] = Json::array();
    }
    index["manifests"].push_back(descriptor_json(referrer));
    return dump_json(index);
}

std::pair<std::string, std::string> referrer_label(const Digest& referrer) {
    return {cat(label::gc_ref_referrer, referrer.algorithm_name(), '.', referrer.short_hex()), referrer.string()};
}

} // namespace lade::oci
