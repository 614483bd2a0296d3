// SPDX-License-Identifier: Apache-2.0
#include "archive/entry_data.hpp"

#include <algorithm>
#include <array>

#include "base/error.hpp"
#include "base/size.hpp"
#include "base/tasks.hpp"

namespace lade::archive {

namespace {

void write_zeros(std::uint64_t count, Sink& sink, const std::stop_token& stop) {
    static constexpr std::array<std::byte, 64 * kib> zeros{};
    while (count > 0) {
        check_stop(stop);
        const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(count, zeros.size()));
        sink.write(std::span(zeros).first(part));
        count -= part;
    }
}

} // namespace

void EntryData::copy(std::uint32_t entry, std::uint64_t size, Sink& sink, const std::stop_token& stop) {
    std::optional<Entry> found;
    while (read_ <= entry) {
        check_stop(stop);
        found = tar_.next();
        if (!found)
            throw Error(ErrorKind::data_loss, "entry ", entry, " is gone");
        ++read_;
    }
    if (!found || found->type != EntryType::file || found->size != size)
        throw Error(ErrorKind::data_loss, "entry ", entry, " is another one");
    std::uint64_t written = 0;
    for (auto bytes = tar_.data(); !bytes.empty(); bytes = tar_.data()) {
        check_stop(stop);
        write_zeros(tar_.position() - written, sink, stop);
        sink.write(bytes);
        written = tar_.position() + bytes.size();
    }
    write_zeros(size - written, sink, stop);
}

void EntryData::finish(const std::stop_token& stop) {
    while (tar_.next())
        check_stop(stop);
}

} // namespace lade::archive
