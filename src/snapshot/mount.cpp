// SPDX-License-Identifier: Apache-2.0
#include "snapshot/mount.hpp"

#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <exception>
#include <functional>
#include <stack>
#include <thread>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "snapshot/idmap.hpp"
#include "snapshot/loop_device.hpp"
#include "snapshot/mount_options.hpp"
#include "snapshot/mount_table.hpp"

namespace lade::snapshot {

namespace {

// One page holds all of them, with a NUL.
std::size_t room_for_options() {
    return static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) - 512;
}

void call_mount(const Mount& mount, const std::string& source, const std::string& point, unsigned long flags,
                const std::string& data) {
    if (::mount(source.c_str(), point.c_str(), mount.type.c_str(), flags, data.empty() ? nullptr : data.c_str()) != 0)
        throw_errno(errno, "mount ", mount.type, " ", printable(mount.source));
}

void attach(const Fd& tree, const std::string& point) {
    if (::move_mount(tree.get(), "", AT_FDCWD, point.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
        throw_errno(errno, "mount at ", printable(point));
}

bool is_remapped(const MountOptions& options) {
    return !options.uid_mapping.empty();
}

void bind(const Mount& mount, const std::string& point, const MountOptions& options) {
    constexpr unsigned long kind = MS_BIND | MS_REC;
    if (is_remapped(options))
        attach(open_remapped(mount.source, (options.flags & MS_REC) != 0, options.uid_mapping, options.gid_mapping),
               point);
    else
        call_mount(mount, mount.source, point, options.flags & kind, "");
    const unsigned long more = options.flags & ~kind;
    if (more == 0)
        return;
    // What the mount has already may be locked: in a user namespace it must not be asked to go.
    struct statvfs st {};
    if (::statvfs(point.c_str(), &st) != 0)
        throw_errno(errno, "stat ", printable(point));
    constexpr unsigned long locked = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME;
    call_mount(mount, mount.source, point, MS_REMOUNT | MS_BIND | more | (st.f_flag & locked), "");
}

// The flags of a mount as fsmount(2) has them. That of a file system that is synchronous is no option of overlayfs.
unsigned int attributes_of(unsigned long flags) {
    constexpr std::array<std::pair<unsigned long, unsigned int>, 6> known{{{MS_RDONLY, MOUNT_ATTR_RDONLY},
                                                                           {MS_NOSUID, MOUNT_ATTR_NOSUID},
                                                                           {MS_NODEV, MOUNT_ATTR_NODEV},
                                                                           {MS_NOEXEC, MOUNT_ATTR_NOEXEC},
                                                                           {MS_NOATIME, MOUNT_ATTR_NOATIME},
                                                                           {MS_NODIRATIME, MOUNT_ATTR_NODIRATIME}}};
    unsigned int attributes = 0;
    for (const auto& [flag, attribute] : known)
        if ((flags & flag) != 0)
            attributes |= attribute;
    return attributes;
}

void set_option(int context, const char* key, const std::string& value) {
    if (::fsconfig(context, FSCONFIG_SET_STRING, key, value.c_str(), 0) != 0)
        throw_errno(errno, "mount option ", key, "=", printable(value));
}

// Each name a word of its own: there may be more of them than a page holds. Linux 6.8.
void mount_long_overlay(const Mount& mount, const std::string& source, const std::string& point,
                        const OverlayOptions& overlay, unsigned long flags) {
    const Fd context(::fsopen("overlay", FSOPEN_CLOEXEC));
    if (!context)
        throw_errno(errno, "mount options of ", mount.type, " are too long");
    set_option(context.get(), "source", source);
    for (const std::string& lower : overlay.lowers)
        set_option(context.get(), "lowerdir+", lower);
    if (!overlay.upper.empty()) {
        set_option(context.get(), "upperdir", overlay.upper);
        set_option(context.get(), "workdir", overlay.work);
    }
    for (const std::string& word : overlay.others) {
        const std::size_t equals = word.find('=');
        if (equals != std::string::npos)
            set_option(context.get(), word.substr(0, equals).c_str(), word.substr(equals + 1));
        else if (::fsconfig(context.get(), FSCONFIG_SET_FLAG, word.c_str(), nullptr, 0) != 0)
            throw_errno(errno, "mount option ", printable(word));
    }
    if (::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        throw_errno(errno, "mount overlay");
    const Fd made(::fsmount(context.get(), FSMOUNT_CLOEXEC, attributes_of(flags)));
    if (!made)
        throw_errno(errno, "mount overlay");
    attach(made, point);
}

// The namespace would take them along, but later than the end of its thread: an upper directory must be free at once.
class Detached {
public:
    explicit Detached(std::string point) : point_(std::move(point)) {}
    ~Detached() { ::umount2(point_.c_str(), MNT_DETACH); }
    Detached(const Detached&) = delete;
    Detached& operator=(const Detached&) = delete;

private:
    std::string point_;
};

// The layers below are seen through a mount that remaps them; what is written on top has those owners already. It lies
// where no name of the overlay leads, and only until the overlay has it.
void mount_remapped_overlay(const Mount& mount, const std::string& point, const MountOptions& options) {
    OverlayOptions overlay = parse_overlay_options(options.data);
    const std::string base = common_directory(overlay.lowers);
    if (base.empty())
        throw Error(ErrorKind::failed_precondition, "mount overlay: its layers have no directory in common to remap");
    const std::string place = overlay.lowers.front();
    attach(open_remapped(base, false, options.uid_mapping, options.gid_mapping), place);
    const Detached remapped(place);
    if (::chdir(place.c_str()) != 0)
        throw_errno(errno, "enter ", printable(place));
    for (std::string& lower : overlay.lowers)
        lower.erase(0, base.size());
    const std::string data = join(format_overlay_options(overlay), ",");
    // The source as below.
    if (data.size() < room_for_options())
        call_mount(mount, base, point, options.flags, data);
    else
        mount_long_overlay(mount, base, point, overlay, options.flags);
}

// A long stack is named from the directory that all of it lies in. So is one whose path would need escapes, which
// kernels understand differently.
void mount_overlay(const Mount& mount, const std::string& point, const MountOptions& options) {
    if (is_remapped(options))
        return mount_remapped_overlay(mount, point, options);
    std::string data = join(options.data, ",");
    if (data.size() < room_for_options() && data.find('\\') == std::string::npos) {
        call_mount(mount, mount.source, point, options.flags, data);
        return;
    }
    OverlayOptions overlay = parse_overlay_options(options.data);
    std::string source = mount.source;
    std::vector<std::string> paths = overlay.lowers;
    if (!overlay.upper.empty())
        paths.insert(paths.end(), {overlay.upper, overlay.work});
    if (const std::string base = common_directory(paths); !base.empty()) {
        if (::chdir(base.c_str()) != 0)
            throw_errno(errno, "enter ", printable(base));
        // The table of mounts shows short names as they are given here: the source tells where they begin.
        source = base;
        const auto shorten = [&](std::string& path) { path.erase(0, base.size()); };
        std::ranges::for_each(overlay.lowers, shorten);
        if (!overlay.upper.empty()) {
            shorten(overlay.upper);
            shorten(overlay.work);
        }
        data = join(format_overlay_options(overlay), ",");
    }
    if (data.size() < room_for_options())
        call_mount(mount, source, point, options.flags, data);
    else
        mount_long_overlay(mount, source, point, overlay, options.flags);
}

void mount_device(const Mount& mount, const std::string& point, const MountOptions& options) {
    const std::string data = join(options.data, ",");
    const bool is_read_only = (options.flags & MS_RDONLY) != 0;
    if (!options.loop) {
        // Linux 6.12 mounts erofs from a file as it is, but not from one of any file system.
        if (::mount(mount.source.c_str(), point.c_str(), mount.type.c_str(), options.flags, data.c_str()) == 0)
            return;
        const int code = errno;
        struct stat st {};
        const bool is_file = ::stat(mount.source.c_str(), &st) == 0 && S_ISREG(st.st_mode);
        if (!is_file || (code != ENOTBLK && code != EINVAL && code != EOPNOTSUPP && code != ELOOP))
            throw_errno(code, "mount ", mount.type, " ", printable(mount.source));
    }
    const LoopDevice device = attach_loop_device(mount.source, is_read_only, options.direct_io);
    call_mount(mount, device.path, point, options.flags, data);
}

void mount_one(const Mount& mount, const std::string& point) {
    const MountOptions options = parse_mount_options(mount.options);
    if ((options.flags & MS_BIND) != 0)
        bind(mount, point, options);
    else if (mount.type == "overlay")
        mount_overlay(mount, point, options);
    else
        mount_device(mount, point, options);
}

// In a thread of its own: what is mounted there nobody else sees, and its working directory is its own, too.
Fd in_private_namespace(const std::function<Fd()>& work) {
    Fd result;
    std::exception_ptr error;
    std::thread thread([&] {
        try {
            if (::unshare(CLONE_FS | CLONE_NEWNS) != 0)
                throw_errno(errno, "make a mount namespace");
            if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
                throw_errno(errno, "make mounts private");
            result = work();
        } catch (...) {
            error = std::current_exception();
        }
    });
    thread.join();
    if (error)
        std::rethrow_exception(error);
    return result;
}

// `take` makes the result from the place where all is mounted.
Fd assemble(const std::vector<Mount>& mounts, const std::string& place, const std::function<Fd()>& take) {
    return in_private_namespace([&] {
        std::stack<Detached> mounted;
        for (const Mount& mount : mounts) {
            const std::string& point = mount.point.empty() ? place : mount.point;
            mount_one(mount, point);
            mounted.emplace(point);
        }
        return take();
    });
}

bool is_plain_bind(const std::vector<Mount>& mounts) {
    return mounts.size() == 1 && mounts.front().type == "bind" &&
           !is_remapped(parse_mount_options(mounts.front().options));
}

bool is_remapping(const std::string& word) {
    return word.starts_with("uidmap=") || word.starts_with("gidmap=");
}

bool is_volatile(const std::string& word) {
    return word == "volatile" || word == "fsync=volatile";
}

} // namespace

std::vector<Mount> read_only(std::vector<Mount> mounts) {
    if (mounts.empty())
        return mounts;
    Mount& shown = mounts.back();
    if (shown.type != "overlay") {
        std::erase(shown.options, "rw");
        std::erase(shown.options, "ro");
        shown.options.emplace_back("ro");
        return mounts;
    }
    OverlayOptions overlay = parse_overlay_options(shown.options);
    if (!overlay.upper.empty())
        overlay.lowers.insert(overlay.lowers.begin(), overlay.upper);
    overlay.upper.clear();
    std::erase_if(overlay.others, is_volatile);
    std::erase_if(overlay.others, is_remapping);
    shown.options = format_overlay_options(overlay);
    return mounts;
}

Fd open_mounts(std::vector<Mount> mounts, const std::string& scratch) {
    if (is_plain_bind(mounts))
        return open_at(AT_FDCWD, mounts.front().source, O_RDONLY | O_DIRECTORY);
    for (Mount& mount : mounts)
        std::erase_if(mount.options, is_volatile);
    return assemble(mounts, scratch, [&] { return open_at(AT_FDCWD, scratch, O_RDONLY | O_DIRECTORY); });
}

void mount_at(const std::vector<Mount>& mounts, const std::string& target) {
    const Fd place = open_at(AT_FDCWD, target, O_PATH | O_DIRECTORY);
    // A long stack is mounted from another working directory.
    const std::string point = path_of(place.get());
    const Fd tree = assemble(mounts, point, [&] {
        Fd clone(::open_tree(AT_FDCWD, point.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
        if (!clone)
            throw_errno(errno, "mount at ", printable(target));
        return clone;
    });
    if (::move_mount(tree.get(), "", place.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
        throw_errno(errno, "mount at ", printable(target));
    const unsigned long propagation = mounts.empty() ? 0 : parse_mount_options(mounts.back().options).propagation;
    if (propagation != 0 && ::mount(nullptr, point.c_str(), nullptr, propagation, nullptr) != 0)
        throw_errno(errno, "set propagation of ", printable(target));
}

// What used it may be on its way out: a process that ends closes its files a little later than it is waited for.
Unmounting unmount(const std::string& target) {
    constexpr int attempts = 50;
    for (int attempt = 1;; ++attempt) {
        if (::umount2(target.c_str(), 0) == 0)
            return Unmounting::done;
        if (errno == EINVAL)
            return Unmounting::nothing;
        if (errno != EBUSY)
            throw_errno(errno, "unmount ", printable(target));
        if (attempt == attempts)
            return Unmounting::busy;
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
}

std::size_t unmount_all(const std::string& target) {
    std::size_t count = 0;
    for (;; ++count)
        switch (unmount(target)) {
        case Unmounting::done:
            break;
        case Unmounting::nothing:
            return count;
        case Unmounting::busy:
            throw_errno(EBUSY, "unmount ", printable(target));
        }
}

} // namespace lade::snapshot
