// SPDX-License-Identifier: Apache-2.0
// The tree a layer is applied to, and the memory of what in it is this layer's: needed because a whiteout
// concerns lower layers only, whatever the order of entries (safety.md 1.5).
#pragma once

#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include "archive/applier.hpp"
#include "archive/metadata.hpp"
#include "archive/root.hpp"

namespace lade::archive {

class LayerTree final : private Root::Observer {
public:
    LayerTree(int root, const ApplyOptions& options, Budget& budget);
    ~LayerTree() override { budget_.give_memory(memory_); }
    LayerTree(const LayerTree&) = delete;
    LayerTree& operator=(const LayerTree&) = delete;

    // The directory for an entry, made if missing, about to be changed. nullptr: something that is no directory is in
    // the way.
    const Directory* parent(const std::string& path);
    // Without making anything.
    const Directory* find(const std::string& path);

    // Whether the directory is there only because something lies in it; what the layers below have under its name may
    // be no directory.
    bool is_implied(const std::string& path) const;

    // Remembers that the layer has `name` in `directory`.
    void mark(const Directory& directory, const std::string& name);
    // Removes what is in an entry's way. True when something was there that is no directory.
    bool clear(const Directory& directory, const std::string& name);

    // A directory entry of the layer ("" is the root): its times, and without privilege its mode, are set at the
    // end.
    void add_directory(const std::string& path, const Times& times, mode_t mode);
    void set_gid_changed(const std::string& path, bool set_gid) { root_.set_gid_changed(path, set_gid); }

    void whiteout(const Directory& directory, const std::string& name);
    void make_opaque(const Directory& directory);
    // A directory took the place of what hid the lower layers' one.
    void hide_lower(const Directory& directory);

    // Sets what must be set last; fills the lists of Applied.
    void finish(Applied& applied);

private:
    struct Touched {
        Times times{};
        mode_t mode = 0;
        bool restore_mode = false;
        bool has_entry = false;
        bool hides_lower = false; // whatever lower layers have there: from here on the layer is on its own
    };

    Touched& touch(const std::string& path);
    void changing(const Directory& parent) override;
    void made(const Directory& parent, const std::string& name, int fd, bool over_whiteout) override;
    void take_memory(std::size_t bytes);
    void remember(std::vector<std::string>& paths, std::string path);
    bool is_marked(const std::string& path) const;
    void mark_path(std::string path);
    void remove_unmarked(const Directory& directory);
    void reset_implied(const Directory& directory);
    void refresh();

    Root root_;
    Whiteouts whiteouts_;
    Privilege privilege_;
    Budget& budget_;
    std::size_t memory_ = 0; // taken from the budget
    bool stale_ = false;     // the cache of open directories may name what is gone
    std::string seed_;
    std::unordered_set<std::size_t> marked_;
    std::map<std::string, Touched, std::greater<>> touched_; // deepest first
    std::vector<std::string> passed_through_;
    std::vector<std::string> made_whiteouts_;
};

} // namespace lade::archive
