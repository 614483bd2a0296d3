// SPDX-License-Identifier: Apache-2.0
#include "snapshot/mount.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <thread>

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::snapshot {

namespace {

class Mounted {
public:
    Mounted(const std::string& point, const std::string& options) : point_(point) {
        if (::mount("overlay", point.c_str(), "overlay", 0, options.c_str()) != 0)
            throw_errno(errno, "mount overlay on ", point);
    }
    ~Mounted() { ::umount2(point_.c_str(), MNT_DETACH); }
    Mounted(const Mounted&) = delete;
    Mounted& operator=(const Mounted&) = delete;

private:
    std::string point_;
};

void mount_and_work(int base, const OverlayLayers& layers, const std::function<void(int root)>& work) {
    // Relative names keep the options of a long stack within one page. The working directory must be entered
    // before the namespace is copied: `base` itself keeps pointing into the old one, where nothing can be stacked.
    if (::unshare(CLONE_FS) != 0)
        throw_errno(errno, "leave the shared working directory");
    if (::fchdir(base) != 0)
        throw_errno(errno, "enter the snapshots' directory");
    if (::unshare(CLONE_NEWNS) != 0)
        throw_errno(errno, "make a mount namespace");
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        throw_errno(errno, "make mounts private");
    const Mounted mounted(layers.point, cat("workdir=", layers.work, ",upperdir=", layers.upper, ",lowerdir=",
                                            join(layers.lowers, ":"), ",index=off,metacopy=off,redirect_dir=off"));
    const Fd root = open_at(AT_FDCWD, layers.point, O_RDONLY | O_DIRECTORY);
    work(root.get());
}

} // namespace

void with_overlay(int base, const OverlayLayers& layers, const std::function<void(int root)>& work) {
    std::exception_ptr error;
    std::thread thread([&] {
        try {
            mount_and_work(base, layers, work);
        } catch (...) {
            error = std::current_exception();
        }
    });
    thread.join();
    if (error)
        std::rethrow_exception(error);
}

} // namespace lade::snapshot
