// SPDX-License-Identifier: Apache-2.0
#include "content/ingest_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/locks.hpp"
#include "base/size.hpp"
#include "base/tree.hpp"
#include "oci/digest.hpp"

namespace lade::content {

namespace {

constexpr std::size_t small_file = 16 * kib;

} // namespace

std::string ingest_name(const std::string& ref) {
    return oci::Digest::of(ref).hex();
}

std::string ingest_path(const std::string& name) {
    return "ingest/" + name;
}

void write_ingest_file(int directory, const std::string& name, std::string_view text) {
    const Fd file = open_at(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);
    write_all(file.get(), as_bytes(text), name);
}

bool is_directory_at(int fd, int parent, const std::string& path) {
    struct stat held {};
    struct stat found {};
    return ::fstat(fd, &held) == 0 && ::fstatat(parent, path.c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0 &&
           held.st_dev == found.st_dev && held.st_ino == found.st_ino;
}

std::optional<IngestStatus> read_ingest(int directory) {
    auto ref = find_text(directory, "ref", small_file);
    struct stat data {};
    if (!ref || ::fstatat(directory, "data", &data, AT_SYMLINK_NOFOLLOW) != 0)
        return std::nullopt;
    const auto stamp = [&](const std::string& file) {
        return parse_rfc3339(find_text(directory, file, small_file).value_or("")).value_or(Time{});
    };
    const Time modified =
        Time(std::chrono::seconds(data.st_mtim.tv_sec) + std::chrono::nanoseconds(data.st_mtim.tv_nsec));
    return IngestStatus{
        .ref = *std::move(ref),
        .offset = static_cast<std::uint64_t>(data.st_size),
        .total = parse_number(find_text(directory, "total", small_file).value_or("")).value_or(0),
        .started = stamp("startedat"),
        .updated = std::max(stamp("updatedat"), modified),
    };
}

std::vector<std::string> ingest_names(const Blobs& blobs) {
    std::vector<std::string> names = list_directory(blobs.directory(), "ingest");
    std::erase_if(names, [&](const std::string& name) {
        struct stat st {};
        return ::fstatat(blobs.directory(), ingest_path(name).c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0 ||
               !S_ISDIR(st.st_mode);
    });
    return names;
}

std::vector<IngestStatus> list_ingests(const Blobs& blobs) {
    std::vector<IngestStatus> all;
    for (const std::string& name : ingest_names(blobs))
        if (const auto directory = find_at(blobs.directory(), ingest_path(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
            if (auto status = read_ingest(directory->get()))
                all.push_back(*std::move(status));
    return all;
}

std::optional<IngestStatus> find_ingest(const Blobs& blobs, const std::string& ref) {
    const auto directory =
        find_at(blobs.directory(), ingest_path(ingest_name(ref)), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    auto status = directory ? read_ingest(directory->get()) : std::nullopt;
    return status && status->ref == ref ? status : std::nullopt;
}

std::optional<std::uint64_t> size_of_dead_ingest(const Blobs& blobs, const std::string& name) {
    auto directory = find_at(blobs.directory(), ingest_path(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (directory && !FileLock::try_acquire(std::move(*directory), LockMode::shared))
        return std::nullopt;
    return disk_usage(blobs.directory(), ingest_path(name)).size;
}

std::string ingest_holders(const Blobs& blobs, const std::string& name) {
    struct stat st {};
    if (::fstatat(blobs.directory(), ingest_path(name).c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
        return std::string(unknown_holder);
    return lock_holders(st.st_dev, st.st_ino);
}

bool remove_dead_ingest(const Blobs& blobs, const std::string& name, const std::function<void()>& before) {
    auto directory = find_at(blobs.directory(), ingest_path(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    std::optional<FileLock> lock;
    if (directory) {
        lock = FileLock::try_acquire(std::move(*directory), LockMode::exclusive);
        if (!lock)
            return false;
    }
    if (before)
        before();
    // Its owner may have removed it and another made it anew before we had the lock of the old one.
    if (lock && is_directory_at(lock->fd(), blobs.directory(), ingest_path(name)))
        remove_tree(blobs.directory(), ingest_path(name));
    return true;
}

} // namespace lade::content
