// SPDX-License-Identifier: Apache-2.0
#include "oci/manifest.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "oci/referrers.hpp"

namespace lade::oci {

namespace media_type {

namespace {

constexpr std::string_view docker_layer_stem = "application/vnd.docker.image.rootfs.diff.tar";
constexpr std::string_view docker_foreign_layer = "application/vnd.docker.image.rootfs.foreign.diff.tar";
constexpr std::string_view oci_nondistributable_layer = "application/vnd.oci.image.layer.nondistributable.v1.tar";

bool one_of(std::string_view type, std::string_view stem) noexcept {
    const std::string_view base = type.substr(0, type.find('+'));
    return base == stem ||
           (base.starts_with(stem) && (base.substr(stem.size()) == ".gzip" || base.substr(stem.size()) == ".zstd"));
}

} // namespace

bool is_manifest(std::string_view type) noexcept {
    return type == docker_manifest || type == oci_manifest;
}

bool is_index(std::string_view type) noexcept {
    return type == docker_index || type == oci_index;
}

bool is_config(std::string_view type) noexcept {
    return type == docker_config || type == oci_config;
}

bool is_layer(std::string_view type) noexcept {
    return type.starts_with("application/vnd.oci.image.layer.") || one_of(type, docker_layer_stem) ||
           one_of(type, docker_foreign_layer);
}

bool is_nondistributable(std::string_view type) noexcept {
    return one_of(type, docker_foreign_layer) || type.starts_with(oci_nondistributable_layer);
}

bool is_schema1(std::string_view type) noexcept {
    return type == docker_schema1 || type == docker_schema1_unsigned;
}

bool is_document(std::string_view type) noexcept {
    return is_manifest(type) || is_index(type);
}

} // namespace media_type

namespace {

constexpr std::size_t max_children = 10'000;

void read_strings(const Json* array, std::string_view key, std::vector<std::string>& into) {
    if (array == nullptr)
        return;
    for (const Json& item : *array) {
        if (!item.is_string())
            throw Error(ErrorKind::invalid_argument, "\"", key, "\" holds something that is not a string");
        into.push_back(item.get<std::string>());
    }
}

Platform read_platform(const Json& json) {
    Platform platform;
    platform.os = find_string(json, "os").value_or("");
    platform.architecture = find_string(json, "architecture").value_or("");
    platform.variant = find_string(json, "variant").value_or("");
    platform.os_version = find_string(json, "os.version").value_or("");
    read_strings(find_array(json, "os.features"), "os.features", platform.os_features);
    return platform;
}

std::vector<Descriptor> read_descriptors(const Json& document, std::string_view key) {
    std::vector<Descriptor> descriptors;
    const Json* array = find_array(document, key);
    if (array == nullptr)
        return descriptors;
    if (array->size() > max_children)
        throw Error(ErrorKind::resource_exhausted, "\"", key, "\" has ", array->size(), " entries, at most ",
                    max_children, " are allowed");
    for (const Json& item : *array)
        descriptors.push_back(
            doing([&] { return cat(key, "[", descriptors.size(), "]"); }, [&] { return parse_descriptor(item); }));
    return descriptors;
}

Json parse_document(std::string_view text, std::string_view what) {
    Json document = parse_json(text, what);
    if (!document.is_object())
        throw Error(ErrorKind::invalid_argument, what, ": not a JSON object");
    return document;
}

void refuse_member(const Json& document, std::string_view key, std::string_view class_name) {
    const auto member = document.find(std::string(key));
    if (member != document.end() && !member->is_null())
        throw Error(ErrorKind::invalid_argument, "ambiguous document: ", class_name, " with \"", key, "\"");
}

std::string_view label_stem(const Descriptor& child) {
    if (media_type::is_manifest(child.media_type))
        return "m.";
    if (media_type::is_config(child.media_type))
        return "config";
    if (media_type::is_layer(child.media_type))
        return "l.";
    return "";
}

// Numbered per stem; a stem that does not end in '.' gets a number only from its second child on.
class ReferenceLabels {
public:
    void add(const Descriptor& child) {
        if (child.annotations.contains("io.containerd.manifest.subject"))
            labels_.insert(referrer_label(child.digest));
        else
            add(label_stem(child), child.digest);
    }
    Labels take() { return std::move(labels_); }

private:
    void add(std::string_view stem, const Digest& child) {
        const unsigned number = counters_[std::string(stem)]++;
        std::string key = cat(label::gc_ref_content, '.', stem);
        if (stem.empty() || stem.ends_with('.') || number > 0)
            key += std::to_string(number);
        labels_.emplace(std::move(key), child.string());
    }

    std::map<std::string, unsigned> counters_;
    Labels labels_;
};

// The same bytes must not be one thing to us and another to somebody else.
void check_kind(const Json& document, std::string_view expected) {
    if (const auto version = find_integer(document, "schemaVersion"); version && *version != 2)
        throw Error(ErrorKind::invalid_argument, "schema version ", *version, " is not 2");
    if (const auto type = find_string(document, "mediaType"); type && *type != expected)
        throw Error(ErrorKind::invalid_argument, "ambiguous document: its mediaType is ", printable(*type),
                    ", it is referred to as ", printable(expected));
}

} // namespace

std::map<std::string, std::string> parse_annotations(const Json& json) {
    std::map<std::string, std::string> annotations;
    if (const Json* members = find_object(json, "annotations"))
        for (const auto& [key, value] : members->items()) {
            if (!value.is_string())
                throw Error(ErrorKind::invalid_argument, "annotation \"", printable(key), "\" is not a string");
            annotations.emplace(key, value.get<std::string>());
        }
    return annotations;
}

Descriptor parse_descriptor(const Json& json) {
    const auto size = find_integer(json, "size");
    if (!size || *size < 0)
        throw Error(ErrorKind::invalid_argument, "\"size\" is missing or negative");
    Descriptor descriptor{.media_type = get_string(json, "mediaType"),
                          .digest = Digest::parse(get_string(json, "digest")),
                          .size = static_cast<std::uint64_t>(*size)};
    if (const Json* platform = find_object(json, "platform"))
        descriptor.platform = read_platform(*platform);
    read_strings(find_array(json, "urls"), "urls", descriptor.urls);
    descriptor.annotations = parse_annotations(json);
    descriptor.artifact_type = find_string(json, "artifactType").value_or("");
    return descriptor;
}

Index parse_index(std::string_view text, std::string_view type, std::string_view what) {
    const Json document = parse_document(text, what);
    return doing(what, [&] {
        check_kind(document, type);
        refuse_member(document, "fsLayers", "an index");
        refuse_member(document, "config", "an index");
        refuse_member(document, "layers", "an index");
        return Index{.manifests = read_descriptors(document, "manifests")};
    });
}

Manifest parse_manifest(std::string_view text, std::string_view type, std::string_view what) {
    const Json document = parse_document(text, what);
    return doing(what, [&] {
        check_kind(document, type);
        refuse_member(document, "fsLayers", "a manifest");
        if (const Json* manifests = find_array(document, "manifests"); manifests != nullptr && !manifests->empty())
            refuse_member(document, "manifests", "a manifest");
        const Json* config = find_object(document, "config");
        if (config == nullptr)
            throw Error(ErrorKind::invalid_argument, "\"config\" is missing");
        return Manifest{.config = doing("config", [&] { return parse_descriptor(*config); }),
                        .layers = read_descriptors(document, "layers"),
                        .artifact_type = find_string(document, "artifactType").value_or("")};
    });
}

ImageConfig parse_config(std::string_view text, std::string_view what) {
    const Json document = parse_document(text, what);
    return doing(what, [&] {
        ImageConfig config{.platform = normalize(read_platform(document)), .diff_ids = {}};
        const Json* rootfs = find_object(document, "rootfs");
        if (rootfs == nullptr)
            return config;
        if (const std::string type = find_string(*rootfs, "type").value_or(""); type != "layers")
            throw Error(ErrorKind::invalid_argument, "rootfs type \"", printable(type), "\" is not \"layers\"");
        std::vector<std::string> ids;
        read_strings(find_array(*rootfs, "diff_ids"), "diff_ids", ids);
        for (const std::string& id : ids)
            config.diff_ids.push_back({Digest::parse(id)});
        return config;
    });
}

std::vector<HistoryEntry> parse_history(std::string_view text, std::string_view what) {
    const Json document = parse_document(text, what);
    return doing(what, [&] {
        std::vector<HistoryEntry> entries;
        const Json* history = find_array(document, "history");
        if (history == nullptr)
            return entries;
        for (const Json& item : *history) {
            if (!item.is_object())
                throw Error(ErrorKind::invalid_argument, "\"history\" holds something that is not an object");
            const auto word = [&](std::string_view key) { return find_string(item, key).value_or(""); };
            const auto empty = item.find("empty_layer");
            entries.push_back({.created = word("created"),
                               .created_by = word("created_by"),
                               .author = word("author"),
                               .comment = word("comment"),
                               .empty_layer = empty != item.end() && *empty == true});
        }
        return entries;
    });
}

Labels reference_labels(const Index& index) {
    ReferenceLabels labels;
    for (const Descriptor& child : index.manifests)
        labels.add(child);
    return labels.take();
}

Labels reference_labels(const Manifest& manifest) {
    ReferenceLabels labels;
    labels.add(manifest.config);
    for (const Descriptor& layer : manifest.layers)
        labels.add(layer);
    return labels.take();
}

bool is_attestation(const Descriptor& descriptor) noexcept {
    const auto type = descriptor.annotations.find("vnd.docker.reference.type");
    if (type != descriptor.annotations.end() && type->second == "attestation-manifest")
        return true;
    return descriptor.platform && descriptor.platform->os == "unknown" &&
           descriptor.platform->architecture == "unknown";
}

std::string_view kind_of(const Descriptor& descriptor) noexcept {
    if (is_attestation(descriptor))
        return "attestation";
    if (media_type::is_index(descriptor.media_type))
        return "index";
    if (media_type::is_manifest(descriptor.media_type))
        return "manifest";
    if (media_type::is_config(descriptor.media_type))
        return "config";
    if (media_type::is_layer(descriptor.media_type))
        return "layer";
    return "unknown";
}

} // namespace lade::oci
