// SPDX-License-Identifier: Apache-2.0
// What differs between kinds of layer directories. Small, because rows live in meta: a snapshotter knows
// ids and directories, not keys (containerd-store.md 6).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"
#include "base/tree.hpp"
#include "oci/labels.hpp"
#include "snapshot/mount.hpp"

namespace lade::snapshot {

using Id = std::int64_t;

// Where an unpacked layer's files go.
enum class TreeForm {
    layer, // this layer's changes alone, whiteouts as overlayfs writes them
    whole, // the whole tree so far, already holding the layers below
};

struct Stack {
    Id id = 0;
    std::vector<Id> parents;   // nearest first
    oci::Labels labels;        // of the snapshot; a kind heeds those that concern it
    bool is_committed = false; // or going to be: its own files are a layer's
};

enum class Access { read_only, read_write };

class Snapshotter {
public:
    virtual ~Snapshotter() = default;

    virtual std::string_view name() const noexcept = 0;
    // layer: layers can be unpacked independently of each other, in any order.
    virtual TreeForm form() const noexcept = 0;
    // Whether a snapshot begins as a copy of its parent's files, so that their inodes are others.
    virtual bool copies() const noexcept { return false; }
    // Whether the labels containerd.io/snapshot/uidmapping and gidmapping are heeded (idmap.hpp).
    virtual bool remaps() const noexcept { return false; }

    // Makes the directory of a new active snapshot. invalid_argument: a label; not_found when a parent's directory is
    // gone. What is left after a failure is removed again.
    virtual void create(const Stack& stack, const std::stop_token& stop) = 0;
    // The directory that unpacking writes into (form() says what it holds).
    virtual Fd tree(Id id) const = 0;
    // The same of what others lie upon: committed, or going to be. For reading.
    virtual Fd layer(Id id) const { return tree(id); }
    // The absolute path of that directory, for people. It stays when the snapshot is committed.
    virtual std::string path(Id id) const = 0;
    // What to mount to see the snapshot. For reading only, what `stack.id` itself holds is not looked at when it has
    // parents: it is a view.
    virtual std::vector<Mount> mounts(const Stack& stack, Access access) const = 0;
    // Before an active one is mounted for writing that is mounted nowhere. failed_precondition: what was written to it
    // may be lost.
    virtual void make_mountable(Id /*id*/) const {}
    // The last word before an active snapshot's row says committed: what its files are from then on. Can be repeated,
    // and is when the process dies in between: until the row says so, the snapshot is as good an active one as before.
    virtual void seal(Id id, const std::stop_token& stop) = 0;
    // Of an active one that nobody seals: what a seal that was killed left goes.
    virtual void forget_seal(Id /*id*/) const {}
    // After the row says committed: what is of no more use goes. Whatever stays does no harm. Any number of times.
    virtual void trim(Id /*id*/) const {}
    // Whether the two above do anything.
    virtual bool trims() const noexcept { return false; }
    // As `du` has it: the snapshot's own where that is kept apart from its parents', the whole tree else.
    virtual DiskUsage usage(const Stack& stack) const = 0;
    // Every id that has a directory.
    virtual std::vector<Id> list() const = 0;
    // Moves the directory to `trash` under `name`; absent is success.
    virtual void discard(Id id, int trash, const std::string& name) const = 0;
    // Makes everything below the directories of this kind durable.
    virtual void sync() const = 0;
};

// The built-in kinds by name. `directory` is the absolute path of snapshots/; `overlay_options` are added to every
// mount of overlayfs. invalid_argument names an unknown kind and lists the known.
std::unique_ptr<Snapshotter> open_snapshotter(std::string_view name, const std::string& directory,
                                              const std::vector<std::string>& overlay_options = {});
std::vector<std::string_view> snapshotter_names();
// invalid_argument as open_snapshotter().
void validate_name(std::string_view name);

// Why this process cannot unpack with the snapshotter below `directory`, which need not be there yet (no privilege,
// another file system, a program that is not installed), or nullopt.
std::optional<std::string> unusable(std::string_view name, const std::string& directory);

} // namespace lade::snapshot
