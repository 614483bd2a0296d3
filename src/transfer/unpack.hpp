// SPDX-License-Identifier: Apache-2.0
// Layers into trees: as snapshots under their chain IDs, or into one plain directory
// (registry-and-unpack.md 4.6, safety.md 1 and 3.4).
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "archive/budget.hpp"
#include "base/stream.hpp"
#include "store/snapshots.hpp"
#include "store/store.hpp"
#include "transfer/image.hpp"
#include "transfer/progress.hpp"

namespace lade::transfer {

// The compressed bytes of a layer, from the store or while they arrive. Called from several threads.
using OpenLayer = std::function<std::unique_ptr<Source>(const oci::Descriptor&, const std::stop_token&)>;

using archive::Limits;

// What every unpack of one command shares. References stay the caller's.
struct Destination {
    store::Store& store;
    const std::string& name_space;
    const std::string& snapshotter;
    store::LeaseHold& lease;
    const Limits& limits; // of each image
    Progress& progress;
};

// How many of the image's layers, from the bottom, are unpacked already. The lease holds their snapshots.
std::size_t hold_unpacked(const Destination& destination, const PlatformImage& image);

// Makes the image's snapshots. Chain IDs that exist are not looked at again. Waits while another process unpacks the
// same image. Returns the top chain ID. data_loss: a diff ID that does not fit; nothing is committed then.
// resource_exhausted: the image is beyond the limits.
oci::ChainId unpack_image(const Destination& destination, const PlatformImage& image, const OpenLayer& open,
                          const std::stop_token& stop);

// Once the image's layers are stored and unpacked: labels them with their diff IDs, and the config with the
// snapshot that garbage collection is to follow. Layers that are not in the store are passed over.
void label_unpacked(const Destination& destination, const PlatformImage& image, const oci::ChainId& top);

// Unpacks into `directory`, which is made if needed and must be empty (failed_precondition). Works without privilege:
// owners stay the caller's and devices are left out, which is said in a warning. After an error what was
// made is removed again.
void unpack_to_directory(const PlatformImage& image, const std::string& directory, const Limits& limits,
                         const OpenLayer& open, Progress& progress, const std::stop_token& stop);

struct UnpackOptions {
    std::string name_space;
    std::string lease; // of people, that holds what is made; "" for none
    oci::Platform platform;
    std::string snapshotter; // used when `directory` is empty
    std::string directory;
    Limits limits;
};

struct Unpacked {
    PlatformImage image;
    oci::ChainId top;
};

// unpack() for those who go on with what they have: under their lease, which holds the image and its snapshots.
Unpacked unpack_held(store::Store& store, const std::string& name, const UnpackOptions& options,
                     store::LeaseHold& lease, Progress& progress, const std::stop_token& stop);

// `images unpack`: an image of the store, named in full. Returns the top chain ID.
oci::ChainId unpack(store::Store& store, const std::string& name, const UnpackOptions& options, Progress& progress,
                    const std::stop_token& stop);

} // namespace lade::transfer
