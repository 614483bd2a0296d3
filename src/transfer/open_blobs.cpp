// SPDX-License-Identifier: Apache-2.0
#include "transfer/open_blobs.hpp"

#include <fcntl.h>
#include <sys/resource.h>

#include <cerrno>

#include "base/error.hpp"
#include "transfer/fetch.hpp"

namespace lade::transfer {

namespace {

std::size_t most_descriptors() {
    rlimit limit{};
    return ::getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<std::size_t>(limit.rlim_cur / 2) : 0;
}

} // namespace

OpenBlobs::OpenBlobs(store::Blobs& blobs) : blobs_(blobs), most_(most_descriptors()) {}

void OpenBlobs::hold(const oci::Digest& digest) {
    if (files_.size() < most_ && !files_.contains(digest))
        files_.emplace(digest, blobs_.open(digest));
}

std::unique_ptr<Source> OpenBlobs::open(const oci::Descriptor& blob) const {
    const auto held = files_.find(blob.digest);
    if (held == files_.end())
        return open_stored(blobs_, blob);
    return std::make_unique<FileSource>(held->second.get(), blob.digest.string());
}

Fd OpenBlobs::file(const oci::Digest& digest) const {
    const auto held = files_.find(digest);
    if (held == files_.end())
        return blobs_.open(digest);
    const int copy = ::fcntl(held->second.get(), F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        throw_errno(errno, "open content ", digest, " once more");
    return Fd(copy);
}

} // namespace lade::transfer
