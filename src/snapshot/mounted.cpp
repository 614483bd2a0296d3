// SPDX-License-Identifier: Apache-2.0
#include "snapshot/mounted.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "snapshot/loop_device.hpp"
#include "snapshot/mount.hpp"
#include "snapshot/mount_options.hpp"

namespace lade::snapshot {

namespace {

constexpr std::string_view folder_name = "/snapshots/";

bool is_same(int fd, const std::string& path) {
    struct stat ours {};
    struct stat other {};
    return ::fstat(fd, &ours) == 0 && ::stat(path.c_str(), &other) == 0 && ours.st_dev == other.st_dev &&
           ours.st_ino == other.st_ino;
}

// The directories of an overlay; relative ones lie below its source, where mount() put that.
std::vector<std::string> directories_of(const MountEntry& entry) {
    OverlayOptions options = parse_overlay_options(entry.options);
    for (const std::string& word : options.others)
        if (word.starts_with("lowerdir+="))
            options.lowers.push_back(word.substr(word.find('=') + 1));
    std::vector<std::string> paths = std::move(options.lowers);
    if (!options.upper.empty())
        paths.push_back(options.upper);
    for (std::string& path : paths)
        if (!path.starts_with('/') && entry.source.starts_with('/'))
            path.insert(0, entry.source.ends_with('/') ? entry.source : entry.source + "/");
    return paths;
}

} // namespace

Mounted::Mounted(const std::string& directory)
    : fd_(open_at(AT_FDCWD, directory, O_PATH | O_DIRECTORY)), path_(path_of(fd_.get())) {
    const std::vector<MountEntry> table = read_mount_table();
    const std::uint64_t id = mount_id(fd_.get());
    for (const MountEntry& entry : table)
        if (entry.id == id) {
            device_ = entry.device;
            inside_ = entry.root == "/" ? "" : entry.root;
            inside_ += path_.substr(entry.point == "/" ? 0 : std::min(entry.point.size(), path_.size()));
        }
    for (const MountEntry& entry : table) {
        for (const Place& place : places_shown_by(entry))
            points_.emplace(place.entry, entry.point);
        if (const auto place = place_of(entry.point))
            points_.emplace(place->entry, entry.point);
    }
}

std::optional<std::string> Mounted::point_of(const std::string& entry) const {
    const auto found = points_.find(entry);
    return found == points_.end() ? std::nullopt : std::optional(found->second);
}

bool Mounted::shows(const MountEntry& entry) const {
    const std::vector<Place> places = places_shown_by(entry);
    // Somebody's own bind mount of a part of a snapshot is his.
    if (entry.type == "overlay")
        return !places.empty() && places.size() == directories_of(entry).size();
    return !places.empty() && places.front().rest.find('/') == std::string::npos;
}

std::optional<Mounted::Place> Mounted::split_place(std::string_view below) {
    const std::size_t kind = below.find('/');
    if (kind == std::string_view::npos || kind == 0)
        return std::nullopt;
    const std::size_t id = std::min(below.find('/', kind + 1), below.size());
    if (!parse_number(below.substr(kind + 1, id - kind - 1)))
        return std::nullopt;
    return Place{.entry = std::string(below.substr(0, id)),
                 .rest = std::string(below.substr(std::min(id + 1, below.size())))};
}

// Paths are as somebody wrote them, maybe by way of a link: the folder is known by what it is.
std::optional<Mounted::Place> Mounted::place_of(const std::string& path) const {
    if (path.starts_with(path_ + "/"))
        return split_place(std::string_view(path).substr(path_.size() + 1));
    const std::size_t at = path.rfind(folder_name);
    if (at == std::string::npos || !is_same(fd_.get(), path.substr(0, at + folder_name.size())))
        return std::nullopt;
    return split_place(std::string_view(path).substr(at + folder_name.size()));
}

// The kernel tells the path that the file had in the namespace where the device was made, which may be gone by now:
// only the end of it is believed, and only when that is the very file.
std::optional<Mounted::Place> Mounted::place_in_loop(const MountEntry& entry) const {
    const std::string told = text_in_proc(cat("/sys/dev/block/", entry.device, "/loop/backing_file"));
    const std::string_view path = trim(told);
    const std::size_t at = path.rfind(folder_name);
    if (at == std::string_view::npos)
        return std::nullopt;
    const std::string below(path.substr(at + folder_name.size()));
    return is_loop_of(entry.source, fd_.get(), below) ? split_place(below) : std::nullopt;
}

std::vector<Mounted::Place> Mounted::places_shown_by(const MountEntry& entry) const {
    std::vector<Place> places;
    const auto add = [&](std::optional<Place> place) {
        if (place)
            places.push_back(*std::move(place));
    };
    if (entry.device == device_ && entry.root.starts_with(inside_ + "/"))
        add(split_place(std::string_view(entry.root).substr(inside_.size() + 1)));
    if (entry.type == "overlay")
        for (const std::string& path : directories_of(entry))
            add(place_of(path));
    else if (entry.source.starts_with("/dev/loop"))
        add(place_in_loop(entry));
    else if (entry.source.starts_with('/'))
        add(place_of(entry.source));
    return places;
}

std::size_t unmount_snapshots(const std::string& directory, const std::string& target) {
    for (std::size_t count = 0;; ++count) {
        std::string point;
        {
            const Fd place = open_at(AT_FDCWD, target, O_PATH);
            point = path_of(place.get());
            const std::uint64_t id = mount_id(place.get());
            const std::vector<MountEntry> table = read_mount_table();
            const auto entry = std::ranges::find(table, id, &MountEntry::id);
            if (entry == table.end() || entry->point != point)
                return count;
            if (!Mounted(directory).shows(*entry)) {
                if (count > 0)
                    return count;
                throw Error(ErrorKind::failed_precondition, "what is mounted at ", printable(point),
                            " is no snapshot of this store, as far as can be told: umount takes it away");
            }
        }
        if (unmount(point) == Unmounting::busy) {
            const std::vector<std::string> users = users_of(point);
            throw Error(ErrorKind::unavailable, "unmount ", printable(point), ": in use",
                        users.empty() ? "" : " by " + join(users, ", "));
        }
    }
}

} // namespace lade::snapshot
