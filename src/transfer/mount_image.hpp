// SPDX-License-Identifier: Apache-2.0
// `images mount`: an image of the store as a directory that people see (containerd-store.md 1.2).
#pragma once

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>

#include "store/snapshots.hpp"
#include "transfer/unpack.hpp"

namespace lade::transfer {

struct MountImageOptions {
    std::string image;    // of the store, named in full
    UnpackOptions unpack; // where the image's layers go; `directory` is not used
    // An absolute path, which is the key of the snapshot and the id of its lease, too. "": nothing is mounted, and a
    // key is made up; that works where one directory shows the image.
    std::string target;
    bool writable = false;
    std::chrono::nanoseconds expiration{}; // of the lease; 0: never
    oci::Labels labels;                    // of the snapshot
};

struct MountedImage {
    oci::ChainId top;
    std::string key;
    std::string place;         // the target, or the directory that shows the image
    std::optional<Time> until; // when the lease ends
};

// Unpacks the image as far as it is not, makes a view (or an active snapshot) of it that a lease holds, and mounts it.
// A snapshot of that key that is there already, of the same image and kind, is mounted again and its lease renewed.
// After an error everything but layers goes again. failed_precondition: that snapshot is another; several directories
// show the image and there is no target. Others as unpack() and store::mount_snapshot() have them.
MountedImage mount_image(store::Store& store, const MountImageOptions& options, Progress& progress,
                         const std::stop_token& stop);

// Unmounts what snapshots are mounted at `target`, an absolute path; nothing there is success. With `remove` the
// snapshot and the lease of that name go, too. Errors as store::unmount_snapshots() and store::Snapshots::remove().
void unmount_image(store::Store& store, const std::string& name_space, const std::string& snapshotter,
                   const std::string& target, bool remove, const std::stop_token& stop);

} // namespace lade::transfer
