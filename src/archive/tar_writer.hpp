// SPDX-License-Identifier: Apache-2.0
// A tar as POSIX has it: ustar headers, and extended (PAX) records for what does not fit into them. The same entries
// give the same bytes, on every machine. Names are bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "archive/tar.hpp"
#include "base/stream.hpp"

namespace lade::archive {

// The blocks that stand before an entry's data. A directory gets the slash at its end. The access time and an xattr
// without a value's room in PAX (TarWriter::has_room()) are not written. failed_precondition: its extended header would
// be larger than any reader takes.
std::string tar_header(const Entry& entry);

class TarWriter {
public:
    // `tar` must outlive the writer, which keeps some bytes back until finish().
    explicit TarWriter(Sink& tar) : tar_(tar) {}

    // Begins an entry, as tar_header() has it. Exactly `entry.size` bytes of data must follow when it is a file, none
    // else.
    void begin(const Entry& entry);
    void write(std::span<const std::byte> bytes);
    void write_zeros(std::uint64_t count);
    // What was kept back goes on: all of what was begun, and the padding behind an entry whose data is complete.
    void flush();
    // The end of the archive.
    void finish();

    // A record's key ends at the first '=', so that such a name would come out as another one.
    static bool has_room(const std::string& xattr) { return xattr.find('=') == std::string::npos; }

private:
    void put(std::span<const std::byte> bytes);
    void pad();
    void pass_on();

    Sink& tar_;
    std::vector<std::byte> buffer_;
    std::uint64_t missing_ = 0; // data of the entry still to come
    std::uint64_t padding_ = 0; // behind it
};

} // namespace lade::archive
