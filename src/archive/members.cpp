// SPDX-License-Identifier: Apache-2.0
#include "archive/members.hpp"

#include <algorithm>
#include <vector>

#include "base/error.hpp"
#include "base/size.hpp"
#include "base/text.hpp"

namespace lade::archive {

namespace {

constexpr std::size_t max_name = 4095;
constexpr std::size_t max_names = 100'000;
constexpr std::size_t max_bytes = 16 * mib;
constexpr int max_links = 40; // as the kernel

// What a symbolic link in the folder of `name` leads to.
std::string follow(const std::string& name, const std::string& target) {
    std::vector<std::string> path = split(name, '/');
    path.pop_back();
    for (const std::string& part : split(target, '/')) {
        if (part.empty() || part == ".")
            continue;
        if (part != "..") {
            path.push_back(part);
            continue;
        }
        if (path.empty())
            throw Error(ErrorKind::invalid_argument, "link ", printable(name), ": leads out of the archive, to ",
                        printable(target));
        path.pop_back();
    }
    return join(path, "/");
}

} // namespace

std::string member_name(std::string_view name) {
    if (name.size() > max_name)
        throw Error(ErrorKind::invalid_argument, "a name of ", name.size(), " bytes, at most ", max_name,
                    " are possible");
    if (name.starts_with('/'))
        throw Error(ErrorKind::invalid_argument, "entry ", printable(name), ": the name is absolute");
    std::vector<std::string> parts = split(name, '/');
    std::erase_if(parts, [](const std::string& part) { return part.empty() || part == "."; });
    if (std::ranges::find(parts, "..") != parts.end())
        throw Error(ErrorKind::invalid_argument, "entry ", printable(name), ": the name leads out of the archive");
    return join(parts, "/");
}

std::optional<std::size_t> Members::find_file(const std::string& name) const {
    const auto found = names_.find(name);
    const auto* const number = found == names_.end() ? nullptr : std::get_if<std::size_t>(&found->second);
    return number == nullptr ? std::nullopt : std::optional(*number);
}

void Members::add(const std::string& name, Target target) {
    bytes_ += name.size();
    const auto [at, is_new] = names_.try_emplace(name, target);
    if (!is_new && at->second != target)
        throw Error(ErrorKind::invalid_argument, "entry ", printable(name), ": is there twice, and not the same");
    if (names_.size() > max_names || bytes_ > max_bytes)
        throw Error(ErrorKind::resource_exhausted, "more than ", max_names, " files, or more than ",
                    kib_size(max_bytes), " of names");
}

void Members::add_file(const std::string& name, std::size_t number) {
    add(name, number);
}

void Members::add_link(const Entry& entry) {
    const std::string name = member_name(entry.name);
    // A link to a place outside is of no use to anybody but an attacker.
    if (entry.link.starts_with('/') && entry.type == EntryType::symlink)
        throw Error(ErrorKind::invalid_argument, "link ", printable(name), ": leads out of the archive, to ",
                    printable(entry.link));
    std::string target = entry.type == EntryType::symlink ? follow(name, entry.link) : member_name(entry.link);
    bytes_ += target.size();
    add(name, std::move(target));
}

void Members::read(TarReader& tar, const TakeFile& file) {
    while (const auto entry = tar.next()) {
        if (entry->type == EntryType::symlink || entry->type == EntryType::hard_link)
            add_link(*entry);
        if (entry->type != EntryType::file)
            continue;
        const std::string name = member_name(entry->name);
        const auto offset = tar.data_offset();
        if (!offset)
            throw Error(ErrorKind::unimplemented, "entry ", printable(name), ": is a sparse file");
        file(name, *entry, *offset);
    }
}

std::optional<std::size_t> Members::find(std::string_view name) const {
    std::string at = member_name(name);
    for (int links = 0; links <= max_links; ++links) {
        const auto found = names_.find(at);
        if (found == names_.end())
            return std::nullopt;
        if (const auto* const number = std::get_if<std::size_t>(&found->second))
            return *number;
        at = std::get<std::string>(found->second);
    }
    throw Error(ErrorKind::invalid_argument, "link ", printable(name), ": leads in a circle");
}

} // namespace lade::archive
