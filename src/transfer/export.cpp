// SPDX-License-Identifier: Apache-2.0
#include "transfer/export.hpp"

#include <functional>
#include <map>
#include <utility>

#include "base/error.hpp"
#include "base/new_file.hpp"
#include "base/text.hpp"
#include "store/blobs.hpp"
#include "transfer/archive_file.hpp"
#include "transfer/find_image.hpp"
#include "transfer/image_tree.hpp"
#include "transfer/layout_directory.hpp"
#include "transfer/open_blobs.hpp"
#include "transfer/stored_tree.hpp"

namespace lade::transfer {

namespace {

// Whatever the order and however often they were asked for.
std::vector<store::Image> get_images(store::Store& store, const ExportOptions& options) {
    std::map<std::string, store::Image> by_name;
    for (const std::string& text : options.images) {
        store::Image image = get_image(store, options.name_space, text);
        by_name.emplace(image.name, std::move(image));
    }
    std::vector<store::Image> images;
    images.reserve(by_name.size());
    for (auto& [name, image] : by_name)
        images.push_back(std::move(image));
    return images;
}

void add_blobs_of(const std::string& text, store::Store& store, store::Blobs& blobs, const std::string& name_space,
                  std::set<oci::Digest>& have) {
    const store::Image image = get_image(store, name_space, text);
    const CollectedTree found =
        collect_tree(image.target, stored_reader(blobs),
                     {.skip_missing = true, .keep_indexes = true, .nondistributable = true, .only = std::nullopt});
    if (!found.whole)
        throw Error(ErrorKind::failed_precondition, "image ", printable(image.name),
                    ": nothing of it is whole in the store");
    for (const oci::Descriptor& blob : found.tree.blobs)
        have.insert(blob.digest);
}

Exported export_with(store::Store& store, const ExportOptions& options, Progress& progress, const std::stop_token& stop,
                     const std::function<void(const ArchiveContents&)>& write) {
    return doing("export", [&] {
        store::Blobs blobs(store, options.name_space);
        const std::vector<store::Image> images = get_images(store, options);
        // It may take as long as whoever reads it likes.
        OpenBlobs held(blobs);
        ContentsOptions wanted = options.contents;
        for (const std::string& since : options.since)
            add_blobs_of(since, store, blobs, options.name_space, wanted.have);
        ArchiveContents contents = options.form == ArchiveForm::oci
                                       ? oci_contents(blobs, held, images, wanted, progress)
                                       : docker_contents(blobs, held, images, wanted, progress, stop);
        write(contents);
        Exported exported{
            .images = std::move(contents.images), .blobs = contents.files.size(), .left_out = contents.left_out};
        for (const Member& file : contents.files)
            exported.size += file.size;
        return exported;
    });
}

} // namespace

Exported export_to(Sink& sink, store::Store& store, const ExportOptions& options, Progress& progress,
                   const std::stop_token& stop) {
    return export_with(store, options, progress, stop,
                       [&](const ArchiveContents& contents) { write_archive(archive_members(contents), sink, stop); });
}

Exported export_to_file(const std::string& path, mode_t mode, store::Store& store, const ExportOptions& options,
                        Progress& progress, const std::stop_token& stop) {
    return export_with(store, options, progress, stop, [&](const ArchiveContents& contents) {
        require_replaceable(path);
        const Place place = open_place(path);
        NewFile file(place.directory.get(), place.name, mode);
        write_archive(archive_members(contents), file.fd(), path, stop);
        file.commit(store.sync() != store::Sync::none);
    });
}

Exported export_to_directory(const std::string& path, const Patience& patience, store::Store& store,
                             const ExportOptions& options, Progress& progress, const std::stop_token& stop) {
    return export_with(store, options, progress, stop, [&](const ArchiveContents& contents) {
        write_layout(path, contents, store.sync() != store::Sync::none, patience, stop);
    });
}

} // namespace lade::transfer
