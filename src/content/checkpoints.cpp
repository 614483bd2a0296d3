// SPDX-License-Identifier: Apache-2.0
#include "content/checkpoints.hpp"

#include <fcntl.h>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/process.hpp"
#include "base/size.hpp"
#include "base/text.hpp"

namespace lade::content {

namespace {

constexpr const char* file_name = "checkpoints";
// Of an ingest of a terabyte it is six.
constexpr std::size_t max_file = 16 * mib;

const std::string& boot() {
    static const std::string id(trim(text_in_proc("/proc/sys/kernel/random/boot_id")));
    return id;
}

std::string line_of(const Checkpoint& point) {
    return cat(point.offset, ' ', point.digest, '\n');
}

} // namespace

Checkpoints read_checkpoints(int directory) {
    Checkpoints found;
    const std::vector<std::string> lines = split(find_text(directory, file_name, max_file).value_or(""), '\n');
    found.since_boot = !boot().empty() && lines.front() == boot();
    for (std::size_t i = 1; i < lines.size(); ++i) {
        const std::size_t space = lines[i].find(' ');
        const auto offset = parse_number(std::string_view(lines[i]).substr(0, space));
        // The last line may be half a line.
        if (!offset || space == std::string::npos || (!found.points.empty() && *offset <= found.points.back().offset))
            break;
        found.points.push_back({.offset = *offset, .digest = lines[i].substr(space + 1)});
    }
    return found;
}

void begin_checkpoints(int directory, const std::vector<Checkpoint>& points, std::uint64_t offset) {
    std::string text = boot() + "\n";
    for (const Checkpoint& point : points)
        if (point.offset <= offset)
            text += line_of(point);
    const Fd file = open_at(directory, file_name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0644);
    write_all(file.get(), as_bytes(text), file_name);
}

void add_checkpoint(int directory, const Checkpoint& point) {
    const Fd file = open_at(directory, file_name, O_WRONLY | O_APPEND | O_NOFOLLOW);
    write_all(file.get(), as_bytes(line_of(point)), file_name);
}

} // namespace lade::content
