// SPDX-License-Identifier: Apache-2.0
// The documents of an image that is to be read from the store alone.
#pragma once

#include "store/blobs.hpp"
#include "transfer/image.hpp"

namespace lade::transfer {

// The image of that platform below `target`. not_found: there is none for it, or it was not pulled; data_loss: a
// document is damaged; else as choose_images().
PlatformImage get_stored_image(store::Blobs& blobs, const oci::Descriptor& target, const oci::Platform& platform);

} // namespace lade::transfer
