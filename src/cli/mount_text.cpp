// SPDX-License-Identifier: Apache-2.0
#include "cli/mount_text.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <string_view>

#include "base/error.hpp"
#include "base/text.hpp"
#include "cli/context.hpp"

namespace lade::cli {

namespace {

bool is_plain(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte >= 0x80 || std::isalnum(byte) != 0 || std::string_view("_@%+=:,./-").find(c) != std::string_view::npos;
}

std::string quoted(const std::string& word) {
    if (!word.empty() && std::ranges::all_of(word, is_plain))
        return word;
    std::string text = "'";
    for (const char c : word) {
        if (c == '\'')
            text += "'\\''";
        else
            text += c;
    }
    return text + "'";
}

const std::string& place_of(const snapshot::Mount& mount, const std::string& target) {
    return mount.point.empty() ? target : mount.point;
}

} // namespace

std::string mount_commands(const std::vector<snapshot::Mount>& mounts, const std::string& target) {
    std::string text;
    for (const snapshot::Mount& mount : mounts)
        text += cat("mount -t ", mount.type, ' ', quoted(mount.source), ' ', quoted(place_of(mount, target)),
                    mount.options.empty() ? "" : " -o " + quoted(join(mount.options, ",")), '\n');
    return text;
}

void warn_of_mount_commands(const std::vector<snapshot::Mount>& mounts) {
    // What mount(2) takes, its zero included.
    constexpr std::size_t page = 4096;
    if (std::ranges::any_of(mounts, [](const auto& mount) { return join(mount.options, ",").size() >= page; }))
        complain("warning: the options are longer than mount(8) can give to the kernel: use snapshots mount");
    if (mounts.size() > 1)
        complain("warning: each of these leaves a mount of its own to be unmounted: snapshots mount leaves one");
}

std::string ctr_mounts(const std::vector<snapshot::Mount>& mounts) {
    Json array = Json::array();
    for (const snapshot::Mount& mount : mounts)
        array.push_back(
            {{"Type", mount.type}, {"Source", mount.source}, {"Target", mount.point}, {"Options", mount.options}});
    return dump_json(array, 4) + "\n";
}

Json mounts_json(const std::vector<snapshot::Mount>& mounts, const std::string& target) {
    Json array = Json::array();
    for (const snapshot::Mount& mount : mounts)
        array.push_back({{"type", mount.type},
                         {"source", mount.source},
                         {"target", place_of(mount, target)},
                         {"options", mount.options}});
    return array;
}

} // namespace lade::cli
