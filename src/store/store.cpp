// SPDX-License-Identifier: Apache-2.0
#include "store/store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/error.hpp"
#include "base/fault.hpp"
#include "base/files.hpp"
#include "base/privilege.hpp"
#include "base/size.hpp"
#include "base/text.hpp"
#include "base/tree.hpp"
#include "meta/schema.hpp"
#include "meta/settings.hpp"
#include "snapshot/mount_options.hpp"
#include "snapshot/mount_table.hpp"
#include "store/settings.hpp"

namespace lade::store {

namespace {

// What is held for milliseconds: a wait this long means that something is wrong, and says so.
constexpr std::chrono::minutes short_wait{1};

constexpr const char* reserve = "reserve";
constexpr std::uint64_t reserve_size = 256 * kib;
constexpr std::uint64_t plenty = 16 * reserve_size;

bool is_closed(int root) {
    struct stat st {};
    if (::fstat(root, &st) != 0)
        throw_errno(errno, "stat");
    return (st.st_mode & 0077) == 0;
}

// Images hold set-user-id files: nobody else may reach them (CVE-2021-41103). A directory that is somebody's already
// is not ours to close.
void close_to_others(int root) {
    if (is_closed(root))
        return;
    const std::vector<std::string> names = list_directory(root, ".");
    const bool is_ours = std::ranges::find(names, "meta.db") != names.end();
    // Another process that makes the same store closes it before it puts anything there.
    if (!is_ours && !names.empty() && names != std::vector<std::string>{"lost+found"} && !is_closed(root))
        throw Error(ErrorKind::failed_precondition,
                    "the directory is open to other users and holds other files: no place for a store");
    if (::fchmod(root, 0700) != 0)
        throw_errno(errno, "close to other users");
}

// Slots are hashes elsewhere, of which one bit counts for nothing.
std::uint64_t slot_of(snapshot::Id id) {
    return static_cast<std::uint64_t>(id) << 1U;
}

bool lies_on_read_only(int directory) {
    struct statvfs file_system {};
    return ::fstatvfs(directory, &file_system) == 0 && (file_system.f_flag & ST_RDONLY) != 0;
}

// On the contrary: a read-only mount of what others have writable, or a log that the database cannot be read without.
bool is_frozen(int directory, const std::string& database) {
    struct stat log {};
    if (::stat((database + "-wal").c_str(), &log) == 0 && log.st_size > 0)
        return false;
    const std::uint64_t id = snapshot::mount_id(directory);
    const std::vector<snapshot::MountEntry> table = snapshot::read_mount_table();
    return std::ranges::any_of(table, [&](const snapshot::MountEntry& mount) {
        return mount.id == id && std::ranges::find(mount.options, "ro") != mount.options.end();
    });
}

} // namespace

Store::Store(const std::string& root, Sync sync, const Patience& patience, std::stop_token stop)
    : root_(root), sync_(sync), patience_(patience) {
    doing([&] { return cat("store ", root_); },
          [&] {
              make_directories(root_, 0700);
              const Fd directory = open_at(AT_FDCWD, root_, O_RDONLY | O_DIRECTORY);
              close_to_others(directory.get());
              make_directory(directory.get(), "content", 0755);
              for (const char* name : {"snapshots", "trash", "locks"})
                  make_directory(directory.get(), name, 0700);
              files_ = std::make_unique<content::Blobs>(
                  open_at(directory.get(), "content", O_RDONLY | O_DIRECTORY | O_NOFOLLOW), patience_);
              trash_ = open_at(directory.get(), "trash", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
              locks_ = open_at(directory.get(), "locks", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
              database_ = open_database(stop);
          });
}

std::unique_ptr<meta::Database> Store::open_database(const std::stop_token& stop) const {
    const std::string path = root_ + "/meta.db";
    const auto open = [&](meta::Sharing sharing) {
        auto database =
            std::make_unique<meta::Database>(path, sync_ != Sync::none, patience_.at_most(short_wait), stop, sharing);
        meta::migrate(*database);
        return database;
    };
    if (lies_on_read_only(trash_.get()))
        return open(is_frozen(trash_.get(), path) ? meta::Sharing::frozen : meta::Sharing::read_only);
    for (const bool first : {true, false})
        try {
            return open(meta::Sharing::shared);
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::resource_exhausted)
                throw;
            // What is of use to nobody makes room on a full disk.
            if (first)
                static_cast<void>(empty_trash());
        }
    return open(meta::Sharing::alone);
}

void Store::require_writable() const {
    if (!database_->is_writable())
        throw Error(ErrorKind::permission_denied, "store ", printable(root_), " lies on a read-only file system");
}

void Store::keep_reserve() const noexcept {
    attempt([&] {
        const Fd root = open_at(AT_FDCWD, root_, O_RDONLY | O_DIRECTORY);
        struct stat st {};
        const bool is_there = ::fstatat(root.get(), reserve, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size > 0;
        if (is_there || free_bytes(root.get()) < plenty)
            return;
        const Fd file = open_at(root.get(), reserve, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
        static_cast<void>(::posix_fallocate(file.get(), 0, reserve_size));
    });
}

void Store::use_reserve() const noexcept {
    attempt([&] {
        const Fd root = open_at(AT_FDCWD, root_, O_RDONLY | O_DIRECTORY);
        if (free_bytes(root.get()) >= reserve_size)
            return;
        const auto file = find_at(root.get(), reserve, O_WRONLY | O_NOFOLLOW);
        if (file)
            static_cast<void>(!::ftruncate(file->get(), 0));
    });
}

std::unique_ptr<snapshot::Snapshotter> Store::open_snapshotter(std::string_view name) const {
    // Checked when it was set.
    const auto options = meta::Settings(*database_).find(overlay_mount_options);
    return snapshot::open_snapshotter(name, root_ + "/snapshots",
                                      snapshot::parse_configured_options(options.value_or("")));
}

std::optional<std::string> Store::unusable(std::string_view snapshotter) const {
    return snapshot::unusable(snapshotter, root_ + "/snapshots");
}

Fd Store::lock_file(const char* name) const {
    return open_at(locks_.get(), name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
}

FileLock Store::publish_lock(LockMode mode, const std::stop_token& stop) const {
    return doing("locks/publish.lock", [&] {
        return FileLock::acquire(lock_file("publish.lock"), mode, patience_.at_most(short_wait), stop);
    });
}

RangeLock Store::unpack_lock(std::uint64_t slot, const std::stop_token& stop) const {
    return doing("locks/unpack.lock",
                 [&] { return RangeLock::acquire(lock_file("unpack.lock"), slot, patience_, stop); });
}

RangeLock Store::snapshot_lock(snapshot::Id id, const std::stop_token& stop) const {
    return doing("locks/snapshots.lock", [&] {
        return RangeLock::acquire(lock_file("snapshots.lock"), slot_of(id), patience_.at_most(short_wait), stop);
    });
}

std::optional<RangeLock> Store::try_snapshot_lock(snapshot::Id id) const {
    return doing("locks/snapshots.lock",
                 [&] { return RangeLock::try_acquire(lock_file("snapshots.lock"), slot_of(id)); });
}

std::string Store::trash_name(std::string_view what) {
    return cat(what, '-', random_text(12));
}

std::vector<std::string> Store::empty_trash() const {
    std::vector<std::string> left;
    for (const std::string& name : list_directory(trash_.get(), "."))
        try {
            remove_tree(trash_.get(), name);
            fault::point("trash.removed");
        } catch (const Error& error) {
            left.push_back(cat("trash/", printable(name), ": ", error.message()));
        }
    return left;
}

void require_own(const std::string& root) {
    struct stat st {};
    if (::stat((root + "/meta.db").c_str(), &st) == 0 && st.st_uid != ::geteuid())
        throw Error(ErrorKind::failed_precondition, "store ", printable(root), " belongs to user ", st.st_uid,
                    ", who could not use what is written there as user ", ::geteuid());
}

std::string default_root() {
    const auto variable = [](const char* name) -> std::string {
        const char* value = std::getenv(name);
        return value == nullptr ? "" : value;
    };
    std::string root = variable("LADE_ROOT");
    // In a user namespace root may be anybody.
    if (root.empty() && ::geteuid() == 0 && (privilege() == Privilege::root || ::access("/var/lib", W_OK) == 0))
        root = "/var/lib/lade";
    if (root.empty())
        if (const std::string data = variable("XDG_DATA_HOME"); data.starts_with('/'))
            root = data + "/lade";
    if (root.empty()) {
        const std::string home = variable("HOME");
        if (home.empty())
            throw Error(ErrorKind::failed_precondition,
                        "no place for the store: set LADE_ROOT or HOME, or give --root");
        root = home + "/.local/share/lade";
    }
    return root;
}

} // namespace lade::store
