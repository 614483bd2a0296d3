// SPDX-License-Identifier: Apache-2.0
#include "archive/applier.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "archive/entry_rules.hpp"
#include "archive/layer_tree.hpp"
#include "archive/metadata.hpp"
#include "archive/tar.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/size.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"

namespace lade::archive {

namespace {

class Applier {
public:
    Applier(Source& tar, int root, const ApplyOptions& options, Budget& budget, const std::stop_token& stop)
        : tar_(tar),
          options_(options),
          budget_(budget),
          stop_(stop),
          tree_(root, options, budget),
          metadata_(options.privilege, applied_),
          root_(root) {}

    Applied run() {
        while (const auto entry = tar_.next()) {
            check_stop(stop_);
            budget_.take_entry();
            ++applied_.entries;
            if (applied_.needs_lower)
                continue; // the rest is only hashed
            doing([&] { return cat("entry ", printable(entry->name)); }, [&] { apply(*entry); });
        }
        if (!applied_.needs_lower)
            tree_.finish(applied_);
        applied_.bytes = tar_.bytes();
        return std::move(applied_);
    }

private:
    void apply(const Entry& entry) {
        check_entry(entry, budget_);
        std::vector<std::string> parts = clean_components(entry.name);
        check_depth(parts.size(), budget_.limits());
        if (parts.empty()) {
            if (entry.type == EntryType::directory) {
                Metadata::clear_xattrs(root_);
                set_directory(root_, "", entry);
            }
            return;
        }
        const std::string name = std::move(parts.back());
        parts.pop_back();
        const Directory* directory = tree_.parent(join(parts, "/"));
        if (name.starts_with(whiteout_prefix)) {
            // A directory that the layer made a file of has nothing left to hide.
            if (directory != nullptr)
                apply_whiteout(*directory, name);
            return;
        }
        check_component(name);
        if (directory == nullptr)
            throw Error(ErrorKind::failed_precondition, "a part of its path is not a directory");
        // Links may have led to a place that the name does not tell of.
        check_depth(directory->depth() + 1, budget_.limits());
        check_path(directory->path.size() + 1 + name.size(), budget_.limits());
        if (is_left_out(entry))
            return;
        make(*directory, name, entry);
        if (!applied_.needs_lower)
            tree_.mark(*directory, name);
    }

    void apply_whiteout(const Directory& directory, const std::string& name) {
        const Whiteout whiteout = parse_whiteout(name);
        if (whiteout.kind == Whiteout::Kind::opaque)
            tree_.make_opaque(directory);
        else if (whiteout.kind == Whiteout::Kind::one)
            tree_.whiteout(directory, whiteout.name);
    }

    bool is_left_out(const Entry& entry) {
        if (entry.type != EntryType::char_device && entry.type != EntryType::block_device)
            return false;
        if (!may_make_devices(options_.privilege)) {
            ++applied_.skipped_devices;
            return true;
        }
        if (is_false_whiteout(entry)) {
            applied_.warn(cat("character device 0:0 ", printable(entry.name), " is left out"));
            return true;
        }
        return false;
    }

    void make(const Directory& directory, const std::string& name, const Entry& entry) {
        switch (entry.type) {
        case EntryType::file:
            make_file(directory, name, entry);
            return;
        case EntryType::directory:
            make_directory_entry(directory, name, entry);
            return;
        case EntryType::hard_link:
            make_link(directory, name, entry);
            return;
        case EntryType::symlink:
            replacing(directory, name,
                      [&] { return ::symlinkat(entry.link.c_str(), directory.fd.get(), name.c_str()); });
            break;
        case EntryType::char_device:
        case EntryType::block_device:
        case EntryType::fifo: {
            const mode_t type = entry.type == EntryType::fifo          ? S_IFIFO
                                : entry.type == EntryType::char_device ? S_IFCHR
                                                                       : S_IFBLK;
            replacing(directory, name, [&] {
                return ::mknodat(directory.fd.get(), name.c_str(), type | (entry.mode & 0777U),
                                 ::makedev(entry.major, entry.minor));
            });
            break;
        }
        }
        set_metadata(directory, name, entry);
    }

    // Runs `create`, and once more after removing what stood in its way.
    template <typename Create>
    int replacing(const Directory& directory, const std::string& name, Create create) {
        int result = create();
        if (result < 0 && errno == EEXIST) {
            tree_.clear(directory, name);
            result = create();
        }
        if (result < 0)
            throw_errno(errno, "create");
        return result;
    }

    void make_file(const Directory& directory, const std::string& name, const Entry& entry) {
        const Fd file(replacing(directory, name, [&] {
            return ::openat(directory.fd.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                            entry.mode & 0777U);
        }));
        std::uint64_t end = 0;
        for (auto bytes = tar_.data(); !bytes.empty(); bytes = tar_.data()) {
            if (tar_.position() != end && ::lseek(file.get(), static_cast<off_t>(tar_.position()), SEEK_SET) < 0)
                throw_errno(errno, "seek");
            write_all(file.get(), bytes, printable(name));
            end = tar_.position() + bytes.size();
            if (bytes.size() > write_check)
                check_stop(stop_);
        }
        if (end < entry.size && ::ftruncate(file.get(), static_cast<off_t>(entry.size)) != 0)
            throw_errno(errno, "set size");
        if (!metadata_.owned_by_default(entry, directory.set_gid))
            metadata_.set_owner(file.get(), entry);
        metadata_.set_xattrs(file.get(), entry);
        if ((entry.mode & 07000U) != 0)
            metadata_.set_mode(file.get(), entry.mode);
        Metadata::set_times(file.get(), times_of(entry));
    }

    void make_directory_entry(const Directory& directory, const std::string& name, const Entry& entry) {
        const mode_t mode = (entry.mode & 0777U) | 0700U;
        bool replaced = false;
        bool kept = false;
        if (::mkdirat(directory.fd.get(), name.c_str(), mode) != 0) {
            if (errno != EEXIST)
                throw_errno(errno, "create directory");
            struct stat st {};
            if (::fstatat(directory.fd.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
                throw_errno(errno, "stat");
            kept = S_ISDIR(st.st_mode);
            if (!kept) {
                replaced = true;
                tree_.clear(directory, name);
                if (::mkdirat(directory.fd.get(), name.c_str(), mode) != 0)
                    throw_errno(errno, "create directory");
            }
        }
        const Fd made = open_at(directory.fd.get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        // A whiteout, or a file of this layer, stood here: either hides what lower layers have under the name.
        if (replaced)
            tree_.hide_lower({.fd = open_at(made.get(), ".", O_RDONLY | O_DIRECTORY), .path = directory.child(name)});
        if (kept)
            Metadata::clear_xattrs(made.get());
        set_directory(made.get(), directory.child(name), entry);
    }

    void set_directory(int fd, const std::string& path, const Entry& entry) {
        metadata_.set_owner(fd, entry);
        metadata_.set_xattrs(fd, entry);
        metadata_.set_mode(fd, may_enter_all(options_.privilege) ? entry.mode : entry.mode | 0700U);
        tree_.set_gid_changed(path, (entry.mode & S_ISGID) != 0);
        tree_.add_directory(path, times_of(entry), entry.mode);
    }

    void make_link(const Directory& directory, const std::string& name, const Entry& entry) {
        const LinkTarget link = parse_link(entry);
        const std::string& target_name = link.name;
        // find() may push `directory` out of the cache; its descriptor and path are needed on.
        const Directory here{.fd = open_at(directory.fd.get(), ".", O_RDONLY | O_DIRECTORY),
                             .path = directory.path,
                             .set_gid = directory.set_gid};
        const Directory* target = tree_.find(link.directory);
        struct stat st {};
        if (target == nullptr || ::fstatat(target->fd.get(), target_name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
            if (options_.whiteouts == Whiteouts::overlay) {
                applied_.needs_lower = true;
                return;
            }
            throw Error(ErrorKind::invalid_argument, "hard link to ", printable(entry.link), ", which does not exist");
        }
        if (S_ISDIR(st.st_mode) && options_.whiteouts == Whiteouts::overlay &&
            tree_.is_implied(target->child(target_name))) {
            applied_.needs_lower = true;
            return;
        }
        if (S_ISDIR(st.st_mode))
            throw Error(ErrorKind::invalid_argument, "hard link to ", printable(entry.link), ", which is a directory");
        if (options_.whiteouts == Whiteouts::overlay && S_ISCHR(st.st_mode) && st.st_rdev == ::makedev(0, 0))
            throw Error(ErrorKind::invalid_argument, "hard link to ", printable(entry.link),
                        ", which the layer removed");
        if (target->path == here.path && target_name == name)
            return;
        const int target_fd = target->fd.get();
        replacing(here, name, [&] { return ::linkat(target_fd, target_name.c_str(), here.fd.get(), name.c_str(), 0); });
        set_metadata(here, name, entry);
    }

    // For what cannot or need not be opened for writing. Links have no mode of their own.
    void set_metadata(const Directory& directory, const std::string& name, const Entry& entry) {
        const Fd made = open_at(directory.fd.get(), name, O_PATH | O_NOFOLLOW);
        struct stat st {};
        if (::fstat(made.get(), &st) != 0)
            throw_errno(errno, "stat");
        metadata_.set_owner(made.get(), entry);
        metadata_.set_xattrs(made.get(), entry);
        if (!S_ISLNK(st.st_mode))
            metadata_.set_mode(made.get(), entry.mode);
        Metadata::set_times(made.get(), times_of(entry));
    }

    static constexpr std::size_t write_check = 64 * kib;

    TarReader tar_;
    const ApplyOptions& options_;
    Budget& budget_;
    const std::stop_token& stop_;
    Applied applied_;
    LayerTree tree_;
    Metadata metadata_;
    int root_;
};

} // namespace

Applied apply(Source& tar, int root, const ApplyOptions& options, Budget& budget, const std::stop_token& stop) {
    return Applier(tar, root, options, budget, stop).run();
}

} // namespace lade::archive
