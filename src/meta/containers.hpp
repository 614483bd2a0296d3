// SPDX-License-Identifier: Apache-2.0
// Rows of containers (containerd-store.md 2.10): what somebody is to run, and which snapshot it is to run on.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "meta/sqlite.hpp"
#include "oci/labels.hpp"

namespace lade::meta {

struct Container {
    std::string id;    // an identifier
    std::string image; // its name; "" for none, and it need not exist
    oci::Labels labels;
    std::string runtime_name;
    std::optional<std::string> runtime_options; // bytes that the runtime understands
    std::string spec;                           // JSON
    std::string snapshotter;
    std::string snapshot_key;
    std::map<std::string, std::string> extensions; // bytes that their makers understand
    std::string sandbox;
    Time created{};
    Time updated{};
};

class Containers {
public:
    Containers(Database& database, std::string name_space) : database_(database), namespace_(std::move(name_space)) {}

    // In byte order of the id.
    std::vector<Container> list();
    std::optional<Container> find(const std::string& id);
    // not_found names it.
    Container get(const std::string& id);
    // already_exists; invalid_argument: no identifier, no runtime or spec, a snapshot key without a snapshotter. The
    // times are set here.
    void create(const Container& container);
    // By field path: labels, labels.<key>, spec, extensions, extensions.<name>, image, snapshotkey. Without one all of
    // these, and then invalid_argument when the snapshotter or the runtime differ, as for any other path. not_found.
    Container update(const Container& container, const std::vector<std::string>& paths);
    // False when there is none.
    bool remove(const std::string& id);

private:
    Container from_row(const Statement& row);
    std::map<std::string, std::string> read_extensions(std::int64_t row);
    void write_extensions(std::int64_t row, const std::map<std::string, std::string>& extensions);
    std::int64_t row_of(const std::string& id);

    Database& database_;
    std::string namespace_;
};

} // namespace lade::meta
