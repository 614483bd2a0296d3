// SPDX-License-Identifier: Apache-2.0
#include "oci/config_change.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::oci {

namespace {

// "[...]" or nothing.
std::optional<std::vector<std::string>> parse_array(const std::string& text) {
    if (!text.starts_with('['))
        return std::nullopt;
    Json array;
    try {
        array = parse_json(text, "list");
    } catch (const Error&) {
        // Where the parser stopped tells people little.
        throw Error(ErrorKind::invalid_argument, "not a JSON list of strings such as [\"sh\", \"-c\", \"true\"]");
    }
    std::vector<std::string> words;
    for (const Json& word : array) {
        if (!word.is_string())
            throw Error(ErrorKind::invalid_argument, "a list of strings is wanted");
        words.push_back(word.get<std::string>());
    }
    return words;
}

std::vector<std::string> command_of(const std::string& text) {
    if (auto words = parse_array(text))
        return *std::move(words);
    return {"/bin/sh", "-c", text};
}

Json& object_at(Json& config, const char* key) {
    Json& member = config[key];
    if (!member.is_object())
        member = Json::object();
    return member;
}

// "k=v k2=v2", or "k v" with all that follows for the value.
std::vector<std::pair<std::string, std::string>> parse_pairs(const std::string& text) {
    std::vector<std::pair<std::string, std::string>> pairs;
    const std::vector<std::string> words = split_words(text);
    if (words.empty())
        throw Error(ErrorKind::invalid_argument, "key=value is wanted");
    if (words.front().find('=') == std::string::npos) {
        const std::size_t end = text.find_first_of(" \t");
        if (end == std::string::npos)
            throw Error(ErrorKind::invalid_argument, "key=value is wanted");
        return {{text.substr(0, end), std::string(trim(std::string_view(text).substr(end)))}};
    }
    for (const std::string& word : words) {
        const std::size_t equals = word.find('=');
        if (equals == std::string::npos || equals == 0)
            throw Error(ErrorKind::invalid_argument, "\"", printable(word), "\" is not key=value");
        pairs.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    }
    return pairs;
}

void set_variables(Json& config, const std::string& text) {
    Json& variables = config["Env"];
    if (!variables.is_array())
        variables = Json::array();
    for (const auto& [key, value] : parse_pairs(text)) {
        const std::string start = key + "=";
        const auto old = std::ranges::find_if(variables, [&](const Json& one) {
            return one.is_string() && one.get_ref<const std::string&>().starts_with(start);
        });
        if (old == variables.end())
            variables.push_back(start + value);
        else
            *old = start + value;
    }
}

void set_labels(Json& config, const std::string& text) {
    Json& labels = object_at(config, "Labels");
    for (const auto& [key, value] : parse_pairs(text))
        labels[key] = value;
}

void set_directory(Json& config, const std::string& text) {
    const auto old = config.find("WorkingDir");
    std::string base = old != config.end() && old->is_string() ? old->get<std::string>() : "";
    if (!base.ends_with('/'))
        base += '/';
    config["WorkingDir"] = text.starts_with('/') ? text : base + text;
}

void expose(Json& config, const std::string& text) {
    Json& ports = object_at(config, "ExposedPorts");
    for (const std::string& word : split_words(text)) {
        const std::vector<std::string> parts = split(word, '/');
        const std::vector<std::string> ends = split(parts.front(), '-');
        const std::string protocol = parts.size() == 2 ? lower(parts.back()) : "tcp";
        const bool is_known = protocol == "tcp" || protocol == "udp" || protocol == "sctp";
        const auto is_port = [](const std::string& end) {
            const auto number = parse_number(end);
            return number && *number > 0 && *number < 65536;
        };
        if (parts.size() > 2 || !is_known || ends.size() > 2 || !std::ranges::all_of(ends, is_port))
            throw Error(ErrorKind::invalid_argument, "\"", printable(word), "\" is not a port such as 80 or 53/udp");
        ports[parts.front() + "/" + protocol] = Json::object();
    }
}

void add_volumes(Json& config, const std::string& text) {
    const auto listed = parse_array(text);
    Json& volumes = object_at(config, "Volumes");
    for (const std::string& path : listed ? *listed : split_words(text))
        volumes[path] = Json::object();
}

void set_command(Json& config, const std::string& text) {
    config["Cmd"] = command_of(text);
}

// What the image would have run with another entry point says nothing about this one.
void set_entry_point(Json& config, const std::string& text) {
    config["Entrypoint"] = command_of(text);
}

void set_user(Json& config, const std::string& text) {
    config["User"] = text;
}

void set_stop_signal(Json& config, const std::string& text) {
    config["StopSignal"] = text;
}

using Change = void (*)(Json&, const std::string&);

const std::map<std::string, Change, std::less<>>& changes() {
    static const std::map<std::string, Change, std::less<>> known{
        {"CMD", set_command}, {"ENTRYPOINT", set_entry_point}, {"ENV", set_variables},
        {"EXPOSE", expose},   {"LABEL", set_labels},           {"STOPSIGNAL", set_stop_signal},
        {"USER", set_user},   {"VOLUME", add_volumes},         {"WORKDIR", set_directory},
    };
    return known;
}

} // namespace

void change_config(Json& config, const std::string& instruction) {
    const std::size_t end = std::min(instruction.find_first_of(" \t="), instruction.size());
    std::string name = instruction.substr(0, end);
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    const std::string text(trim(std::string_view(instruction).substr(std::min(end + 1, instruction.size()))));
    doing([&] { return cat("change \"", printable(instruction), "\""); },
          [&] {
              const auto change = changes().find(name);
              if (change == changes().end()) {
                  std::vector<std::string> names;
                  for (const auto& [known, work] : changes())
                      names.push_back(known);
                  throw Error(ErrorKind::invalid_argument, "not one of ", join(names, ", "));
              }
              if (text.empty())
                  throw Error(ErrorKind::invalid_argument, "nothing follows");
              change->second(config, text);
          });
}

std::vector<std::string> split_words(const std::string& text) {
    std::vector<std::string> words;
    bool is_inside = false;
    char quote = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quote == 0 && (c == ' ' || c == '\t')) {
            is_inside = false;
            continue;
        }
        if (!is_inside)
            words.emplace_back();
        is_inside = true;
        if (c == '\\' && quote != '\'' && i + 1 < text.size())
            words.back() += text[++i];
        else if (c == quote)
            quote = 0;
        else if (quote == 0 && (c == '"' || c == '\''))
            quote = c;
        else
            words.back() += c;
    }
    if (quote != 0)
        throw Error(ErrorKind::invalid_argument, "a quote does not end");
    return words;
}

} // namespace lade::oci
