// SPDX-License-Identifier: Apache-2.0
#include "cli/flat_images.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>

#include "base/base64.hpp"
#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/images.hpp"
#include "cli/snapshots.hpp"

namespace lade::cli {

namespace {

using archive::EntryType;

char type_letter(EntryType type) {
    switch (type) {
    case EntryType::directory:
        return 'd';
    case EntryType::symlink:
        return 'l';
    case EntryType::char_device:
        return 'c';
    case EntryType::block_device:
        return 'b';
    case EntryType::fifo:
        return 'p';
    case EntryType::file:
    case EntryType::hard_link:
        break;
    }
    return '-';
}

std::string octal(mode_t mode) {
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "%04o", mode);
    return text.data();
}

} // namespace

void FlatFlags::add(const Command& command, Context& context) {
    needs_rows_only(command, context);
    command.add_option("--platform", platform, "of this platform");
    limits.add(command);
}

oci::Platform FlatFlags::chosen_platform() const {
    return platform.empty() ? oci::host_platform() : oci::parse_platform(platform);
}

OpenImage::OpenImage(Context& context, const FlatFlags& flags, const std::string& name)
    : record_(get_image(context, name)),
      blobs_(context.existing_store(), context.name_space),
      layers_(blobs_, flags.limits.limits),
      flat_(transfer::flatten_image(blobs_, record_.target, flags.chosen_platform(), flags.limits.limits, layers_,
                                    context.stop())) {
    tell_warnings(flat_.warnings);
}

std::string mode_text(const archive::FlatTree::Node& node) {
    std::string text(1, type_letter(node.type));
    for (unsigned shift = 9; shift > 0;) {
        shift -= 3;
        const unsigned bits = node.mode >> shift;
        text += (bits & 4U) != 0 ? 'r' : '-';
        text += (bits & 2U) != 0 ? 'w' : '-';
        text += (bits & 1U) != 0 ? 'x' : '-';
    }
    const auto special = [&](mode_t bit, std::size_t at, char letter) {
        if ((node.mode & bit) != 0)
            text[at] = text[at] == 'x' ? letter : static_cast<char>(letter - 'a' + 'A');
    };
    special(04000, 3, 's');
    special(02000, 6, 's');
    special(01000, 9, 't');
    return text;
}

std::string_view type_text(EntryType type) {
    switch (type) {
    case EntryType::directory:
        return "directory";
    case EntryType::symlink:
        return "symlink";
    case EntryType::char_device:
        return "char_device";
    case EntryType::block_device:
        return "block_device";
    case EntryType::fifo:
        return "fifo";
    case EntryType::file:
    case EntryType::hard_link:
        break;
    }
    return "file";
}

Json file_json(const archive::FlatTree& tree, archive::FlatTree::Id id) {
    const archive::FlatTree::Node& node = tree.node(id);
    const auto time = Time(std::chrono::seconds(node.mtime.seconds) + std::chrono::nanoseconds(node.mtime.nanoseconds));
    Json json{{"type", type_text(node.type)},
              {"mode", octal(node.mode)},
              {"uid", node.uid},
              {"gid", node.gid},
              {"size", node.size},
              {"mtime", rfc3339(time)}};
    if (node.type == EntryType::symlink)
        json["link"] = tree.link(id);
    if (node.type == EntryType::char_device || node.type == EntryType::block_device)
        json["device"] = cat(node.major, ':', node.minor);
    if (node.type != EntryType::directory && node.names > 1)
        json["names"] = node.names;
    for (const auto& [name, value] : tree.xattrs(id))
        json["xattrs"][name] = base64_encode(value);
    return json;
}

} // namespace lade::cli
