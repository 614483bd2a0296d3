// SPDX-License-Identifier: Apache-2.0
#include "meta/fields.hpp"

#include <nlohmann/json.hpp>

#include <memory>

namespace lade::meta {

namespace {

std::optional<FieldValue> non_empty(const std::string& text) {
    return text.empty() ? std::nullopt : std::optional<FieldValue>(text);
}

// The members of nested objects by their path, anything but an object as its text.
std::optional<FieldValue> json_field(const Json& object, const FieldPath& path) {
    const Json* at = &object;
    for (std::size_t i = 1; i < path.size(); ++i) {
        if (!at->is_object())
            return std::nullopt;
        // A key that has dots itself, as labels do.
        if (const auto whole = at->find(join({path.begin() + static_cast<std::ptrdiff_t>(i), path.end()}, "."));
            whole != at->end()) {
            at = &*whole;
            break;
        }
        const auto member = at->find(path[i]);
        if (member == at->end())
            return std::nullopt;
        at = &*member;
    }
    return at->is_string() ? FieldValue(at->get<std::string>()) : FieldValue(dump_json(*at));
}

} // namespace

Adaptor fields(const Image& image, std::function<const Summary*()> summary) {
    return [&image, ask = std::move(summary)](const FieldPath& path) -> std::optional<FieldValue> {
        const std::string name = path.size() == 1 ? path[0] : cat(path[0], '.', path[1]);
        if (path[0] == "labels")
            return map_field(image.labels, path);
        if (path[0] == "annotations")
            return map_field(image.target.annotations, path);
        if (name == "name")
            return non_empty(image.name);
        if (name == "target.digest")
            return image.target.digest.string();
        if (name == "target.mediatype")
            return non_empty(image.target.media_type);
        if (name == "size" || name == "id") {
            const Summary* said = ask();
            if (said == nullptr || (name == "id" && !said->config))
                return std::nullopt;
            return name == "size" ? FieldValue(said->size) : FieldValue(said->config->string());
        }
        if (name == "created")
            return image.created;
        if (name == "updated")
            return image.updated;
        return std::nullopt;
    };
}

Adaptor fields(const Blob& blob) {
    return [&blob](const FieldPath& path) -> std::optional<FieldValue> {
        if (path[0] == "labels")
            return map_field(blob.labels, path);
        if (path[0] == "digest")
            return blob.digest.string();
        if (path[0] == "size")
            return blob.size;
        if (path[0] == "created")
            return blob.created;
        if (path[0] == "updated")
            return blob.updated;
        return std::nullopt;
    };
}

Adaptor fields(const Snapshot& snapshot) {
    return [&snapshot](const FieldPath& path) -> std::optional<FieldValue> {
        if (path[0] == "labels")
            return map_field(snapshot.labels, path);
        if (path[0] == "name")
            return snapshot.key;
        if (path[0] == "parent")
            return snapshot.parent;
        if (path[0] == "kind")
            return std::string(to_string(snapshot.kind));
        if (path[0] == "created")
            return snapshot.created;
        if (path[0] == "updated")
            return snapshot.updated;
        return std::nullopt;
    };
}

Adaptor fields(const Lease& lease) {
    return [&lease](const FieldPath& path) -> std::optional<FieldValue> {
        if (path[0] == "labels")
            return map_field(lease.labels, path);
        if (path[0] == "id")
            return non_empty(lease.id);
        if (path[0] == "created")
            return lease.created;
        return std::nullopt;
    };
}

Adaptor fields(const Namespace& name_space) {
    return [&name_space](const FieldPath& path) -> std::optional<FieldValue> {
        if (path[0] == "labels")
            return map_field(name_space.labels, path);
        if (path[0] == "name")
            return name_space.name;
        return std::nullopt;
    };
}

Adaptor fields(const Container& container) {
    return [&container](const FieldPath& path) -> std::optional<FieldValue> {
        const std::string name = path.size() == 1 ? path[0] : cat(path[0], '.', path[1]);
        if (path[0] == "labels")
            return map_field(container.labels, path);
        if (name == "id")
            return non_empty(container.id);
        if (name == "image")
            return non_empty(container.image);
        if (name == "runtime.name")
            return non_empty(container.runtime_name);
        if (name == "created")
            return container.created;
        if (name == "updated")
            return container.updated;
        return std::nullopt;
    };
}

Adaptor fields(const Event& event) {
    const auto payload = std::make_shared<const Json>(parse_json(event.payload, "event"));
    return [&event, payload](const FieldPath& path) -> std::optional<FieldValue> {
        if (path[0] == "event")
            return json_field(*payload, path);
        if (path[0] == "namespace")
            return non_empty(event.name_space);
        if (path[0] == "topic")
            return non_empty(event.topic);
        if (path[0] == "time")
            return event.time;
        return std::nullopt;
    };
}

const std::vector<OrderedField>& ordered_fields() {
    static const std::vector<OrderedField> all{
        {.path = "size", .order = FieldOrder::number},   {.path = "created", .order = FieldOrder::time},
        {.path = "updated", .order = FieldOrder::time},  {.path = "time", .order = FieldOrder::time},
        {.path = "offset", .order = FieldOrder::number}, {.path = "total", .order = FieldOrder::number},
        {.path = "started", .order = FieldOrder::time}};
    return all;
}

} // namespace lade::meta
