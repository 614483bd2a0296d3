// SPDX-License-Identifier: Apache-2.0
// What the commands share that read images without unpacking them.
#pragma once

#include <string>

#include "cli/commands.hpp"
#include "cli/limit_flags.hpp"
#include "store/images.hpp"
#include "transfer/flat_image.hpp"

namespace lade::cli {

struct FlatFlags {
    std::string platform;
    LimitFlags limits;

    // --platform and the limits. No privilege is needed.
    void add(const Command& command, Context& context);
    oci::Platform chosen_platform() const;
};

// An image, open for reading.
class OpenImage {
public:
    // All layers are read. Warnings are said.
    OpenImage(Context& context, const FlatFlags& flags, const std::string& name);

    const store::Image& record() const noexcept { return record_; }
    const archive::FlatTree& tree() const noexcept { return flat_.tree; }
    const transfer::StoredLayers& layers() const noexcept { return layers_; }

private:
    store::Image record_;
    store::Blobs blobs_;
    transfer::StoredLayers layers_;
    transfer::FlatImage flat_;
};

// "-rwsr-xr-t", as ls(1) has it.
std::string mode_text(const archive::FlatTree::Node& node);
// "file", "directory", "symlink", "char_device", "block_device" or "fifo".
std::string_view type_text(archive::EntryType type);
// type, mode, uid, gid, size, mtime, and where there are any link, device and xattrs (base64).
Json file_json(const archive::FlatTree& tree, archive::FlatTree::Id id);

} // namespace lade::cli
