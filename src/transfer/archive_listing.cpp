// SPDX-License-Identifier: Apache-2.0
#include "transfer/archive_listing.hpp"

#include <utility>

#include "base/error.hpp"
#include "oci/derived_image.hpp"
#include "oci/dir_tree.hpp"
#include "oci/docker_archive.hpp"
#include "oci/layout.hpp"
#include "oci/referrers.hpp"
#include "transfer/docker_repositories.hpp"

namespace lade::transfer {

namespace {

ArchiveListing list_layout(const ImageFiles& files, const std::string& marker) {
    oci::check_layout(marker);
    auto text = files.find_text(std::string(oci::layout::index), oci::max_document);
    if (!text)
        throw Error(files.is_cut() ? ErrorKind::data_loss : ErrorKind::invalid_argument,
                    "an OCI layout without index.json", note_of_cut(files));
    auto images = oci::parse_index(*text, oci::media_type::oci_index, oci::layout::index).manifests;
    return {.index = *std::move(text), .images = std::move(images)};
}

bool is_dir_tree(const ImageFiles& files) {
    const auto marker = files.find(std::string(oci::dir_tree::marker));
    return marker && marker->size <= oci::dir_tree::max_marker &&
           oci::dir_tree::is_marker(files.read(*marker, oci::dir_tree::max_marker));
}

// What manifest.json is, its media type tells, or what it has in it.
ArchiveListing list_dir_tree(const ImageFiles& files, ArchiveProvider& provider) {
    const std::string name(oci::dir_tree::manifest);
    const auto file = files.find(name);
    if (!file)
        throw Error(files.is_cut() ? ErrorKind::data_loss : ErrorKind::invalid_argument,
                    "a directory of skopeo's dir: without manifest.json", note_of_cut(files));
    const std::string text = files.read(*file, oci::max_document);
    const auto type = doing(name, [&] { return oci::find_document_type(text); });
    if (!type)
        throw Error(ErrorKind::invalid_argument, name, ": is neither a manifest nor an index");
    const oci::Descriptor image{.media_type = *type, .digest = oci::Digest::of(text), .size = text.size()};
    provider.add(image.digest, *file);
    provider.look_at_top();
    return {.index = {}, .images = {image}};
}

ArchiveListing indexed(std::vector<oci::Descriptor> images) {
    std::string index = oci::make_index(images);
    return {.index = std::move(index), .images = std::move(images)};
}

} // namespace

ArchiveListing list_archive(const Origin& origin, const ImageFiles& files, ArchiveProvider& provider,
                            const DockerRules& rules, MissingBlobs& missing, const std::stop_token& stop) {
    if (const auto marker = files.find_text(std::string(oci::layout::marker), oci::max_document))
        return list_layout(files, *marker);
    if (is_dir_tree(files))
        return list_dir_tree(files, provider);
    // An archive may list its images in several forms at once. Which one counts shows only when all of it is there.
    if (files.is_cut())
        throw Error(ErrorKind::data_loss, "no oci-layout is in it", note_of_cut(files));
    if (files.find(std::string(oci::docker_archive::manifest)))
        return indexed(docker_images(origin, files, provider, rules, missing, stop));
    if (files.find(std::string(oci::docker_archive::repositories)))
        return indexed(old_docker_images(origin, files, rules, stop));
    throw Error(ErrorKind::invalid_argument,
                "not an archive of images: there is no oci-layout, manifest.json or repositories in it");
}

std::string note_of_cut(const ImageFiles& files) {
    return files.is_cut() ? "; it is cut short, it has no end" : "";
}

} // namespace lade::transfer
