// SPDX-License-Identifier: Apache-2.0
#include "meta/images.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <unordered_map>

#include "base/error.hpp"
#include "meta/events.hpp"
#include "meta/expiry.hpp"
#include "meta/labels.hpp"

namespace lade::meta {

namespace {

const LabelTable label_table{"image_labels"};
const LabelTable annotation_table{"image_annotations"};

using LabelsOf = std::unordered_map<std::int64_t, oci::Labels>;

// Of all images of a namespace at once. The label table is read through: a look-up per image takes longer, above all
// where most have no labels.
LabelsOf read_all_labels(Database& database, const LabelTable& table, const std::string& name_space) {
    LabelsOf labels;
    Statement rows = database.query(
        cat("SELECT owner, key, value FROM ", table.name, " CROSS JOIN images ON id = owner WHERE namespace = ?"),
        name_space);
    while (rows.next())
        labels[rows.integer(0)].emplace(rows.text(1), rows.text(2));
    return labels;
}

oci::Labels take(LabelsOf& labels, std::int64_t id) {
    const auto found = labels.find(id);
    return found == labels.end() ? oci::Labels{} : std::move(found->second);
}

Image from_row(const Statement& row, oci::Labels labels, oci::Labels annotations) {
    return {.name = row.text(1),
            .target = {.media_type = row.text(2),
                       .digest = oci::Digest::parse(row.text(3)),
                       .size = static_cast<std::uint64_t>(row.integer(4)),
                       .annotations = std::move(annotations)},
            .labels = std::move(labels),
            .created = row.time(5),
            .updated = row.time(6)};
}

void validate(const Image& image) {
    oci::validate(image.labels);
    if (image.name.empty() || image.target.size == 0 || image.target.media_type.empty())
        throw Error(ErrorKind::invalid_argument, "image \"", printable(image.name),
                    "\": name, target size and media type are needed");
}

constexpr std::array origins{oci::label::converted_schema1, converted_from};

void require_meaning(const Image& image) {
    if (!means_target(image))
        throw Error(ErrorKind::invalid_argument, "image ", printable(image.name), " cannot be ", image.target.digest,
                    ": its name says another digest");
}

} // namespace

bool was_made_of(const Image& image, const oci::Digest& digest) {
    return image.target.digest == digest || std::ranges::any_of(origins, [&](std::string_view key) {
               const auto origin = image.labels.find(std::string(key));
               return origin != image.labels.end() && origin->second == digest.string();
           });
}

bool means_target(const Image& image) {
    const std::size_t at = image.name.rfind('@');
    const auto told =
        at == std::string::npos ? std::nullopt : oci::Digest::try_parse(std::string_view(image.name).substr(at + 1));
    return !told || was_made_of(image, *told);
}

void forget_origin(Image& image) {
    for (const std::string_view key : origins)
        image.labels.erase(std::string(key));
}

std::optional<Time> source_date_epoch() {
    const char* epoch = std::getenv("SOURCE_DATE_EPOCH");
    if (epoch == nullptr || *epoch == '\0')
        return std::nullopt;
    const auto seconds = parse_number(epoch);
    if (!seconds || *seconds > static_cast<std::uint64_t>(
                                   std::chrono::floor<std::chrono::seconds>(Time::max()).time_since_epoch().count()))
        throw Error(ErrorKind::invalid_argument, "SOURCE_DATE_EPOCH=", printable(epoch),
                    ": not a number of seconds since 1970");
    return Time(std::chrono::seconds(*seconds));
}

Time time_of_change() {
    return source_date_epoch().value_or(now());
}

namespace {

void take_key(oci::Labels& into, const oci::Labels& from, const std::string& key) {
    into.erase(key);
    if (const auto entry = from.find(key); entry != from.end())
        into.insert(*entry);
}

void take_path(Image& into, const Image& from, std::string_view path) {
    const std::size_t dot = path.find('.');
    const std::string_view field = path.substr(0, dot);
    const bool is_map = field == "labels" || field == "annotations";
    oci::Labels& map = field == "labels" ? into.labels : into.target.annotations;
    const oci::Labels& source = field == "labels" ? from.labels : from.target.annotations;
    if (is_map && dot == std::string_view::npos)
        map = source;
    else if (is_map && dot + 1 < path.size())
        take_key(map, source, std::string(path.substr(dot + 1)));
    else if (path == "target")
        into.target = from.target;
    else
        throw Error(ErrorKind::invalid_argument, "image ", printable(from.name), ": there is no \"", printable(path),
                    "\" to be updated");
}

// What an image's labels tell of where its target comes from is of use for that target alone.
void settle_origin(Image& after, const Image& given) {
    for (const std::string_view key : origins)
        take_key(after.labels, given.labels, std::string(key));
    require_meaning(after);
}

constexpr const char* listing = "SELECT i.id, i.name, i.media_type, i.digest, i.size, i.created, i.updated, "
                                "s.config, s.size, s.platforms FROM images i "
                                "LEFT JOIN content c ON c.namespace = i.namespace AND c.digest = i.digest "
                                "LEFT JOIN summaries s ON s.target = c.digest AND s.platform = ?1 "
                                // Made of documents that another namespace may have and this one not.
                                "AND (s.config = '' OR EXISTS (SELECT 1 FROM content k WHERE k.namespace = i.namespace "
                                "AND k.digest = s.config)) "
                                "WHERE i.namespace = ?2 ";

} // namespace

// While the rows are being read no other process's changes are seen, so their labels are those of the same instant.
std::vector<ListedImage> Images::read_all(Statement& rows) {
    std::vector<ListedImage> images;
    if (!rows.next())
        return images;
    LabelsOf labels = read_all_labels(database_, label_table, namespace_);
    LabelsOf annotations = read_all_labels(database_, annotation_table, namespace_);
    do {
        const std::int64_t id = rows.integer(0);
        images.push_back({.image = from_row(rows, take(labels, id), take(annotations, id)),
                          .summary = Summaries::from_row(rows, 7)});
    } while (rows.next());
    return images;
}

std::vector<Image> Images::list() {
    Statement rows = database_.query("SELECT id, name, media_type, digest, size, created, updated, NULL, NULL, NULL "
                                     "FROM images WHERE namespace = ? ORDER BY name",
                                     namespace_);
    std::vector<Image> images;
    for (ListedImage& listed : read_all(rows))
        images.push_back(std::move(listed.image));
    return images;
}

std::vector<ListedImage> Images::list(const std::string& platform) {
    Statement rows = database_.query(cat(listing, "ORDER BY i.name"), platform, namespace_);
    return read_all(rows);
}

std::vector<ListedImage> Images::list_by_digest(const std::string& prefix, const std::string& platform) {
    // 'g' comes after every hexadecimal digit.
    Statement rows = database_.query(cat(listing, "AND (s.target IS NULL OR i.digest BETWEEN ?3 AND ?4 "
                                                  "OR s.config BETWEEN ?3 AND ?4) ORDER BY i.name"),
                                     platform, namespace_, prefix, prefix + 'g');
    return read_all(rows);
}

std::optional<Image> Images::find(const std::string& name) {
    Statement row = database_.query(
        "SELECT id, name, media_type, digest, size, created, updated FROM images WHERE namespace = ? AND name = ?",
        namespace_, name);
    if (!row.next())
        return std::nullopt;
    const std::int64_t id = row.integer(0);
    return from_row(row, read_labels(database_, label_table, id), read_labels(database_, annotation_table, id));
}

Image Images::write(const Image& image, bool known) {
    validate(image);
    const Time time = time_of_change();
    const oci::Descriptor& target = image.target;
    Statement row = database_.query(
        "INSERT INTO images (namespace, name, media_type, digest, size, created, updated) VALUES (?, ?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (namespace, name) DO UPDATE SET media_type = excluded.media_type, digest = excluded.digest, "
        "size = excluded.size, updated = excluded.updated RETURNING id",
        namespace_, image.name, target.media_type, target.digest.string(), target.size, time, time);
    row.next();
    const std::int64_t id = row.integer(0);
    while (row.next()) {
    }
    replace_labels(database_, label_table, id, image.labels);
    replace_labels(database_, annotation_table, id, target.annotations);
    if (image.labels.contains(std::string(oci::label::gc_expire)))
        forget_expired(database_);
    Image written = *find(image.name);
    publish(database_, namespace_, known ? "/images/update" : "/images/create",
            {{"name", written.name}, {"labels", written.labels}});
    return written;
}

Image Images::replace(const Image& before, const Image& after) {
    Image written = write(after, true);
    if (before.target.digest != written.target.digest)
        Summaries(database_).forget(before.target.digest);
    return written;
}

Image Images::create(const Image& image) {
    if (find(image.name))
        throw Error(ErrorKind::already_exists, "image ", printable(image.name), " already exists");
    require_meaning(image);
    return write(image, false);
}

Image Images::update(const Image& image, const std::vector<std::string>& paths) {
    const auto before = find(image.name);
    if (!before)
        throw Error(ErrorKind::not_found, "image ", printable(image.name), " not found");
    Image after = *before;
    for (const std::string& path : paths.empty() ? std::vector<std::string>{"labels", "target"} : paths)
        take_path(after, image, path);
    if (after.target.digest != before->target.digest)
        settle_origin(after, image);
    return replace(*before, after);
}

Image Images::put(const Image& image) {
    const auto before = find(image.name);
    if (!before) {
        require_meaning(image);
        return write(image, false);
    }
    Image after = image;
    after.labels = before->labels;
    oci::merge(after.labels, image.labels);
    if (before->target.digest != image.target.digest)
        settle_origin(after, image);
    return replace(*before, after);
}

bool Images::remove(const std::string& name, const std::optional<oci::Digest>& expected) {
    const auto image = find(name);
    if (!image || (expected && image->target.digest != *expected))
        return false;
    database_.run("DELETE FROM images WHERE namespace = ? AND name = ?", namespace_, name);
    Summaries(database_).forget(image->target.digest);
    publish(database_, namespace_, "/images/delete", {{"name", name}});
    return true;
}

std::vector<std::string> Images::unused() {
    std::vector<std::string> names;
    Statement rows = database_.query("SELECT name FROM images WHERE namespace = ?1 AND name NOT IN "
                                     "(SELECT image FROM containers WHERE namespace = ?1) ORDER BY name",
                                     namespace_);
    while (rows.next())
        names.push_back(rows.text(0));
    return names;
}

} // namespace lade::meta
