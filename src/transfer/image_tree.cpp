// SPDX-License-Identifier: Apache-2.0
#include "transfer/image_tree.hpp"

#include <nlohmann/json.hpp>

#include <map>
#include <utility>

#include "base/error.hpp"
#include "base/json.hpp"
#include "base/size.hpp"
#include "base/text.hpp"

namespace lade::transfer {

namespace {

constexpr int max_index_depth = 8;
constexpr std::size_t max_documents = 4096;
// All of them are in memory at the same time.
constexpr std::size_t max_text = 64 * mib;

class Collector {
public:
    Collector(const TreeReader& reader, TreeRules rules) : reader_(reader), rules_(std::move(rules)) {}

    CollectedTree collect(const oci::Descriptor& root) {
        if (!oci::media_type::is_document(root.media_type))
            throw Error(ErrorKind::invalid_argument, root.digest, ": ", printable(root.media_type),
                        " is neither an image manifest nor an index");
        root_ = root.digest;
        const Visited visited = visit(root, "", 0);
        found_.whole = visited.has_value() && (found_.missing.empty() || rules_.skip_missing);
        found_.reduced = visited && visited->digest != root.digest;
        return std::move(found_);
    }

private:
    // What stands for it in its parent; nullopt: nothing.
    struct Stand {
        oci::Digest digest;
        std::uint64_t size;
    };
    using Visited = std::optional<Stand>;

    Visited visit(const oci::Descriptor& descriptor, const std::string& platform, int depth) {
        if (const auto known = visited_.find(descriptor.digest); known != visited_.end())
            return known->second;
        Visited visited;
        if (oci::media_type::is_index(descriptor.media_type))
            visited = visit_index(descriptor, platform, depth);
        else if (oci::media_type::is_manifest(descriptor.media_type))
            visited = visit_manifest(descriptor, platform);
        else if (has_blob(descriptor, platform))
            visited = Stand{.digest = descriptor.digest, .size = descriptor.size};
        visited_.insert_or_assign(descriptor.digest, visited);
        return visited;
    }

    std::optional<std::string> find_document(const oci::Descriptor& descriptor, const std::string& platform) {
        auto text = reader_.find_document(descriptor);
        if (!text) {
            if (!rules_.as_here || descriptor.digest == root_)
                found_.missing.push_back({.platform = platform, .descriptor = descriptor});
            return std::nullopt;
        }
        text_ += text->size();
        if (++documents_ > max_documents || text_ > max_text)
            throw Error(ErrorKind::resource_exhausted, descriptor.digest, ": more than ", max_documents,
                        " indexes and manifests in one image, or more than ", kib_size(max_text), " of them");
        return text;
    }

    Stand add(const oci::Descriptor& descriptor, std::string text) {
        Stand stand{.digest = descriptor.digest, .size = descriptor.size};
        found_.tree.documents.push_back({.descriptor = descriptor, .text = std::move(text)});
        return stand;
    }

    bool has_blob(const oci::Descriptor& blob, const std::string& platform) {
        const auto known = blobs_.find(blob.digest);
        const bool has = known != blobs_.end() ? known->second : reader_.has_blob(blob);
        if (!has)
            found_.missing.push_back({.platform = platform, .descriptor = blob});
        else if (known == blobs_.end())
            found_.tree.blobs.push_back(blob);
        blobs_.emplace(blob.digest, has);
        return has;
    }

    Visited visit_manifest(const oci::Descriptor& descriptor, const std::string& platform) {
        auto text = find_document(descriptor, platform);
        if (!text)
            return std::nullopt;
        const oci::Manifest manifest =
            oci::parse_manifest(*text, descriptor.media_type, cat("manifest ", descriptor.digest));
        const std::size_t before = found_.tree.blobs.size();
        bool whole = has_blob(manifest.config, platform);
        for (const oci::Descriptor& layer : manifest.layers)
            if (rules_.nondistributable || !oci::media_type::is_nondistributable(layer.media_type))
                whole = has_blob(layer, platform) && whole;
        if (whole)
            return add(descriptor, *std::move(text));
        // What only it had is nobody's now.
        for (; found_.tree.blobs.size() > before; found_.tree.blobs.pop_back())
            blobs_.erase(found_.tree.blobs.back().digest);
        return std::nullopt;
    }

    bool is_wanted(const oci::Descriptor& child) const {
        return !rules_.only || oci::media_type::is_index(child.media_type) || rules_.only->contains(child.digest);
    }

    // An attestation goes with what it is about; alone it is of no use, and none is missed with a choice of images.
    Visited visit_attestation(const oci::Descriptor& child, const std::map<oci::Digest, Visited>& images, int depth) {
        const auto about = child.annotations.find("vnd.docker.reference.digest");
        if (about != child.annotations.end())
            if (const auto subject = oci::Digest::try_parse(about->second))
                if (const auto image = images.find(*subject); image != images.end() && !image->second)
                    return std::nullopt;
        const std::size_t before = found_.missing.size();
        Visited visited = visit(child, "attestation", depth + 1);
        if (rules_.only || rules_.as_here)
            found_.missing.resize(before, {.platform = "", .descriptor = child});
        return visited;
    }

    Visited visit_index(const oci::Descriptor& descriptor, const std::string& platform, int depth) {
        if (depth > max_index_depth)
            throw Error(ErrorKind::resource_exhausted, "index ", descriptor.digest, ": nested deeper than ",
                        max_index_depth);
        auto text = find_document(descriptor, platform);
        if (!text)
            return std::nullopt;
        // Should it contain itself.
        visited_.emplace(descriptor.digest, std::nullopt);
        const oci::Index index = oci::parse_index(*text, descriptor.media_type, cat("index ", descriptor.digest));
        std::map<oci::Digest, Visited> children;
        for (const oci::Descriptor& child : index.manifests)
            if (!is_attestation(child))
                children.emplace(
                    child.digest,
                    is_wanted(child)
                        ? visit(child, child.platform ? oci::to_string(*child.platform) : platform, depth + 1)
                        : std::nullopt);
        for (const oci::Descriptor& child : index.manifests)
            if (is_attestation(child))
                children.emplace(child.digest, visit_attestation(child, children, depth));
        Visited visited = reduce(descriptor, *std::move(text), index, children);
        if (!visited && depth == 0 && found_.missing.empty())
            for (const oci::Descriptor& child : index.manifests)
                found_.missing.push_back(
                    {.platform = child.platform ? oci::to_string(*child.platform) : "", .descriptor = child});
        return visited;
    }

    Visited reduce(const oci::Descriptor& descriptor, std::string text, const oci::Index& index,
                   const std::map<oci::Digest, Visited>& children) {
        Json kept = Json::array();
        bool same = true;
        Json document = parse_json(text, "index");
        for (std::size_t i = 0; i < index.manifests.size(); ++i) {
            const oci::Digest& was = index.manifests[i].digest;
            const Visited& is = children.at(was);
            same = same && is && is->digest == was;
            if (!is)
                continue;
            Json entry = document["manifests"][i];
            entry["digest"] = is->digest.string();
            entry["size"] = is->size;
            kept.push_back(std::move(entry));
        }
        if (same)
            return add(descriptor, std::move(text));
        if (kept.empty() || (!found_.missing.empty() && !rules_.skip_missing))
            return std::nullopt;
        if (rules_.keep_indexes)
            return add(descriptor, std::move(text));
        document["manifests"] = std::move(kept);
        text = dump_json(document);
        oci::Descriptor reduced = descriptor;
        reduced.digest = oci::Digest::of(text);
        reduced.size = text.size();
        return add(reduced, std::move(text));
    }

    const TreeReader& reader_;
    const TreeRules rules_;
    std::optional<oci::Digest> root_;
    CollectedTree found_;
    std::map<oci::Digest, Visited> visited_;
    std::map<oci::Digest, bool> blobs_;
    std::size_t documents_ = 0;
    std::size_t text_ = 0;
};

} // namespace

CollectedTree collect_tree(const oci::Descriptor& root, const TreeReader& reader, TreeRules rules) {
    return Collector(reader, std::move(rules)).collect(root);
}

ChosenRoot choose_root(const oci::Descriptor& root, const std::vector<oci::Platform>& platforms,
                       const ReadDocument& read, const std::function<void(const std::string&)>& warn) {
    if (platforms.empty())
        return {.root = root, .only = std::nullopt};
    const std::vector<PlatformImage> images = choose_images(root, {.platforms = platforms}, read);
    if (oci::media_type::is_manifest(root.media_type))
        if (const auto other = other_platform(images.front(), platforms))
            warn(*other);
    if (images.size() == 1)
        return {.root = images.front().manifest_descriptor, .only = std::nullopt};
    std::set<oci::Digest> only;
    for (const PlatformImage& image : images)
        only.insert(image.manifest_descriptor.digest);
    return {.root = root, .only = std::move(only)};
}

} // namespace lade::transfer
