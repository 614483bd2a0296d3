// SPDX-License-Identifier: Apache-2.0
// The names of the files in an archive that is not unpacked: links are followed among them, and lead nowhere else
// (safety.md 1.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "archive/tar.hpp"

namespace lade::archive {

// The name without "." and needless slashes; "" for the top. invalid_argument: it is absolute, has "..", or is longer
// than a path can be.
std::string member_name(std::string_view name);

class Members {
public:
    // Files are known by numbers that the caller gives. Names as member_name() has them.
    // What has that name already, links not followed; nullopt: nothing. Links have no number.
    std::optional<std::size_t> find_file(const std::string& name) const;
    // invalid_argument: something else has that name already. resource_exhausted: more than 100,000 names, or 16 MiB
    // of them.
    void add_file(const std::string& name, std::size_t number);
    // Of a symbolic or hard link, whose target need not be there yet. invalid_argument as well when it leads out.
    void add_link(const Entry& entry);

    // Goes through an archive to its end: links are added, everything but files and links is passed over. `file` is
    // called for each file, which it adds, or does not, and may read the data of. unimplemented: a file is sparse.
    using TakeFile = std::function<void(const std::string& name, const Entry& entry, std::uint64_t data_offset)>;
    void read(TarReader& tar, const TakeFile& file);

    // The file of that name, links followed. invalid_argument: the name is none, or links lead in a circle.
    std::optional<std::size_t> find(std::string_view name) const;

private:
    using Target = std::variant<std::size_t, std::string>;
    void add(const std::string& name, Target target);

    std::map<std::string, Target> names_;
    std::size_t bytes_ = 0;
};

} // namespace lade::archive
