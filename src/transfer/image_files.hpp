// SPDX-License-Identifier: Apache-2.0
// The files that an image archive or a layout is made of, by name, wherever they are: in a directory, in a tar file
// that can be read at any place, or in the store and in memory, where the one reading of a stream has put them
// (registry-and-unpack.md 7.2, safety.md 1.1). What is not there need not be an error; names that lead out, links in
// circles and files twice with different content are (invalid_argument).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>

#include "archive/budget.hpp"
#include "base/fd.hpp"
#include "base/stream.hpp"
#include "oci/digest.hpp"
#include "store/blobs.hpp"
#include "transfer/progress.hpp"

namespace lade::transfer {

struct ImageFile {
    std::string name; // as it was asked for
    std::size_t number = 0;
    std::uint64_t size = 0;
    std::optional<oci::Digest> digest; // of a file that was read already, or need not be: the store has it
};

class ImageFiles {
public:
    virtual ~ImageFiles() = default;

    // Links are followed. From several threads.
    virtual std::optional<ImageFile> find(const std::string& name) const = 0;
    // Its bytes from `offset` on. From several threads.
    virtual std::unique_ptr<Source> open(const ImageFile& file, std::uint64_t offset) const = 0;
    // What reading put into the store before anybody knew whether it is of use.
    virtual std::set<oci::Digest> stored() const { return {}; }
    // Whether it is a tar that ends without the mark of its end.
    virtual bool is_cut() const noexcept { return false; }

    // The text of a file; resource_exhausted: longer than `limit`.
    std::string read(const ImageFile& file, std::uint64_t limit) const;
    // nullopt: there is none.
    std::optional<std::string> find_text(const std::string& name, std::uint64_t limit) const;
};

// A directory that stays open. Links are followed inside it.
std::unique_ptr<ImageFiles> directory_files(Fd directory);

// A tar file, not compressed. Its headers are read, the data is passed over. data_loss: it is cut.
std::unique_ptr<ImageFiles> tar_files(Fd file);

// What is shared by everything that is read from a stream. References stay the caller's.
struct StreamRules {
    store::Blobs& blobs;
    store::LeaseHold& lease;
    Progress& progress;
    std::uint64_t ratio; // of what it is decompressed to, as archive::Limits has it: 1 at least
    std::uint64_t bytes; // of all that is stored of it
};

// A tar, perhaps compressed, from a source that is read once, to its end. Files become blobs of the store, but for
// small documents; those that the store has, by the digest that they are named by, are passed over. data_loss: it is
// cut, or a blob has another digest than its name says; resource_exhausted: it is beyond the rules' limits.
std::unique_ptr<ImageFiles> stream_files(Source& stream, std::string name, std::uint64_t size, const StreamRules& rules,
                                         const std::stop_token& stop);

} // namespace lade::transfer
