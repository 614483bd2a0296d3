// SPDX-License-Identifier: Apache-2.0
#include "meta/containers.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "meta/events.hpp"
#include "meta/labels.hpp"

namespace lade::meta {

namespace {

const LabelTable label_table{"container_labels"};

// One name per text of the statement cache.
constexpr const char* select_all =
    "SELECT id, name, image, runtime_name, runtime_options, spec, snapshotter, snapshot_key, sandbox, created, updated "
    "FROM containers WHERE namespace = ? ORDER BY name";
constexpr const char* select_one =
    "SELECT id, name, image, runtime_name, runtime_options, spec, snapshotter, snapshot_key, sandbox, created, updated "
    "FROM containers WHERE namespace = ? AND name = ?";

void validate(const Container& container) {
    oci::validate(container.labels);
    const auto refuse = [&](std::string_view why) {
        throw Error(ErrorKind::invalid_argument, "container ", container.id, ": ", why);
    };
    if (container.runtime_name.empty())
        refuse("a runtime is needed");
    if (container.spec.empty())
        refuse("a spec is needed");
    if (!container.snapshot_key.empty() && container.snapshotter.empty())
        refuse("a snapshot key needs a snapshotter");
}

void change_all(Container& container, const Container& wish) {
    if (wish.snapshotter != container.snapshotter || wish.runtime_name != container.runtime_name)
        throw Error(ErrorKind::invalid_argument, "container ", container.id,
                    ": its snapshotter and its runtime cannot be changed");
    container.labels = wish.labels;
    container.spec = wish.spec;
    container.extensions = wish.extensions;
    container.image = wish.image;
    container.snapshot_key = wish.snapshot_key;
}

void change(Container& container, const Container& wish, const std::string& path) {
    constexpr std::string_view extension = "extensions.";
    if (path == "spec")
        container.spec = wish.spec;
    else if (path == "image")
        container.image = wish.image;
    else if (path == "snapshotkey")
        container.snapshot_key = wish.snapshot_key;
    else if (path == "extensions")
        container.extensions = wish.extensions;
    else if (path.starts_with(extension) && path.size() > extension.size()) {
        const std::string name = path.substr(extension.size());
        container.extensions.erase(name);
        if (const auto one = wish.extensions.find(name); one != wish.extensions.end())
            container.extensions.insert(*one);
    } else {
        container.labels = update_labels(std::move(container.labels), wish.labels, {path});
    }
}

} // namespace

std::map<std::string, std::string> Containers::read_extensions(std::int64_t row) {
    std::map<std::string, std::string> extensions;
    for (Statement rows = database_.query("SELECT name, value FROM container_extensions WHERE owner = ?", row);
         rows.next();)
        extensions.emplace(rows.text(0), rows.text(1));
    return extensions;
}

void Containers::write_extensions(std::int64_t row, const std::map<std::string, std::string>& extensions) {
    database_.run("DELETE FROM container_extensions WHERE owner = ?", row);
    for (const auto& [name, value] : extensions)
        database_.run("INSERT INTO container_extensions (owner, name, value) VALUES (?, ?, CAST(? AS BLOB))", row, name,
                      value);
}

Container Containers::from_row(const Statement& row) {
    return {.id = row.text(1),
            .image = row.text(2),
            .labels = read_labels(database_, label_table, row.integer(0)),
            .runtime_name = row.text(3),
            .runtime_options = row.optional_text(4),
            .spec = row.text(5),
            .snapshotter = row.text(6),
            .snapshot_key = row.text(7),
            .extensions = read_extensions(row.integer(0)),
            .sandbox = row.text(8),
            .created = row.time(9),
            .updated = row.time(10)};
}

std::vector<Container> Containers::list() {
    std::vector<Container> containers;
    Statement rows = database_.query(select_all, namespace_);
    while (rows.next())
        containers.push_back(from_row(rows));
    return containers;
}

std::optional<Container> Containers::find(const std::string& id) {
    Statement row = database_.query(select_one, namespace_, id);
    if (!row.next())
        return std::nullopt;
    return from_row(row);
}

Container Containers::get(const std::string& id) {
    auto container = find(id);
    if (!container)
        throw Error(ErrorKind::not_found, "container ", printable(id), " not found");
    return *std::move(container);
}

std::int64_t Containers::row_of(const std::string& id) {
    Statement row = database_.query("SELECT id FROM containers WHERE namespace = ? AND name = ?", namespace_, id);
    if (!row.next())
        throw Error(ErrorKind::not_found, "container ", printable(id), " not found");
    return row.integer(0);
}

void Containers::create(const Container& container) {
    oci::validate_identifier("container", container.id);
    validate(container);
    const Time time = now();
    if (database_.run("INSERT OR IGNORE INTO containers (namespace, name, image, snapshotter, snapshot_key, "
                      "runtime_name, runtime_options, spec, sandbox, created, updated) "
                      "VALUES (?, ?, ?, ?, ?, ?, CAST(? AS BLOB), CAST(? AS BLOB), ?, ?, ?)",
                      namespace_, container.id, container.image, container.snapshotter, container.snapshot_key,
                      container.runtime_name, container.runtime_options, container.spec, container.sandbox, time,
                      time) == 0)
        throw Error(ErrorKind::already_exists, "container ", container.id, " already exists");
    const std::int64_t row = database_.last_id();
    merge_labels(database_, label_table, row, container.labels);
    write_extensions(row, container.extensions);
    publish(database_, namespace_, "/containers/create",
            {{"id", container.id}, {"image", container.image}, {"runtime", {{"name", container.runtime_name}}}});
}

Container Containers::update(const Container& container, const std::vector<std::string>& paths) {
    Container changed = get(container.id);
    if (paths.empty())
        change_all(changed, container);
    for (const std::string& path : paths)
        change(changed, container, path);
    validate(changed);
    const std::int64_t row = row_of(container.id);
    database_.run("UPDATE containers SET image = ?, snapshot_key = ?, spec = CAST(? AS BLOB), updated = ? WHERE id = ?",
                  changed.image, changed.snapshot_key, changed.spec, now(), row);
    replace_labels(database_, label_table, row, changed.labels);
    write_extensions(row, changed.extensions);
    publish(database_, namespace_, "/containers/update",
            {{"id", changed.id},
             {"image", changed.image},
             {"labels", read_labels(database_, label_table, row)},
             {"snapshot_key", changed.snapshot_key}});
    return get(container.id);
}

bool Containers::remove(const std::string& id) {
    if (database_.run("DELETE FROM containers WHERE namespace = ? AND name = ?", namespace_, id) == 0)
        return false;
    publish(database_, namespace_, "/containers/delete", {{"id", id}});
    return true;
}

} // namespace lade::meta
