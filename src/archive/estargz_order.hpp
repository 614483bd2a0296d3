// SPDX-License-Identifier: Apache-2.0
// The files of a layer that an eStargz begins with.
#pragma once

#include <cstdint>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "archive/estargz.hpp"
#include "archive/tar.hpp"

namespace lade::archive {

// "./a//b/" and "/a/b" are "a/b"; the root is "".
std::string clean_name(std::string_view name);

// The data of the entry that `tar` is at, all `size` bytes of it: what is not stored is zeros.
class EntryData final : public Source {
public:
    EntryData(TarReader& tar, std::uint64_t size) : tar_(tar), size_(size) {}
    std::size_t read(std::span<std::byte> into) override;

private:
    TarReader& tar_;
    std::uint64_t size_;
    std::uint64_t at_ = 0;
    std::span<const std::byte> piece_;
    std::uint64_t piece_at_ = 0;
};

struct FirstEntries {
    struct Item {
        Entry entry;
        std::uint64_t offset = 0; // of its data in `data`
    };
    std::vector<Item> items;
    std::set<std::string> names; // clean
    Fd data;                     // a scratch file
};

// The entries that come first for these paths, see EstargzOptions. The tar is read several times.
FirstEntries take_first(const EstargzWork& work, const std::vector<std::string>& paths, const std::stop_token& stop);

} // namespace lade::archive
