// SPDX-License-Identifier: Apache-2.0
#include "snapshot/copy_tree.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/size.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"
#include "base/xattrs.hpp"

namespace lade::snapshot {

namespace {

// Between a file's two holes.
void copy_extent(int from, int to, off_t begin, off_t end, const std::stop_token& stop) {
    constexpr off_t piece = 64 * mib;
    off_t in = begin;
    off_t out = begin;
    while (in < end) {
        check_stop(stop);
        const auto size = static_cast<std::size_t>(std::min(piece, end - in));
        if (::copy_file_range(from, &in, to, &out, size, 0) <= 0)
            break;
    }
    std::vector<std::byte> buffer(in < end ? 256 * kib : 0);
    while (in < end) {
        check_stop(stop);
        const auto wanted = static_cast<std::size_t>(std::min<off_t>(end - in, static_cast<off_t>(buffer.size())));
        const std::size_t n =
            read_some_at(from, std::span(buffer).first(wanted), static_cast<std::uint64_t>(in), "file");
        if (n == 0)
            return;
        if (::lseek(to, in, SEEK_SET) < 0)
            throw_errno(errno, "seek");
        write_all(to, std::span(buffer).first(n), "copy");
        in += static_cast<off_t>(n);
    }
}

void copy_data(int from, int to, off_t size, const std::stop_token& stop) {
    if (::ioctl(to, FICLONE, from) == 0)
        return;
    for (off_t end = 0; end < size;) {
        const off_t begin = ::lseek(from, end, SEEK_DATA);
        if (begin < 0 && errno == ENXIO)
            break;
        end = begin < 0 ? begin : ::lseek(from, begin, SEEK_HOLE);
        if (end < 0)
            throw_errno(errno, "seek");
        copy_extent(from, to, begin, end, stop);
    }
    if (::ftruncate(to, size) != 0)
        throw_errno(errno, "set size");
}

class TreeCopier {
public:
    TreeCopier(int root, const std::stop_token& stop) : root_(root), stop_(stop) {}

    // `path` is where `to` lies below the copy's root: "" or "a/b/".
    void copy_contents(int from, int to, const std::string& path) {
        for (const std::string& name : list_directory(from, "."))
            doing([&] { return printable(name); }, [&] { copy_entry(from, to, path, name); });
    }

private:
    void copy_entry(int from, int to, const std::string& path, const std::string& name) {
        check_stop(stop_);
        struct stat st {};
        if (::fstatat(from, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
            throw_errno(errno, "stat");
        if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
            const auto [first, is_new] = links_.try_emplace(std::pair(st.st_dev, st.st_ino), path + name);
            if (!is_new) {
                if (::linkat(root_, first->second.c_str(), to, name.c_str(), 0) != 0)
                    throw_errno(errno, "link");
                return;
            }
        }
        make(from, to, path, name, st);
        const Fd source = open_at(from, name, O_PATH | O_NOFOLLOW);
        const Fd target = open_at(to, name, O_PATH | O_NOFOLLOW);
        copy_metadata(source.get(), target.get(), st);
    }

    void make(int from, int to, const std::string& path, const std::string& name, const struct stat& st) {
        switch (st.st_mode & S_IFMT) {
        case S_IFREG: {
            const Fd source = open_at(from, name, O_RDONLY | O_NOFOLLOW);
            const Fd target = open_at(to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
            copy_data(source.get(), target.get(), st.st_size, stop_);
            return;
        }
        case S_IFDIR: {
            make_directory(to, name, 0700);
            copy_contents(open_at(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).get(),
                          open_at(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).get(), cat(path, name, '/'));
            return;
        }
        case S_IFLNK: {
            std::string text(static_cast<std::size_t>(st.st_size) + 1, '\0');
            const ssize_t size = ::readlinkat(from, name.c_str(), text.data(), text.size());
            if (size < 0)
                throw_errno(errno, "read link");
            text.resize(static_cast<std::size_t>(size));
            if (::symlinkat(text.c_str(), to, name.c_str()) != 0)
                throw_errno(errno, "make link");
            return;
        }
        default:
            if (::mknodat(to, name.c_str(), st.st_mode, st.st_rdev) != 0)
                throw_errno(errno, "make node");
        }
    }

    int root_;
    const std::stop_token& stop_;
    std::map<std::pair<dev_t, ino_t>, std::string> links_; // first name of each inode, below root_
};

} // namespace

void copy_tree(int from, int to, const std::stop_token& stop) {
    struct stat st {};
    if (::fstat(from, &st) != 0)
        throw_errno(errno, "stat");
    TreeCopier(to, stop).copy_contents(from, to, "");
    copy_metadata(from, to, st);
}

} // namespace lade::snapshot
