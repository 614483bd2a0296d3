// SPDX-License-Identifier: Apache-2.0
#include "snapshot/mount_options.hpp"

#include <sys/mount.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::snapshot {

namespace {

struct Flag {
    bool clear;
    unsigned long bits;
};

const std::map<std::string_view, Flag>& flags() {
    static const std::map<std::string_view, Flag> all{
        {"async", {true, MS_SYNCHRONOUS}},
        {"sync", {false, MS_SYNCHRONOUS}},
        {"atime", {true, MS_NOATIME}},
        {"noatime", {false, MS_NOATIME}},
        {"bind", {false, MS_BIND}},
        {"rbind", {false, MS_BIND | MS_REC}},
        {"defaults", {false, 0}},
        {"dev", {true, MS_NODEV}},
        {"nodev", {false, MS_NODEV}},
        {"diratime", {true, MS_NODIRATIME}},
        {"nodiratime", {false, MS_NODIRATIME}},
        {"dirsync", {false, MS_DIRSYNC}},
        {"exec", {true, MS_NOEXEC}},
        {"noexec", {false, MS_NOEXEC}},
        {"mand", {false, MS_MANDLOCK}},
        {"nomand", {true, MS_MANDLOCK}},
        {"relatime", {false, MS_RELATIME}},
        {"norelatime", {true, MS_RELATIME}},
        {"strictatime", {false, MS_STRICTATIME}},
        {"nostrictatime", {true, MS_STRICTATIME}},
        {"suid", {true, MS_NOSUID}},
        {"nosuid", {false, MS_NOSUID}},
        {"remount", {false, MS_REMOUNT}},
        {"ro", {false, MS_RDONLY}},
        {"rw", {true, MS_RDONLY}},
    };
    return all;
}

const std::map<std::string_view, unsigned long>& propagations() {
    static const std::map<std::string_view, unsigned long> all{
        {"shared", MS_SHARED},         {"rshared", MS_SHARED | MS_REC},         {"private", MS_PRIVATE},
        {"slave", MS_SLAVE},           {"rprivate", MS_PRIVATE | MS_REC},       {"rslave", MS_SLAVE | MS_REC},
        {"unbindable", MS_UNBINDABLE}, {"runbindable", MS_UNBINDABLE | MS_REC},
    };
    return all;
}

std::string escape(std::string_view path, std::string_view special) {
    std::string escaped;
    for (const char c : path) {
        if (special.find(c) != std::string_view::npos)
            escaped += '\\';
        escaped += c;
    }
    return escaped;
}

// Cuts at `separator` ("" cuts nowhere) and takes the backslashes away.
std::vector<std::string> unescape(std::string_view text, std::string_view separator) {
    std::vector<std::string> parts(1);
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 1 < text.size())
            parts.back() += text[++i];
        else if (!separator.empty() && text[i] == separator.front())
            parts.emplace_back();
        else
            parts.back() += text[i];
    }
    return parts;
}

} // namespace

MountOptions parse_mount_options(const std::vector<std::string>& words) {
    MountOptions options;
    for (const std::string& word : words) {
        if (const auto flag = flags().find(word); flag != flags().end()) {
            if (flag->second.clear)
                options.flags &= ~flag->second.bits;
            else
                options.flags |= flag->second.bits;
        } else if (const auto propagation = propagations().find(word); propagation != propagations().end()) {
            options.propagation = propagation->second;
        } else if (word == "loop") {
            options.loop = true;
        } else if (word == "direct-io") {
            options.direct_io = true;
        } else if (word.starts_with("X-containerd.")) {
            throw Error(ErrorKind::invalid_argument, "mount option ", printable(word), " is for nobody here");
        } else if (word.starts_with("uidmap=")) {
            options.uid_mapping = word.substr(word.find('=') + 1);
        } else if (word.starts_with("gidmap=")) {
            options.gid_mapping = word.substr(word.find('=') + 1);
        } else if (!word.empty()) {
            options.data.push_back(word);
        }
    }
    if (options.uid_mapping.empty() || options.gid_mapping.empty()) {
        options.uid_mapping.clear();
        options.gid_mapping.clear();
    }
    return options;
}

std::vector<std::string> parse_configured_options(std::string_view text) {
    static const std::set<std::string_view> known{
        "volatile",  "index=off", "xino=on", "xino=off", "xino=auto",  "uuid=on", "uuid=off",
        "uuid=null", "uuid=auto", "noatime", "relatime", "nodiratime", "nodev",   "nosuid",
    };
    std::vector<std::string> words;
    for (const std::string& word : split(text, ','))
        if (known.contains(word))
            words.push_back(word);
        else if (!text.empty())
            throw Error(ErrorKind::invalid_argument, "mount option \"", printable(word), "\": not one of ",
                        join({known.begin(), known.end()}, ", "));
    return words;
}

OverlayOptions parse_overlay_options(const std::vector<std::string>& data) {
    OverlayOptions options;
    const auto value = [](std::string_view word, std::string_view name) { return word.substr(name.size()); };
    for (const std::string& word : data) {
        if (word.starts_with("lowerdir="))
            options.lowers = unescape(value(word, "lowerdir="), ":");
        else if (word.starts_with("upperdir="))
            options.upper = unescape(value(word, "upperdir="), "").front();
        else if (word.starts_with("workdir="))
            options.work = unescape(value(word, "workdir="), "").front();
        else
            options.others.push_back(word);
    }
    return options;
}

std::vector<std::string> format_overlay_options(const OverlayOptions& options) {
    std::vector<std::string> data;
    if (!options.upper.empty()) {
        data.push_back("workdir=" + escape(options.work, "\\,"));
        data.push_back("upperdir=" + escape(options.upper, "\\,"));
    }
    std::vector<std::string> lowers;
    lowers.reserve(options.lowers.size());
    for (const std::string& lower : options.lowers)
        lowers.push_back(escape(lower, "\\,:"));
    data.push_back("lowerdir=" + join(lowers, ":"));
    data.insert(data.end(), options.others.begin(), options.others.end());
    return data;
}

bool names_option(const std::vector<std::string>& words, std::string_view name) {
    return std::ranges::any_of(words, [&](std::string_view word) { return word.substr(0, word.find('=')) == name; });
}

std::string common_directory(const std::vector<std::string>& paths) {
    if (paths.empty())
        return "";
    std::string_view common = paths.front();
    for (const std::string& path : paths) {
        const auto [end, other] = std::ranges::mismatch(common, path);
        common = common.substr(0, static_cast<std::size_t>(end - common.begin()));
    }
    const std::size_t slash = common.rfind('/');
    return slash == std::string_view::npos || slash == 0 ? "" : std::string(common.substr(0, slash + 1));
}

} // namespace lade::snapshot
