// SPDX-License-Identifier: Apache-2.0
// Which directories below snapshots/ are mounted somewhere. Only our own mount namespace is known: containers and other
// namespaces may have mounts that nobody here sees.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "snapshot/mount_table.hpp"

namespace lade::snapshot {

class Mounted {
public:
    // `directory` is the absolute path of snapshots/, which must exist. Looks once, now.
    explicit Mounted(const std::string& directory);

    // Where "<snapshotter>/<id>" (Folder::entry) is in use, or a mount lies in it; nullopt: nowhere.
    std::optional<std::string> point_of(const std::string& entry) const;
    // Whether the mount shows a snapshot of this directory: an overlay of layers that lie here, a bind mount of a
    // snapshot's own directory, a file system in a file that lies here. False when that cannot be told.
    bool shows(const MountEntry& entry) const;

private:
    // A part of a path below snapshots/.
    struct Place {
        std::string entry; // "<snapshotter>/<id>"
        std::string rest;  // what follows: "fs"
    };
    static std::optional<Place> split_place(std::string_view below);
    std::optional<Place> place_of(const std::string& path) const;
    std::optional<Place> place_in_loop(const MountEntry& entry) const;
    std::vector<Place> places_shown_by(const MountEntry& entry) const;

    Fd fd_;
    std::string path_;   // links resolved
    std::string device_; // of its file system, as MountEntry has it
    std::string inside_; // its path there, "" for the root
    std::map<std::string, std::string> points_;
};

// Unmounts what snapshots of `directory` are mounted at `target`, all that lie on each other; returns how many, 0 when
// nothing is mounted there. failed_precondition: what is mounted there is something else, which stays; unavailable:
// it stays in use, by whom it says. not_found: there is no such directory.
std::size_t unmount_snapshots(const std::string& directory, const std::string& target);

} // namespace lade::snapshot
