// SPDX-License-Identifier: Apache-2.0
// `containers create`: from an image to a record with a snapshot of its own (containerd-store.md 1.6, 2.10).
#pragma once

#include <optional>
#include <stop_token>
#include <string>

#include "oci/runtime_spec.hpp"
#include "store/containers.hpp"
#include "transfer/unpack.hpp"

namespace lade::transfer {

struct ContainerOptions {
    std::string id;
    std::string image;    // of the store, named in full
    UnpackOptions unpack; // where the image's layers go; `directory` is not used
    oci::Labels snapshot_labels;
    oci::Labels labels; // beside those of the image's config, which they replace
    std::string runtime;
    std::string sandbox;
    std::optional<std::string> user; // instead of the image's, as oci::resolve_user() reads it
    oci::SpecOptions spec;           // `user` is found out here
};

// Unpacks the image as far as it is not, prepares a snapshot `id` on it, and records the container: all of it or, after
// an error, nothing but layers. already_exists: the container or a snapshot of that name; others as unpack() and
// oci::make_runtime_spec() have them.
store::Container create_container(store::Store& store, const ContainerOptions& options, Progress& progress,
                                  const std::stop_token& stop);

// The user in a root file system that lies in a directory of its own; errors as oci::resolve_user().
oci::User find_user(const std::string& directory, const std::string& text);

} // namespace lade::transfer
