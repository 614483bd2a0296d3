// SPDX-License-Identifier: Apache-2.0
#include "content/blobs.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.hpp"
#include "base/files.hpp"

namespace lade::content {

namespace {

constexpr mode_t blob_mode = 0444;

std::string path_of(const oci::Digest& digest) {
    return cat("blobs/", digest.algorithm_name(), '/', digest.hex());
}

} // namespace

Blobs::Blobs(Fd content) : content_(std::move(content)) {
    for (const char* name : {"blobs", "blobs/sha256", "blobs/sha512", "ingest"})
        make_directory(content_.get(), name, 0755);
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

std::vector<oci::Digest> Blobs::list() const {
    std::vector<oci::Digest> digests;
    for (const std::string algorithm : {"sha256", "sha512"})
        for (const std::string& hex : list_directory(content_.get(), "blobs/" + algorithm))
            if (auto digest = oci::Digest::try_parse(cat(algorithm, ':', hex)))
                digests.push_back(*std::move(digest));
    return digests;
}

void Blobs::publish(int directory, const std::string& name, const oci::Digest& digest, bool durable) const {
    if (::fchmodat(directory, name.c_str(), blob_mode, 0) != 0)
        throw_errno(errno, "blob ", digest, ": make read-only");
    if (size(digest)) {
        // Losing a race is success: the bytes there were verified too.
        if (::unlinkat(directory, name.c_str(), 0) != 0)
            throw_errno(errno, "blob ", digest, ": remove copy");
        return;
    }
    const std::string path = path_of(digest);
    if (::renameat(directory, name.c_str(), content_.get(), path.c_str()) != 0)
        throw_errno(errno, "blob ", digest, ": publish");
    if (durable) {
        const Fd parent = open_at(content_.get(), cat("blobs/", digest.algorithm_name()), O_RDONLY | O_DIRECTORY);
        sync_file(parent.get(), "blobs");
    }
}

void Blobs::discard(const oci::Digest& digest, int trash, const std::string& name) const {
    if (::renameat(content_.get(), path_of(digest).c_str(), trash, name.c_str()) != 0 && errno != ENOENT)
        throw_errno(errno, "blob ", digest, ": move to trash");
}

} // namespace lade::content
