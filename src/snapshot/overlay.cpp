// SPDX-License-Identifier: Apache-2.0
#include "snapshot/overlay.hpp"

#include "base/error.hpp"
#include "snapshot/features.hpp"
#include "snapshot/idmap.hpp"

namespace lade::snapshot {

namespace {

const std::string* find_label(const Stack& stack, std::string_view label) {
    const auto found = stack.labels.find(std::string(label));
    return found == stack.labels.end() ? nullptr : &found->second;
}

// As what the label's mapping shows root; nullopt: there is no such label.
std::optional<std::uint32_t> mapped_root(const Stack& stack, std::string_view label) {
    const std::string* mapping = find_label(stack, label);
    if (mapping == nullptr)
        return std::nullopt;
    return doing([&] { return cat("label ", label); }, [&] { return host_id(parse_id_mapping(*mapping), 0); });
}

} // namespace

Layered::Owner Overlay::owner(const Stack& stack) const {
    return {.uid = mapped_root(stack, uid_mapping_label), .gid = mapped_root(stack, gid_mapping_label)};
}

std::vector<std::string> Overlay::remapping(const Stack& stack) const {
    std::vector<std::string> words;
    if (const std::string* uids = find_label(stack, uid_mapping_label))
        words.push_back("uidmap=" + *uids);
    if (const std::string* gids = find_label(stack, gid_mapping_label))
        words.push_back("gidmap=" + *gids);
    return words;
}

std::optional<std::string> overlay_unusable(const std::string& directory) {
    if (const Privilege ours = privilege(); !may_mount(ours))
        return ours == Privilege::contained ? "overlayfs needs CAP_SYS_ADMIN, which this container's root has not"
                                            : "overlayfs needs root, or a user namespace";
    if (!tells_types(directory))
        return "overlayfs needs a file system that tells types in its directories (d_type)";
    return std::nullopt;
}

} // namespace lade::snapshot
