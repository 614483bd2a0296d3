// SPDX-License-Identifier: Apache-2.0
#include "transfer/archive_provider.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/size.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"
#include "oci/dir_tree.hpp"
#include "oci/layout.hpp"

namespace lade::transfer {

std::optional<ImageFile> ArchiveProvider::find(const oci::Digest& digest) const {
    if (const auto known = elsewhere_.find(digest); known != elsewhere_.end())
        return known->second;
    auto file = files_.find(oci::layout::blob_path(digest));
    if (!file && at_top_)
        file = files_.find(oci::dir_tree::blob_path(digest));
    if (!file && at_top_)
        file = files_.find(oci::dir_tree::manifest_path(digest));
    return file;
}

void ArchiveProvider::fetch(const oci::Descriptor& descriptor, std::uint64_t offset, Sink& sink,
                            const std::stop_token& stop) {
    const auto file = find(descriptor.digest);
    if (!file)
        throw Error(ErrorKind::not_found, "it is neither in the archive nor in the store");
    doing([&] { return printable(file->name); },
          [&] {
              if (file->size != descriptor.size)
                  throw Error(ErrorKind::data_loss, "has ", file->size, " bytes, not ", descriptor.size);
              const std::unique_ptr<Source> source = files_.open(*file, offset);
              std::vector<std::byte> buffer(256 * kib);
              for (std::uint64_t left = descriptor.size - offset; left > 0;) {
                  check_stop(stop);
                  const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), left));
                  const std::size_t n = source->read(std::span(buffer).first(most));
                  if (n == 0)
                      throw Error(ErrorKind::data_loss, "ends after ", descriptor.size - left, " of ", descriptor.size,
                                  " bytes");
                  sink.write(std::span(buffer).first(n));
                  left -= n;
              }
          });
}

void ArchiveProvider::blame(const oci::Descriptor& descriptor, Error mismatch,
                            const std::function<void(const std::string&)>& /*warn*/) {
    if (const auto file = find(descriptor.digest))
        mismatch.add_context(printable(file->name));
    throw mismatch; // NOLINT(misc-throw-by-value-catch-by-reference)
}

} // namespace lade::transfer
