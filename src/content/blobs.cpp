// SPDX-License-Identifier: Apache-2.0
#include "content/blobs.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/text.hpp"

namespace lade::content {

namespace {

constexpr mode_t blob_mode = 0444;

// In byte order.
constexpr std::array<std::string_view, 3> algorithms{"sha256", "sha384", "sha512"};

std::string path_of(const oci::Digest& digest) {
    return cat("blobs/", digest.algorithm_name(), '/', digest.hex());
}

void move_to_trash(int content, const std::string& path, int trash, const std::string& name) {
    if (::renameat(content, path.c_str(), trash, name.c_str()) != 0 && errno != ENOENT)
        throw_errno(errno, "content/", printable(path), ": move to trash");
}

} // namespace

Blobs::Blobs(Fd content, Patience patience) : content_(std::move(content)), patience_(std::move(patience)) {
    for (const char* name : {"blobs", "ingest"})
        make_directory(content_.get(), name, 0755);
    for (const std::string_view algorithm : algorithms)
        make_directory(content_.get(), cat("blobs/", algorithm), 0755);
}

std::optional<Fd> Blobs::find(const oci::Digest& digest) const {
    return find_at(content_.get(), path_of(digest), O_RDONLY | O_NOFOLLOW);
}

std::optional<std::uint64_t> Blobs::size(const oci::Digest& digest) const {
    struct stat st {};
    if (::fstatat(content_.get(), path_of(digest).c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0)
        return static_cast<std::uint64_t>(st.st_size);
    if (errno == ENOENT)
        return std::nullopt;
    throw_errno(errno, "blob ", digest);
}

std::vector<std::string> Blobs::entries() const {
    std::vector<std::string> all;
    for (const std::string_view algorithm : algorithms)
        for (const std::string& name : list_directory(content_.get(), cat("blobs/", algorithm)))
            all.push_back((std::string(algorithm) += ':') += name);
    return all;
}

std::string Blobs::path_of_entry(const std::string& entry) {
    const std::size_t colon = entry.find(':');
    return cat("blobs/", entry.substr(0, colon), '/', entry.substr(colon + 1));
}

std::vector<oci::Digest> Blobs::list() const {
    std::vector<oci::Digest> digests;
    for (const std::string& entry : entries())
        if (auto digest = oci::Digest::try_parse(entry))
            digests.push_back(*std::move(digest));
    return digests;
}

std::vector<std::string> Blobs::strays() const {
    std::vector<std::string> paths;
    for (const std::string& algorithm : list_directory(content_.get(), "blobs"))
        if (std::ranges::find(algorithms, algorithm) == algorithms.end())
            paths.push_back("blobs/" + algorithm);
    for (const std::string& name : list_directory(content_.get(), "ingest")) {
        struct stat st {};
        const std::string path = "ingest/" + name;
        if (::fstatat(content_.get(), path.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(st.st_mode))
            paths.push_back(path);
    }
    return paths;
}

void Blobs::publish(int directory, const std::string& name, const oci::Digest& digest, bool durable) const {
    struct stat st {};
    if (::fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0)
        throw_errno(errno, "blob ", digest);
    // What was verified and synced just now takes the place of a file that nobody looked into. Unsynced it is worth
    // less than one that may have been synced.
    if (!durable && size(digest) == static_cast<std::uint64_t>(st.st_size))
        return;
    if (::fchmodat(directory, name.c_str(), blob_mode, 0) != 0)
        throw_errno(errno, "blob ", digest, ": make read-only");
    const std::string path = path_of(digest);
    if (::renameat(directory, name.c_str(), content_.get(), path.c_str()) != 0)
        throw_errno(errno, "blob ", digest, ": publish");
    if (durable) {
        const Fd parent = open_at(content_.get(), cat("blobs/", digest.algorithm_name()), O_RDONLY | O_DIRECTORY);
        sync_file(parent.get(), "blobs");
    }
}

void Blobs::discard(const oci::Digest& digest, int trash, const std::string& name) const {
    move_to_trash(content_.get(), path_of(digest), trash, name);
}

void Blobs::discard_stray(const std::string& path, int trash, const std::string& name) const {
    move_to_trash(content_.get(), path, trash, name);
}

} // namespace lade::content
