// SPDX-License-Identifier: Apache-2.0
#include "transfer/archive_file.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "archive/tar_header.hpp"
#include "archive/tar_writer.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/new_file.hpp"
#include "base/parallel.hpp"

namespace lade::transfer {

namespace {

constexpr std::array<std::byte, 2 * archive::tar_block> zeros{};

// Where an entry lies in the archive.
struct Placed {
    const Member* member; // nullptr: a directory
    std::string header;
    std::uint64_t offset;
};

struct Plan {
    std::vector<Placed> entries;
    std::uint64_t size = 0;
};

class Planner {
public:
    Plan plan(const std::vector<Member>& members) {
        for (const Member& member : members) {
            add_directories(member.name);
            archive::Entry entry;
            entry.name = member.name;
            entry.mode = member.mode;
            entry.size = member.size;
            add(entry, &member);
        }
        plan_.size += zeros.size();
        return std::move(plan_);
    }

private:
    void add_directories(const std::string& name) {
        for (std::size_t slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1)) {
            archive::Entry entry;
            entry.type = archive::EntryType::directory;
            entry.name = name.substr(0, slash);
            entry.mode = 0755;
            if (directories_.insert(entry.name).second)
                add(entry, nullptr);
        }
    }

    void add(const archive::Entry& entry, const Member* member) {
        plan_.entries.push_back({.member = member, .header = archive::tar_header(entry), .offset = plan_.size});
        const std::uint64_t data = member == nullptr ? 0 : member->size;
        plan_.size += plan_.entries.back().header.size() + data + archive::tar_padding(data);
    }

    Plan plan_;
    std::set<std::string> directories_;
};

// Without the padding behind it.
void write_entry(const Placed& entry, Sink& sink, const std::stop_token& stop) {
    sink.write(as_bytes(entry.header));
    if (entry.member != nullptr)
        copy_member(*entry.member, sink, stop);
}

} // namespace

void write_archive(const std::vector<Member>& members, Sink& sink, const std::stop_token& stop) {
    const Plan plan = Planner().plan(members);
    for (const Placed& entry : plan.entries) {
        write_entry(entry, sink, stop);
        if (entry.member != nullptr)
            sink.write(std::span(zeros).first(static_cast<std::size_t>(archive::tar_padding(entry.member->size))));
    }
    sink.write(zeros);
}

void write_archive(const std::vector<Member>& members, int file, const std::string& what, const std::stop_token& stop) {
    const Plan plan = Planner().plan(members);
    // What nothing is written to are zeros: padding and the end.
    set_size(file, plan.size, what);
    std::vector<const Placed*> entries;
    entries.reserve(plan.entries.size());
    for (const Placed& entry : plan.entries)
        entries.push_back(&entry);
    // The largest would else be the one that all wait for.
    std::ranges::stable_sort(entries, std::ranges::greater{},
                             [](const Placed* entry) { return entry->member == nullptr ? 0 : entry->member->size; });
    in_parallel(entries.size(), copies_at_once(), stop, [&](std::size_t i, const std::stop_token& task_stop) {
        FileSink sink(file, what, entries[i]->offset);
        write_entry(*entries[i], sink, task_stop);
    });
}

} // namespace lade::transfer
