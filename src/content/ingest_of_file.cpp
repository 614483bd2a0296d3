// SPDX-License-Identifier: Apache-2.0
// How an ingest comes by the bytes of a file that is there already.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.hpp"
#include "base/fault.hpp"
#include "base/files.hpp"
#include "base/text.hpp"
#include "content/checkpoints.hpp"
#include "content/ingest.hpp"

namespace lade::content {

bool Ingest::clone(int from, const Told& told, const std::stop_token& stop) {
    if (::ioctl(data_.get(), FICLONE, from) != 0)
        return false;
    drop_link();
    // Of an earlier attempt there may be more.
    struct stat st {};
    if (::fstat(from, &st) != 0 || ::ftruncate(data_.get(), st.st_size) != 0)
        throw_errno(errno, "cut ingest");
    // What was noted of other bytes; none is as good.
    attempt([&] { begin_checkpoints(lock_.fd(), {}, 0); });
    fault::point("ingest.cloned");
    take(told, stop);
    return true;
}

bool Ingest::link(int from, const Told& told, const std::stop_token& stop) {
    constexpr mode_t writable = 0222;
    struct stat st {};
    if (::fstat(from, &st) != 0 || !S_ISREG(st.st_mode) || (st.st_mode & writable) != 0 || st.st_uid != ::geteuid())
        return false;
    // A name of its own: "data" is opened for writing, and cut, by whoever goes on with an ingest.
    drop_link();
    if (::linkat(AT_FDCWD, proc_path(from).c_str(), lock_.fd(), linked_name, AT_SYMLINK_FOLLOW) != 0)
        return false;
    fault::point("ingest.linked");
    Fd linked = open_at(lock_.fd(), linked_name, O_RDONLY | O_NOFOLLOW);
    empty();
    linked_ = std::move(linked);
    take(told, stop);
    return true;
}

void Ingest::take(const Told& told, const std::stop_token& stop) {
    rehash(told, stop);
    status_.updated = now();
    noted_ = status_.offset;
    if (!linked_)
        go_on();
}

void Ingest::drop_link() noexcept {
    linked_.reset();
    static_cast<void>(!::unlinkat(lock_.fd(), linked_name, 0));
}

} // namespace lade::content
