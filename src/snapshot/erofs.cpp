// SPDX-License-Identifier: Apache-2.0
#include "snapshot/erofs.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.hpp"
#include "base/fault.hpp"
#include "base/files.hpp"
#include "base/program.hpp"
#include "base/size.hpp"
#include "snapshot/features.hpp"

namespace lade::snapshot {

namespace {

constexpr std::string_view maker = "mkfs.erofs";

std::string image_of(Id id) {
    return cat(id, "/layer.erofs");
}

std::string unfinished_image_of(Id id) {
    return image_of(id) + ".tmp";
}

// Where the superblock has what (linux/fs/erofs/erofs_fs.h), all little-endian.
constexpr std::uint64_t inodes_offset = 1024 + 16;
constexpr off_t build_time_offset = 1024 + 24;
constexpr std::size_t build_time_size = 12;

std::uint64_t read_inodes(int file) {
    std::array<std::byte, 8> bytes{};
    if (read_some_at(file, bytes, inodes_offset, "layer.erofs") != bytes.size())
        throw Error(ErrorKind::data_loss, "layer.erofs is no image");
    std::uint64_t number = 0;
    for (std::size_t i = bytes.size(); i-- > 0;)
        number = number << 8U | std::to_integer<std::uint64_t>(bytes[i]);
    return number;
}

// Every inode has its own time: when the image was made says nothing, and would make each a different one.
void forget_build_time(int file) {
    constexpr std::array<char, build_time_size> zeros{};
    if (::pwrite(file, zeros.data(), zeros.size(), build_time_offset) != static_cast<ssize_t>(zeros.size()))
        throw_errno(errno, "write layer.erofs");
}

// Images have no holes. Where that would matter, zeros are compressed away, and the rest with them.
bool has_holes(int directory, const std::string& name) {
    constexpr std::uint64_t enough = 16 * mib;
    std::uint64_t holes = 0;
    disk_usage(directory, name, [&](const struct stat& st) {
        const auto size = static_cast<std::uint64_t>(st.st_size);
        const auto allocated = static_cast<std::uint64_t>(st.st_blocks) * 512;
        if (S_ISREG(st.st_mode) && size > allocated)
            holes += size - allocated;
        return true;
    });
    return holes > enough;
}

std::string find_maker() {
    std::string path = find_program(maker);
    if (path.empty())
        throw Error(ErrorKind::failed_precondition, maker, " is not installed (package erofs-utils)");
    return path;
}

} // namespace

std::optional<Mount> Erofs::image(Id id) const {
    if (::faccessat(directories().fd(), image_of(id).c_str(), F_OK, AT_SYMLINK_NOFOLLOW) != 0)
        return std::nullopt;
    return Mount{.type = "erofs", .source = directories().path(image_of(id)), .point = path(id), .options = {"ro"}};
}

Fd Erofs::layer(Id id) const {
    const auto mount = image(id);
    return mount ? open_mounts({*mount}, path(id)) : tree(id);
}

// The name says that the image is whole. Nothing here is synced: that is done for all of the store, before any row says
// committed, and an image without such a row is made again.
void Erofs::seal(Id id, const std::stop_token& stop) {
    Layered::seal(id, stop);
    const std::string made = unfinished_image_of(id);
    // Extended inodes keep nanoseconds and large ids. The sum over the superblock would hold the time.
    doing([&] { return cat("make erofs image of snapshot ", id); },
          [&] {
              forget_seal(id);
              std::vector<std::string> arguments{"--quiet", "-x1", "-Eforce-inode-extended,nosbcrc", "--preserve-mtime",
                                                 "-U00000000-0000-0000-0000-000000000000"};
              if (has_holes(directories().fd(), cat(id)))
                  arguments.emplace_back("-zlz4");
              arguments.insert(arguments.end(), {directories().path(made), path(id)});
              try {
                  run_program(find_maker(), arguments, stop);
              } catch (const Error&) {
                  // It may be what filled the disk.
                  attempt([&] { forget_seal(id); });
                  throw;
              }
              forget_build_time(open_at(directories().fd(), made, O_WRONLY | O_NOFOLLOW).get());
              fault::point("snapshot.seal.image");
              if (::renameat(directories().fd(), made.c_str(), directories().fd(), image_of(id).c_str()) != 0)
                  throw_errno(errno, "rename layer.erofs");
          });
    fault::point("snapshot.seal.done");
}

void Erofs::forget_seal(Id id) const {
    remove_tree(directories().fd(), unfinished_image_of(id));
}

// The directory stays: it is where the image is mounted, and its mark says whether the root is opaque.
void Erofs::trim(Id id) const {
    if (!image(id))
        return;
    forget_seal(id);
    const Fd root = tree(id);
    for (const std::string& name : list_directory(root.get(), ".")) {
        remove_tree(root.get(), name);
        fault::point("snapshot.trim");
    }
}

DiskUsage Erofs::usage(const Stack& stack) const {
    if (!stack.is_committed)
        return Layered::usage(stack);
    const Fd file = open_at(directories().fd(), image_of(stack.id), O_RDONLY | O_NOFOLLOW);
    struct stat st {};
    if (::fstat(file.get(), &st) != 0)
        throw_errno(errno, "stat layer.erofs");
    return {.size = static_cast<std::uint64_t>(st.st_blocks) * 512, .inodes = read_inodes(file.get())};
}

std::optional<std::string> erofs_unusable() {
    if (privilege() != Privilege::root)
        return "erofs snapshots need root: the kernel mounts no images in a user namespace";
    if (!has_file_system("erofs"))
        return "the kernel has no erofs";
    if (find_program(maker).empty())
        return cat(maker, " is not installed (package erofs-utils)");
    return std::nullopt;
}

} // namespace lade::snapshot
