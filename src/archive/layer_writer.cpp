// SPDX-License-Identifier: Apache-2.0
#include "archive/layer_writer.hpp"

#include <sys/sysmacros.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "archive/entry_rules.hpp"
#include "archive/file_data.hpp"
#include "archive/tar_writer.hpp"
#include "base/error.hpp"
#include "base/size.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"

namespace lade::archive {

namespace {

using Inode = std::pair<dev_t, ino_t>;

Inode inode_of(const struct stat& st) {
    return {st.st_dev, st.st_ino};
}

EntryType type_of(mode_t mode) {
    switch (mode & S_IFMT) {
    case S_IFDIR:
        return EntryType::directory;
    case S_IFLNK:
        return EntryType::symlink;
    case S_IFCHR:
        return EntryType::char_device;
    case S_IFBLK:
        return EntryType::block_device;
    case S_IFIFO:
        return EntryType::fifo;
    default:
        return EntryType::file;
    }
}

bool later(const EntryTime& one, const EntryTime& other) {
    return std::pair(one.seconds, one.nanoseconds) > std::pair(other.seconds, other.nanoseconds);
}

class LayerWriter {
public:
    LayerWriter(Sink& tar, const LayerOptions& options, Warnings& warnings, const std::stop_token& stop)
        : tar_(tar), options_(options), warnings_(warnings), stop_(stop) {}

    void take(const Change& change) {
        if (change.kind == ChangeKind::removed)
            return remove(change);
        if (change.self)
            return write_folder(*change.self);
        const bool has_names = change.upper.st_nlink > 1;
        if (change.kind == ChangeKind::same && !parts_or_meets(change))
            return;
        if (const auto first = first_names_.find(inode_of(change.upper)); has_names && first != first_names_.end())
            return write_link(first->second, *change.parent, change.name);
        const Entry entry = write_file(change);
        if (has_names)
            tell_of_earlier_names(inode_of(change.upper), entry);
    }

    void finish() { tar_.finish(); }

private:
    // Names that did not change stand for a file of the lower tree, all of them for the same one as long as nothing
    // else is said. True when this one must be told of: it became a name of what was told before, or it was a name of
    // another file than its fellows, or of the same file as others that are its fellows no more.
    bool parts_or_meets(const Change& change) {
        const Inode lower = inode_of(change.lower);
        const Inode upper = inode_of(change.upper);
        if (first_names_.contains(upper))
            return true;
        auto kept = kept_.find(upper);
        if (kept == kept_.end()) {
            const auto [owner, is_new] = owners_.try_emplace(lower, upper);
            if (!is_new && owner->second != upper)
                return true;
            kept = kept_.try_emplace(upper, Kept{.lower = lower, .names = {}}).first;
        } else if (kept->second.lower != lower) {
            return true;
        }
        kept->second.names.emplace_back(change.parent, change.name);
        return false;
    }

    void tell_of_earlier_names(const Inode& inode, const Entry& entry) {
        first_names_.emplace(inode, entry);
        const auto kept = kept_.extract(inode);
        if (kept.empty())
            return;
        owners_.erase(kept.mapped().lower);
        for (const auto& [folder, name] : kept.mapped().names)
            write_link(entry, *folder, name);
    }

    // With those above it, unless told already. The root is told of when it changed, and first.
    void write_folder(Folder& folder) {
        std::vector<Folder*> untold;
        for (Folder* at = &folder; at != nullptr && !at->told && (at->parent || at == &folder); at = at->parent.get())
            untold.push_back(at);
        for (std::size_t i = untold.size(); i-- > 0;) {
            Folder& next = *untold[i];
            next.told = true;
            const Entry entry = describe(next.parent ? next.path() : "./", next.st, next.xattrs);
            refuse_reserved(next.name, entry.name);
            tar_.begin(entry);
        }
    }

    void write_above(Folder& folder) {
        if (folder.parent)
            write_folder(folder);
    }

    void remove(const Change& change) {
        const std::string path = change.path();
        refuse_reserved(change.name, path);
        write_above(*change.parent);
        tar_.begin({.type = EntryType::file, .name = change.parent->child(std::string(whiteout_prefix) + change.name)});
    }

    // What fails while it reads names the path, and what fails while it writes does not.
    template <typename Work>
    static auto reading(const std::string& path, Work work) {
        return doing([&] { return printable(path); }, work);
    }

    // What was said of a file, for the sake of its other names.
    Entry write_file(const Change& change) {
        const std::string path = change.path();
        refuse_reserved(change.name, path);
        write_above(*change.parent);
        Entry entry =
            describe(path, change.upper, reading(path, [&] { return read_xattrs(change.directory, change.name); }));
        if (entry.type == EntryType::file) {
            write_data(reading(path, [&] { return open_file(change.directory, change.name); }), entry);
            return entry;
        }
        if (entry.type == EntryType::symlink)
            entry.link = reading(path, [&] { return read_link(change.directory, change.name); });
        tar_.begin(entry);
        return entry;
    }

    void write_data(const Fd& file, Entry& entry) {
        FileData data(file.get());
        entry.size = data.size();
        tar_.begin(entry);
        while (!data.at_end()) {
            check_stop(stop_);
            if (const std::uint64_t hole = reading(entry.name, [&] { return data.find_hole(); }); hole > 0) {
                const std::uint64_t part = std::min<std::uint64_t>(hole, largest_hole);
                tar_.write_zeros(part);
                data.skip(part);
            } else {
                tar_.write(reading(entry.name, [&] { return data.read(); }));
            }
        }
    }

    // The metadata is the file's: it was read with the first of its names.
    void write_link(const Entry& first, Folder& folder, const std::string& name) {
        Entry entry = first;
        entry.name = folder.child(name);
        entry.type = EntryType::hard_link;
        entry.link = first.name;
        entry.size = 0;
        refuse_reserved(name, entry.name);
        write_above(folder);
        tar_.begin(entry);
    }

    Entry describe(std::string path, const struct stat& st, const Xattrs& xattrs) {
        Entry entry{.type = type_of(st.st_mode),
                    .name = std::move(path),
                    .mode = st.st_mode & 07777U,
                    .uid = st.st_uid,
                    .gid = st.st_gid,
                    .mtime = {.seconds = st.st_mtim.tv_sec, .nanoseconds = st.st_mtim.tv_nsec}};
        if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
            entry.major = ::major(st.st_rdev);
            entry.minor = ::minor(st.st_rdev);
        }
        if (options_.latest && later(entry.mtime, *options_.latest))
            entry.mtime = *options_.latest;
        for (const auto& [xattr, value] : xattrs) {
            if (xattr == access_list)
                entry.mode = mode_without_access_list(entry.mode, value);
            if (xattr != access_list && xattr != default_access_list && TarWriter::has_room(xattr))
                entry.xattrs.emplace(xattr, value);
            else
                warnings_.warn(cat(printable(entry.name), ": xattr ", printable(xattr), " is left out"));
        }
        return entry;
    }

    static void refuse_reserved(const std::string& name, const std::string& path) {
        if (name.starts_with(whiteout_prefix))
            throw Error(ErrorKind::failed_precondition, printable(path), ": a name that begins with ", whiteout_prefix,
                        " cannot be in a layer");
    }

    static constexpr std::uint64_t largest_hole = 64 * mib; // before it is asked whether to stop

    struct Kept {
        Inode lower;
        std::vector<std::pair<std::shared_ptr<Folder>, std::string>> names;
    };

    TarWriter tar_;
    const LayerOptions& options_;
    Warnings& warnings_;
    const std::stop_token& stop_;
    std::map<Inode, Entry> first_names_; // of the upper tree's files that were told of
    std::map<Inode, Kept> kept_;         // of those that were not, by upper inode
    std::map<Inode, Inode> owners_;      // which of them has the lower file
};

} // namespace

Warnings write_layer(const Trees& trees, Sink& tar, const LayerOptions& options, const std::stop_token& stop) {
    Warnings warnings;
    LayerWriter writer(tar, options, warnings, stop);
    compare(
        trees, [&](const Change& change) { writer.take(change); }, warnings, stop);
    writer.finish();
    return warnings;
}

} // namespace lade::archive
