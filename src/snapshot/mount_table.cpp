// SPDX-License-Identifier: Apache-2.0
#include "snapshot/mount_table.hpp"

#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/text.hpp"

namespace lade::snapshot {

namespace {

bool is_octal(char c) {
    return c >= '0' && c <= '7';
}

// "\040" is a blank.
std::string unescape(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size() && std::ranges::all_of(text.substr(i + 1, 3), is_octal)) {
            const int value = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
            plain += static_cast<char>(value);
            i += 3;
        } else {
            plain += text[i];
        }
    }
    return plain;
}

// 36 35 98:0 /root /point rw,noatime shared:1 - type source rw,options
constexpr std::size_t id_at = 0;
constexpr std::size_t device_at = 2;
constexpr std::size_t root_at = 3;
constexpr std::size_t point_at = 4;
constexpr std::size_t optional_at = 6;

// What a link of /proc leads to; "" when it cannot be read.
std::string link_target(const std::string& path) {
    std::array<char, PATH_MAX> target{};
    const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
    return length < 0 ? "" : std::string(target.data(), static_cast<std::size_t>(length));
}

bool is_at_or_below(std::string_view path, std::string_view point) {
    return path.starts_with(point) && (path.size() == point.size() || path[point.size()] == '/');
}

bool uses(const std::string& process, const std::string& point) {
    const std::string folder = "/proc/" + process;
    for (const char* link : {"/cwd", "/root", "/exe"})
        if (is_at_or_below(link_target(folder + link), point))
            return true;
    for (const std::string& fd : names_in_proc(folder + "/fd"))
        if (is_at_or_below(link_target(cat(folder, "/fd/", fd)), point))
            return true;
    for (const std::string& line : split(text_in_proc(folder + "/maps"), '\n'))
        if (const std::size_t path = line.find('/');
            path != std::string::npos && is_at_or_below(std::string_view(line).substr(path), point))
            return true;
    return false;
}

} // namespace

std::vector<MountEntry> parse_mount_table(std::string_view text) {
    std::vector<MountEntry> entries;
    for (const std::string& line : split(text, '\n')) {
        const std::vector<std::string> words = split(line, ' ');
        if (words.size() <= optional_at)
            continue;
        const auto dash = std::find(words.begin() + std::ptrdiff_t{optional_at}, words.end(), "-");
        if (words.end() - dash < 4)
            continue;
        MountEntry entry{.id = parse_number(words[id_at]).value_or(0),
                         .device = words[device_at],
                         .root = unescape(words[root_at]),
                         .point = unescape(words[point_at]),
                         .type = dash[1],
                         .source = unescape(dash[2]),
                         .options = {}};
        for (const std::string& option : split(dash[3], ','))
            entry.options.push_back(unescape(option));
        entries.push_back(std::move(entry));
    }
    return entries;
}

std::vector<MountEntry> read_mount_table() {
    return parse_mount_table(text_in_proc("/proc/thread-self/mountinfo"));
}

std::uint64_t mount_id(int fd) {
    for (const std::string& line : split(text_in_proc(cat("/proc/thread-self/fdinfo/", fd)), '\n'))
        if (line.starts_with("mnt_id:"))
            return parse_number(trim(std::string_view(line).substr(7))).value_or(0);
    throw Error(ErrorKind::unimplemented, "/proc does not tell which mount a file lies on");
}

std::string path_of(int fd) {
    std::string path = link_target(cat("/proc/thread-self/fd/", fd));
    if (!path.starts_with('/'))
        throw Error(ErrorKind::failed_precondition, "/proc does not tell the path of an open directory");
    return path;
}

std::vector<std::string> users_of(const std::string& point) {
    std::vector<std::string> users;
    for (const std::string& process : process_ids())
        if (uses(process, point))
            users.push_back(describe_process(process));
    for (const MountEntry& entry : read_mount_table())
        if (entry.point != point && is_at_or_below(entry.point, point))
            users.push_back("what is mounted at " + printable(entry.point));
    return users;
}

} // namespace lade::snapshot
