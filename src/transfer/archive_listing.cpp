// SPDX-License-Identifier: Apache-2.0
#include "transfer/archive_listing.hpp"

#include <utility>

#include "base/error.hpp"
#include "oci/derived_image.hpp"
#include "oci/docker_archive.hpp"
#include "oci/layout.hpp"
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

ArchiveListing indexed(std::vector<oci::Descriptor> images) {
    std::string index = oci::make_index(images);
    return {.index = std::move(index), .images = std::move(images)};
}

} // namespace

ArchiveListing list_archive(const Origin& origin, const ImageFiles& files, ArchiveProvider& provider,
                            const DockerRules& rules, MissingBlobs& missing, const std::stop_token& stop) {
    if (const auto marker = files.find_text(std::string(oci::layout::marker), oci::max_document))
        return list_layout(files, *marker);
    if (files.find(std::string(oci::docker_archive::manifest)))
        return indexed(docker_images(origin, files, provider, rules, missing, stop));
    if (files.find(std::string(oci::docker_archive::repositories)))
        return indexed(old_docker_images(origin, files, rules, stop));
    throw Error(files.is_cut() ? ErrorKind::data_loss : ErrorKind::invalid_argument,
                "not an archive of images: there is no oci-layout, manifest.json or repositories in it",
                note_of_cut(files));
}

std::string note_of_cut(const ImageFiles& files) {
    return files.is_cut() ? "; it is cut short, it has no end" : "";
}

} // namespace lade::transfer
