// SPDX-License-Identifier: Apache-2.0
#include "snapshot/loop_device.hpp"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <random>
#include <thread>

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::snapshot {

namespace {

// False when somebody else took the device meanwhile.
bool configure(int device, int file, std::uint32_t flags) {
    loop_config config{};
    config.fd = static_cast<std::uint32_t>(file);
    config.info.lo_flags = flags;
    if (::ioctl(device, LOOP_CONFIGURE, &config) == 0)
        return true;
    if (errno == EBUSY)
        return false;
    // Linux before 5.8.
    if (errno != EINVAL && errno != ENOTTY)
        throw_errno(errno, "configure");
    if (::ioctl(device, LOOP_SET_FD, file) != 0) {
        if (errno == EBUSY)
            return false;
        throw_errno(errno, "attach");
    }
    loop_info64 info{};
    info.lo_flags = flags & ~static_cast<std::uint32_t>(LO_FLAGS_DIRECT_IO);
    if (::ioctl(device, LOOP_SET_STATUS64, &info) != 0) {
        const int code = errno;
        ::ioctl(device, LOOP_CLR_FD, 0);
        throw_errno(code, "configure");
    }
    return true;
}

} // namespace

LoopDevice attach_loop_device(const std::string& file, bool read_only, bool direct_io) {
    constexpr int attempts = 99;
    const int mode = read_only ? O_RDONLY : O_RDWR;
    const std::uint32_t flags = static_cast<std::uint32_t>(LO_FLAGS_AUTOCLEAR) |
                                (read_only ? static_cast<std::uint32_t>(LO_FLAGS_READ_ONLY) : 0U) |
                                (direct_io ? static_cast<std::uint32_t>(LO_FLAGS_DIRECT_IO) : 0U);
    return doing([&] { return cat("loop device for ", printable(file)); },
                 [&]() -> LoopDevice {
                     const Fd backing = open_at(AT_FDCWD, file, mode);
                     const Fd control = open_at(AT_FDCWD, "/dev/loop-control", O_RDWR);
                     std::minstd_rand random{std::random_device{}()};
                     for (int attempt = 0; attempt < attempts; ++attempt) {
                         const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
                         if (number < 0)
                             throw_errno(errno, "find a free one");
                         LoopDevice device{.path = cat("/dev/loop", number), .fd = {}};
                         device.fd = open_at(AT_FDCWD, device.path, mode);
                         if (configure(device.fd.get(), backing.get(), flags))
                             return device;
                         std::this_thread::sleep_for(std::chrono::milliseconds(random() % 50));
                     }
                     throw Error(ErrorKind::unavailable, "all are taken by others");
                 });
}

bool is_loop_of(const std::string& path, int directory, const std::string& name) {
    struct stat st {};
    loop_info64 info{};
    const auto device = find_at(AT_FDCWD, path, O_RDONLY);
    return device && ::fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           ::ioctl(device->get(), LOOP_GET_STATUS64, &info) == 0 && info.lo_inode == st.st_ino &&
           info.lo_device == st.st_dev;
}

} // namespace lade::snapshot
