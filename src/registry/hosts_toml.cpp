// SPDX-License-Identifier: Apache-2.0
#include "registry/hosts_toml.hpp"

#include <algorithm>
#include <utility>

#include "base/error.hpp"
#include "base/text.hpp"
#include "registry/toml_file.hpp"

namespace lade::registry {

namespace {

bool is_token(std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](char c) {
        return c > ' ' && c < 0x7f && std::string_view("\"(),/:;<=>?@[\\]{}").find(c) == std::string_view::npos;
    });
}

bool has_control(std::string_view text) {
    return std::ranges::any_of(text, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; });
}

class Reader {
public:
    explicit Reader(const std::string& path)
        : toml_(path), file_({.path = path}), folder_(path.substr(0, path.find_last_of('/') + 1)) {}

    HostsFile read(std::string_view text);

private:
    using Position = toml::source_position;

    void read_root(const toml::table& root);
    // True when the key is one that every entry may have, and has been read.
    bool read_field(HostEntry& entry, const std::string& key, const toml::node& value);
    void read_mirrors(const toml::node& hosts);
    Capabilities read_capabilities(const toml::node& value) const;
    std::vector<std::string> read_ca(HostEntry& entry, const toml::node& value) const;
    std::vector<ClientPair> read_client(HostEntry& entry, const toml::node& value) const;
    std::vector<std::string> read_headers(const toml::node& value) const;

    std::string file_path(HostEntry& entry, const toml::node& value, std::string_view what) const;
    std::string from_here(const std::string& path) const { return path.starts_with('/') ? path : folder_ + path; }

    void warn_unknown(const toml::key& key) {
        file_.warnings.push_back(
            cat(toml_.place(key.source().begin), ": \"", printable(key.str()), "\" is unknown and means nothing"));
    }

    TomlFile toml_;
    HostsFile file_;
    std::string folder_;
};

Capabilities Reader::read_capabilities(const toml::node& value) const {
    const toml::array& list = toml_.list(value, "capabilities", "a list of pull, resolve, push and referrers");
    // An empty list says nothing, as if it were not there.
    if (list.empty())
        return {};
    Capabilities found{.pull = false, .resolve = false, .push = false, .referrers = false};
    for (const toml::node& one : list) {
        const std::string& word = toml_.text(one, "every capability");
        if (word == "pull")
            found.pull = true;
        else if (word == "resolve")
            found.resolve = true;
        else if (word == "push")
            found.push = true;
        else if (word == "referrers")
            found.referrers = true;
        else
            toml_.refuse(one.source().begin, "unknown capability \"", printable(word),
                         "\"; there are pull, resolve, push and referrers");
    }
    return found;
}

std::string Reader::file_path(HostEntry& entry, const toml::node& value, std::string_view what) const {
    const std::string& path = toml_.text(value, what);
    if (path.empty() || path.find('\0') != std::string::npos)
        toml_.refuse(value.source().begin, what, " must name a file");
    std::string found = from_here(path);
    entry.lines.emplace(found, value.source().begin.line);
    return found;
}

std::vector<std::string> Reader::read_ca(HostEntry& entry, const toml::node& value) const {
    if (value.is_string())
        return {file_path(entry, value, "ca")};
    const toml::array& list = toml_.list(value, "ca", "a string or a list of strings");
    std::vector<std::string> files;
    files.reserve(list.size());
    for (const toml::node& one : list)
        files.push_back(file_path(entry, one, "every part of ca"));
    return files;
}

std::vector<ClientPair> Reader::read_client(HostEntry& entry, const toml::node& value) const {
    const auto both = [&](const toml::node& one) {
        const std::string path = file_path(entry, one, "client");
        return ClientPair{.certificate = path, .key = path};
    };
    if (value.is_string())
        return {both(value)};
    const toml::array& list = toml_.list(value, "client", "a file, a list of files or a list of pairs");
    std::vector<ClientPair> pairs;
    pairs.reserve(list.size());
    for (const toml::node& one : list) {
        const toml::array* const pair = one.as_array();
        if (pair == nullptr) {
            pairs.push_back(both(one));
            continue;
        }
        if (pair->size() != 2)
            toml_.refuse(one.source().begin, "a pair of client has a certificate and a key, not ", pair->size(),
                         " parts");
        ClientPair files = both((*pair)[0]);
        if (!toml_.text((*pair)[1], "the key of client").empty())
            files.key = file_path(entry, (*pair)[1], "the key of client");
        pairs.push_back(std::move(files));
    }
    return pairs;
}

std::vector<std::string> Reader::read_headers(const toml::node& value) const {
    std::vector<std::string> headers;
    for (const auto& [key, values] : toml_.table(value, "header")) {
        const std::string name(key.str());
        if (!is_token(name))
            toml_.refuse(key.source().begin, "\"", printable(name), "\" is no name of a header");
        for (const std::string& one : toml_.texts(values, cat("header ", name))) {
            // Not shown: it may be a secret.
            if (has_control(one))
                toml_.refuse(values.source().begin, "header ", name, " has a value with control characters");
            headers.push_back(cat(name, ": ", one));
        }
    }
    return headers;
}

bool Reader::read_field(HostEntry& entry, const std::string& key, const toml::node& value) {
    if (key == "capabilities") {
        entry.capabilities = read_capabilities(value);
    } else if (key == "ca") {
        entry.ca = read_ca(entry, value);
    } else if (key == "client") {
        entry.client = read_client(entry, value);
    } else if (key == "skip_verify") {
        entry.skip_verify = toml_.yes(value, key);
    } else if (key == "header") {
        entry.headers = read_headers(value);
    } else if (key == "override_path") {
        entry.override_path = toml_.yes(value, key);
    } else if (key == "dial_timeout") {
        const std::string& written = toml_.text(value, key);
        const auto duration = parse_duration(written);
        if (!duration || duration->count() <= 0)
            toml_.refuse(value.source().begin, "dial_timeout: \"", printable(written), "\" is no duration such as 3s");
        // Of less than a millisecond something is left.
        entry.dial_timeout = std::chrono::ceil<std::chrono::milliseconds>(*duration);
    } else {
        return false;
    }
    return true;
}

void Reader::read_mirrors(const toml::node& hosts) {
    // toml++ keeps tables in the order of their names.
    std::vector<std::pair<Position, HostEntry>> found;
    for (const auto& [key, value] : toml_.table(hosts, "host")) {
        const toml::table& fields = toml_.table(value, cat("host \"", printable(key.str()), '"'));
        const Position at = key.source().begin;
        HostEntry entry{.url = std::string(key.str()), .line = at.line};
        if (entry.url.empty())
            toml_.refuse(at, "a host needs a URL");
        for (const auto& [field, what] : fields)
            if (!read_field(entry, std::string(field.str()), what))
                warn_unknown(field);
        found.emplace_back(at, std::move(entry));
    }
    std::ranges::stable_sort(found, [](const auto& a, const auto& b) { return a.first < b.first; });
    file_.mirrors.reserve(found.size());
    for (auto& [position, entry] : found)
        file_.mirrors.push_back(std::move(entry));
}

void Reader::read_root(const toml::table& root) {
    for (const auto& [key, value] : root) {
        if (key.str() == "host") {
            read_mirrors(value);
        } else if (key.str() == "server") {
            file_.server.url = toml_.text(value, "server");
            file_.server.line = key.source().begin.line;
        } else if (!read_field(file_.server, std::string(key.str()), value)) {
            warn_unknown(key);
        }
    }
}

HostsFile Reader::read(std::string_view text) {
    read_root(toml_.parse(text));
    return std::move(file_);
}

} // namespace

HostsFile parse_hosts_toml(std::string_view text, const std::string& path) {
    return Reader(path).read(text);
}

} // namespace lade::registry
