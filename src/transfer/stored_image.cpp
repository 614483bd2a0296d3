// SPDX-License-Identifier: Apache-2.0
#include "transfer/stored_image.hpp"

#include "base/error.hpp"

namespace lade::transfer {

PlatformImage get_stored_image(store::Blobs& blobs, const oci::Descriptor& target, const oci::Platform& platform) {
    // The index names what other platforms there are; their own documents come with a pull of theirs.
    const auto read = [&](const oci::Descriptor& descriptor) {
        if (descriptor.digest != target.digest && !blobs.find(descriptor.digest))
            throw Error(ErrorKind::not_found, "platform ", oci::to_string(platform), " was not pulled: content ",
                        descriptor.digest, " not found");
        return blobs.read_document(descriptor);
    };
    return choose_images(target, {.platforms = {platform}}, read).front();
}

} // namespace lade::transfer
