// SPDX-License-Identifier: Apache-2.0
// A strict, streaming tar reader with the semantics of Go's archive/tar (safety.md 2.1, 2.2): what that one
// accepts is read the same way, and what is malformed is refused, never skipped. Names are bytes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "archive/skipping.hpp"
#include "base/stream.hpp"

namespace lade::archive {

enum class EntryType { file, hard_link, symlink, char_device, block_device, directory, fifo };

struct EntryTime {
    std::int64_t seconds = 0;
    std::int64_t nanoseconds = 0; // 0 to 999,999,999
};

struct Entry {
    EntryType type = EntryType::file;
    std::string name;
    std::string link;
    mode_t mode = 0; // permission and set-id bits only
    uid_t uid = 0;
    gid_t gid = 0;
    std::uint32_t major = 0;
    std::uint32_t minor = 0;
    std::uint64_t size = 0; // of the file, holes included
    EntryTime mtime;
    EntryTime atime; // not before mtime
    std::map<std::string, std::string> xattrs;
};

// A piece of a sparse file that has data.
struct Extent {
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
};

struct PaxRecords;
class TarHeader;

class TarReader {
public:
    explicit TarReader(Source& tar) : tar_(tar) {}
    // Data that nobody asks for is not read.
    explicit TarReader(SkippingSource& tar) : tar_(tar), skipping_(&tar) {}

    // The next entry, or nullopt at the end of the archive, which reads the source to its own end. Global
    // headers are checked and otherwise ignored. data_loss: the stream is cut; invalid_argument: it is
    // malformed.
    std::optional<Entry> next();

    // The next bytes of the entry's data where they lie in memory, or an empty span at their end. Valid until
    // the next call. `position()` tells where in the file they belong: holes of sparse files are skipped.
    std::span<const std::byte> data();
    std::uint64_t position() const noexcept { return position_; }

    // Bytes of the stream read so far.
    std::uint64_t bytes() const noexcept { return bytes_; }
    // Where in the stream the data of the entry lies that next() just returned, all of it in one piece; nullopt of a
    // sparse file.
    std::optional<std::uint64_t> data_offset() const noexcept;
    // After the last entry: whether the two blocks of zeros, or one, were there that end an archive.
    bool has_end_mark() const noexcept { return has_end_mark_; }

private:
    struct Pending; // what extended headers say about the entry that follows them

    bool fill();
    std::optional<std::span<const std::byte>> find_block();
    std::span<const std::byte> get_block(std::string_view what);
    std::string read_extension(const TarHeader& header);
    void skip_stored();
    void drain();
    Entry read_entry(const TarHeader& header, const Pending& pending);
    // Both fill extents_ and set the entry's real size.
    void read_sparse_map(Entry& entry, const PaxRecords& records);
    void read_old_sparse_map(Entry& entry, const TarHeader& header);
    std::vector<Extent> read_stored_map();
    void check_extents(const Entry& entry) const;

    Source& tar_;
    SkippingSource* skipping_ = nullptr;
    std::vector<std::byte> buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    bool at_end_ = false;
    std::uint64_t bytes_ = 0;
    bool has_end_mark_ = false;

    std::uint64_t stored_ = 0;  // bytes of the entry's data still in the stream
    std::uint64_t padding_ = 0; // behind them
    std::vector<Extent> extents_;
    std::size_t extent_ = 0;
    std::uint64_t extent_done_ = 0;
    std::uint64_t position_ = 0;
};

} // namespace lade::archive
