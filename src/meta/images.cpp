// SPDX-License-Identifier: Apache-2.0
#include "meta/images.hpp"

#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "meta/events.hpp"
#include "meta/labels.hpp"

namespace lade::meta {

namespace {

const LabelTable label_table{"image_labels"};
const LabelTable annotation_table{"image_annotations"};

} // namespace

Image Images::from_row(const Statement& row) {
    const std::int64_t id = row.integer(0);
    return {.name = row.text(1),
            .target = {.media_type = row.text(2),
                       .digest = oci::Digest::parse(row.text(3)),
                       .size = static_cast<std::uint64_t>(row.integer(4)),
                       .annotations = read_labels(database_, annotation_table, id)},
            .labels = read_labels(database_, label_table, id),
            .created = row.time(5),
            .updated = row.time(6)};
}

std::vector<Image> Images::list() {
    std::vector<Image> images;
    Statement rows = database_.query(
        "SELECT id, name, media_type, digest, size, created, updated FROM images WHERE namespace = ? ORDER BY name",
        namespace_);
    while (rows.next())
        images.push_back(from_row(rows));
    return images;
}

std::optional<Image> Images::find(const std::string& name) {
    Statement row = database_.query(
        "SELECT id, name, media_type, digest, size, created, updated FROM images WHERE namespace = ? AND name = ?",
        namespace_, name);
    if (!row.next())
        return std::nullopt;
    return from_row(row);
}

void Images::put(const Image& image) {
    oci::validate(image.labels);
    if (image.name.empty() || image.target.size == 0 || image.target.media_type.empty())
        throw Error(ErrorKind::invalid_argument, "image \"", printable(image.name),
                    "\": name, target size and media type are needed");
    const Time time = now();
    const oci::Descriptor& target = image.target;
    const bool known =
        database_.query("SELECT 1 FROM images WHERE namespace = ? AND name = ?", namespace_, image.name).next();
    Statement row = database_.query(
        "INSERT INTO images (namespace, name, media_type, digest, size, created, updated) VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (namespace, name) DO UPDATE SET media_type = excluded.media_type, digest = excluded.digest, "
        "size = excluded.size, updated = excluded.updated RETURNING id",
        namespace_, image.name, target.media_type, target.digest.string(), target.size, time, time);
    row.next();
    const std::int64_t id = row.integer(0);
    while (row.next()) {
    }
    merge_labels(database_, label_table, id, image.labels);
    replace_labels(database_, annotation_table, id, target.annotations);
    publish(database_, namespace_, known ? "/images/update" : "/images/create",
            {{"name", image.name}, {"labels", read_labels(database_, label_table, id)}});
}

bool Images::remove(const std::string& name) {
    if (database_.run("DELETE FROM images WHERE namespace = ? AND name = ?", namespace_, name) == 0)
        return false;
    publish(database_, namespace_, "/images/delete", {{"name", name}});
    return true;
}

} // namespace lade::meta
