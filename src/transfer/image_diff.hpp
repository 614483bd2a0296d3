// SPDX-License-Identifier: Apache-2.0
// What makes one image of another, file by file, without unpacking either.
#pragma once

#include <functional>
#include <stop_token>

#include "archive/flat_changes.hpp"
#include "transfer/flat_image.hpp"

namespace lade::transfer {

// Tells of all changes, in the order of a walk (archive::compare_flat). Data that lies in the same entry of the same
// layer is not looked at; of other files of one size both are hashed, in one pass over each layer that has such files.
// Errors as StoredLayers::read().
void compare_images(const FlatPair& images, const StoredLayers& layers,
                    const std::function<void(const archive::FlatChange&)>& receiver, const std::stop_token& stop);

} // namespace lade::transfer
