// SPDX-License-Identifier: Apache-2.0
#include "oci/schema1.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>

#include "base/base64.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/json.hpp"
#include "base/text.hpp"

namespace lade::oci {

namespace {

// Each is asked for, at least for its size.
constexpr std::size_t max_steps = 1000;

// What a signature says was signed: the first bytes of the text, and what came behind them before the signatures were
// put in between.
struct Signed {
    std::size_t length = 0;
    std::string tail;
    friend bool operator==(const Signed&, const Signed&) = default;
};

std::string decode(std::string_view text, std::string_view what) {
    auto bytes = base64url_decode(text);
    if (!bytes)
        throw Error(ErrorKind::invalid_argument, "\"", what, "\" is not base64url");
    return *std::move(bytes);
}

Signed read_signature(const Json& signature, std::size_t size) {
    const Json header = parse_json(decode(get_string(signature, "protected"), "protected"), "\"protected\"");
    const auto length = find_integer(header, "formatLength");
    if (!length || *length < 0 || static_cast<std::uint64_t>(*length) > size)
        throw Error(ErrorKind::invalid_argument, "\"formatLength\" is missing or no place in the document");
    return {.length = static_cast<std::size_t>(*length),
            .tail = decode(get_string(header, "formatTail"), "formatTail")};
}

const Json& get_list(const Json& document, std::string_view key) {
    const Json* array = find_array(document, key);
    if (array == nullptr || array->empty())
        throw Error(ErrorKind::invalid_argument, "\"", key, "\" is missing or empty");
    if (array->size() > max_steps)
        throw Error(ErrorKind::resource_exhausted, "\"", key, "\" has ", array->size(), " entries, at most ", max_steps,
                    " are allowed");
    return *array;
}

// Whether the layer is known to be empty; of others only their bytes tell.
bool is_throwaway(const Json& v1) {
    if (const auto told = v1.find("throwaway"); told != v1.end() && told->is_boolean())
        return told->get<bool>();
    const auto size = v1.find("Size"); // before there was "throwaway"
    return size != v1.end() && size->is_number_integer() && *size == 0;
}

Json to_json(const HistoryEntry& entry) {
    Json json = Json::object();
    const auto set = [&](const char* key, const std::string& value) {
        if (!value.empty())
            json[key] = value;
    };
    set("created", entry.created);
    set("created_by", entry.created_by);
    set("author", entry.author);
    set("comment", entry.comment);
    if (entry.empty_layer)
        json["empty_layer"] = true;
    return json;
}

void check_kind(const Json& document) {
    for (const char* member : {"config", "layers", "manifests"})
        if (const auto found = document.find(member); found != document.end() && !found->is_null())
            throw Error(ErrorKind::invalid_argument, "ambiguous document: a schema 1 manifest with \"", member, "\"");
    if (const auto type = find_string(document, "mediaType"); type && !media_type::is_schema1(*type))
        throw Error(ErrorKind::invalid_argument, "ambiguous document: its mediaType is ", printable(*type),
                    ", it is referred to as a schema 1 manifest");
    if (const auto version = find_integer(document, "schemaVersion"); !version || *version != 1)
        throw Error(ErrorKind::invalid_argument, "not a schema 1 manifest");
}

} // namespace

std::string schema1_payload(std::string_view text, std::string_view what) {
    const Json document = parse_object(text, what);
    return doing(what, [&] {
        std::optional<Signed> payload;
        if (const Json* signatures = find_array(document, "signatures"))
            for (const Json& signature : *signatures) {
                Signed one = read_signature(signature, text.size());
                if (payload && *payload != one)
                    throw Error(ErrorKind::invalid_argument, "the signatures are of different documents");
                payload = std::move(one);
            }
        return payload ? cat(text.substr(0, payload->length), payload->tail) : std::string(text);
    });
}

Digest document_digest(std::string_view media_type, std::string_view text, Algorithm algorithm, std::string_view what) {
    Hasher hasher(algorithm);
    if (media_type::is_schema1(media_type))
        hasher.update(as_bytes(schema1_payload(text, what)));
    else
        hasher.update(as_bytes(text));
    return hasher.finish();
}

Schema1 parse_schema1(std::string_view payload, std::string_view what) {
    const Json document = parse_object(payload, what);
    return doing(what, [&] {
        check_kind(document);
        const Json& layers = get_list(document, "fsLayers");
        const Json& history = get_list(document, "history");
        if (layers.size() != history.size())
            throw Error(ErrorKind::invalid_argument, layers.size(), " layers for ", history.size(),
                        " entries of the history");
        Schema1 image;
        image.steps.reserve(layers.size());
        for (std::size_t i = layers.size(); i-- > 0;)
            doing([&] { return cat("history[", i, "]"); },
                  [&] {
                      std::string compatible = get_string(history[i], "v1Compatibility");
                      image.steps.push_back({.blob = Digest::parse(get_string(layers[i], "blobSum")),
                                             .history = v1_history(parse_object(compatible, "v1Compatibility"))});
                      image.config = std::move(compatible); // the newest, which comes last, has the image's
                  });
        return image;
    });
}

HistoryEntry v1_history(const Json& v1) {
    std::string command;
    if (const Json* container = find_object(v1, "container_config"))
        if (const Json* words = find_array(*container, "Cmd"))
            for (const Json& word : *words) {
                if (!word.is_string())
                    throw Error(ErrorKind::invalid_argument, "\"Cmd\" holds something that is not a string");
                if (!command.empty())
                    command += ' ';
                command += word.get_ref<const std::string&>();
            }
    return {.created = find_string(v1, "created").value_or(""),
            .created_by = std::move(command),
            .author = find_string(v1, "author").value_or(""),
            .comment = find_string(v1, "comment").value_or(""),
            .empty_layer = is_throwaway(v1)};
}

std::string schema1_config(const Schema1& image, const std::vector<DiffId>& diff_ids) {
    const Json v1 = parse_object(image.config, "v1Compatibility");
    // The members that an image's config has; the others are about the container it was made in.
    Json config = Json::object();
    for (const char* member : {"architecture", "author", "config", "created", "docker_version", "os", "variant"})
        if (const auto found = v1.find(member); found != v1.end())
            config[member] = *found;
    for (const auto& [member, usual] : {std::pair("os", "linux"), std::pair("architecture", "amd64")})
        if (find_string(config, member).value_or("").empty())
            config[member] = usual;
    Json ids = Json::array();
    std::ranges::transform(diff_ids, std::back_inserter(ids), &DiffId::string);
    config["rootfs"] = {{"type", "layers"}, {"diff_ids", std::move(ids)}};
    Json history = Json::array();
    for (const Schema1::Step& step : image.steps)
        history.push_back(to_json(step.history));
    config["history"] = std::move(history);
    return dump_json(config);
}

} // namespace lade::oci
