// SPDX-License-Identifier: Apache-2.0
#include "transfer/container.hpp"

#include <fcntl.h>

#include <cerrno>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "store/blobs.hpp"
#include "store/images.hpp"

namespace lade::transfer {

namespace {

constexpr std::size_t max_user_file = mib;
constexpr std::string_view stop_signal_label = "io.containerd.image.config.stop-signal";

// A link could lead anywhere, so none is followed: an image without the plain file has no such users.
std::string read_etc(int root, const char* name) {
    try {
        const Fd etc = open_at(root, "etc", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        return find_text(etc.get(), name, max_user_file).value_or("");
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::resource_exhausted || error.kind() == ErrorKind::data_loss)
            throw;
        return "";
    }
}

oci::User find_user_below(int root, const std::string& text) {
    return oci::resolve_user(text, read_etc(root, "passwd"), read_etc(root, "group"));
}

// The files that name users lie in the tree that the container would see.
oci::User find_user(store::Snapshots& snapshots, const snapshot::Stack& stack, const std::string& text) {
    return find_user_below(snapshots.open_tree(stack).get(), text);
}

oci::Labels labels_of(const oci::Execution& image, const oci::Labels& given, Progress& progress) {
    oci::Labels labels;
    for (const auto& [key, value] : image.labels) {
        if (key.size() + value.size() <= oci::max_label_size)
            labels.emplace(key, value);
        else
            progress.warn(cat("a label of the image is too long to be one of the container: ",
                              printable(std::string_view(key).substr(0, 64))));
    }
    labels.insert_or_assign(std::string(stop_signal_label), image.stop_signal.empty() ? "SIGTERM" : image.stop_signal);
    oci::merge(labels, given);
    return labels;
}

} // namespace

oci::User find_user(const std::string& directory, const std::string& text) {
    return find_user_below(open_at(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY).get(), text);
}

store::Container create_container(store::Store& store, const ContainerOptions& options, Progress& progress,
                                  const std::stop_token& stop) {
    const std::string& name_space = options.unpack.name_space;
    store::Containers containers(store, name_space);
    // Before the work, and before the lease, which would make the namespace.
    oci::validate_identifier("container", options.id);
    if (containers.find(options.id))
        throw Error(ErrorKind::already_exists, "container ", options.id, " already exists");
    if (!store::Images(store, name_space).find(options.image))
        throw Error(ErrorKind::not_found, "image ", printable(options.image), " not found");
    store::LeaseHold lease(store, name_space, options.unpack.lease);
    const Unpacked unpacked = unpack_held(store, options.image, options.unpack, lease, progress, stop);
    const oci::Execution image = oci::parse_execution(
        store::Blobs(store, name_space).read_document(unpacked.image.manifest.config), "image config");

    store::Snapshots snapshots(store, name_space, options.unpack.snapshotter);
    if (snapshots.find(options.id))
        throw Error(ErrorKind::already_exists, "snapshot ", options.id, " already exists");
    store::Snapshots::Draft draft(snapshots, store::SnapshotKind::active, unpacked.top.string(),
                                  options.snapshot_labels, lease, stop);
    oci::SpecOptions spec = options.spec;
    spec.user = find_user(snapshots, draft.stack(), options.user.value_or(image.user));
    containers.create({.id = options.id,
                       .image = options.image,
                       .labels = labels_of(image, options.labels, progress),
                       .runtime_name = options.runtime,
                       .runtime_options = std::nullopt,
                       .spec = oci::make_runtime_spec(image, spec),
                       .snapshotter = options.unpack.snapshotter,
                       .snapshot_key = options.id,
                       .extensions = {},
                       .sandbox = options.sandbox},
                      draft);
    return containers.get(options.id);
}

} // namespace lade::transfer
