// SPDX-License-Identifier: Apache-2.0
// Rows of namespaces (containerd-store.md 2.9).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "meta/sqlite.hpp"
#include "oci/labels.hpp"

namespace lade::meta {

struct Namespace {
    std::string name;
    oci::Labels labels;
};

class Namespaces {
public:
    explicit Namespaces(Database& database) : database_(database) {}

    // In byte order of the name.
    std::vector<Namespace> list();
    std::optional<Namespace> find(const std::string& name);
    // already_exists; the name and the labels are validated.
    void create(const std::string& name, const oci::Labels& labels);
    // Made by the first write of anything in it.
    void ensure(const std::string& name);
    // An empty value removes its key; a namespace that does not exist is made.
    void label(const std::string& name, const oci::Labels& changes);
    // False when there is none. failed_precondition names what it still holds (leases and ingests count).
    bool remove(const std::string& name);

private:
    // What a namespace must lose before it can go, e.g. "2 images", "snapshots on \"native\" snapshotter (1)".
    std::vector<std::string> left_in(const std::string& name);

    Database& database_;
};

} // namespace lade::meta
