// SPDX-License-Identifier: Apache-2.0
// eStargz layers (containerd/stargz-snapshotter, docs/estargz.md): a gzip'd tar in which each file's data is a member
// of its own, or several, and whose last file, the TOC, says where they are. Whoever knows nothing of it reads a plain
// layer.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "archive/budget.hpp"
#include "base/fd.hpp"
#include "base/size.hpp"
#include "base/stream.hpp"
#include "oci/digest.hpp"

namespace lade::archive {

// The size of what stands behind the TOC.
inline constexpr std::size_t estargz_footer_size = 51;

// Where in the blob the TOC's member begins, as a blob's last estargz_footer_size bytes say; nullopt: they are no such
// footer.
std::optional<std::uint64_t> estargz_toc_offset(std::string_view footer);

struct EstargzOptions {
    std::optional<int> level; // gzip's, as compress() has it
    // A larger file has a member for each so many bytes.
    std::uint64_t chunk_size = 4 * mib;
    // Files that are to come first, in this order, each behind the directories on the way to it and, a hard link,
    // behind its target. Paths as people write them; what the layer does not have, or has twice, is passed over.
    std::vector<std::string> prioritized;
};

struct Estargz {
    oci::Digest diff_id; // of the tar with all that it has more now
    std::uint64_t uncompressed_size = 0;
    oci::Digest toc_digest;
};

// What is needed of the world around.
struct EstargzWork {
    // The layer's tar, from its beginning; asked for once, and twice or more with prioritized files.
    std::function<std::unique_ptr<Source>()> open;
    // An empty file that nobody else sees, open for reading and writing: for what does not belong into memory.
    std::function<Fd()> scratch;
};

// Writes the layer to `blob`. The entries are those of the tar, in its order but for the prioritized ones, without what
// an eStargz tar has of its own (stargz.index.json and the landmarks, of which there are new ones); their headers are
// written anew, so that the names of owners, times of access and comments stay behind. Holes are filled. The same gives
// the same bytes, whatever the number of cores. data_loss, invalid_argument: as TarReader; resource_exhausted: beyond
// the budget, in entries or bytes of files; invalid_argument: the level.
Estargz write_estargz(const EstargzWork& work, Sink& blob, const EstargzOptions& options, Budget& budget,
                      const std::stop_token& stop);

} // namespace lade::archive
