// SPDX-License-Identifier: Apache-2.0
// snapshots/ as garbage collection sees it: everything that lies there, whoever made it.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/tree.hpp"
#include "snapshot/snapshotter.hpp"

namespace lade::snapshot {

class Folder {
public:
    // `directory` is the absolute path of snapshots/, which must exist.
    explicit Folder(const std::string& directory);

    // "<snapshotter>/<id>", as entries() has it.
    static std::string entry(std::string_view snapshotter, Id id);
    // What lies in the directories of the built-in snapshotters and of `others`, and whatever else lies beside them, in
    // byte order.
    std::vector<std::string> entries(const std::set<std::string>& others) const;
    // As `du` has it.
    DiskUsage usage(const std::string& entry) const;
    // Moves it to `trash` under `name`; absent is success.
    void discard(const std::string& entry, int trash, const std::string& name) const;

private:
    Fd fd_;
};

} // namespace lade::snapshot
