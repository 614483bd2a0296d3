// SPDX-License-Identifier: Apache-2.0
// The directories of ingests, whoever writes them: containerd's own layout,
// ingest/<hex of sha256(ref)>/{ref,data,startedat,updatedat,total}.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.hpp"
#include "content/blobs.hpp"

namespace lade::content {

struct IngestStatus {
    std::string ref; // as given to Ingest::open
    std::uint64_t offset = 0;
    std::uint64_t total = 0; // 0: unknown
    Time started{};
    Time updated{};
};

// The directory names of all ingests on disk, live or not.
std::vector<std::string> ingest_names(const Blobs& blobs);

// Every ingest on disk, live or not; ones that vanish meanwhile are left out.
std::vector<IngestStatus> list_ingests(const Blobs& blobs);
// nullopt when there is no such ingest on disk.
std::optional<IngestStatus> find_ingest(const Blobs& blobs, const std::string& ref);

// The directory name of a ref, and the path of such a directory in that of the content.
std::string ingest_name(const std::string& ref);
std::string ingest_path(const std::string& name);

// What an ingest's open directory says; nullopt when it is not one yet, or not any more.
std::optional<IngestStatus> read_ingest(int directory);
// Writes one of its small files anew. They are for people and for resuming: not worth an fsync.
void write_ingest_file(int directory, const std::string& name, std::string_view text);

// Whether the open directory is the one of that path.
bool is_directory_at(int fd, int parent, const std::string& path);

// The bytes on disk of an ingest directory that no living process holds; nullopt when one does.
std::optional<std::uint64_t> size_of_dead_ingest(const Blobs& blobs, const std::string& name);

// Who writes the ingest of this directory name, as lock_holders() says it.
std::string ingest_holders(const Blobs& blobs, const std::string& name);

// Removes an ingest directory unless a living process holds it; false then. `before` runs first, under the ingest's
// lock, also when there is no directory.
bool remove_dead_ingest(const Blobs& blobs, const std::string& name, const std::function<void()>& before = {});

} // namespace lade::content
