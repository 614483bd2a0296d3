// SPDX-License-Identifier: Apache-2.0
// Any text as a stack of layer tars, so that a seed can be written and a find be read. A line is an entry: a letter for
// what it is, a path, and after spaces what it links to and what else is to be said of it (`kinds`, `component`,
// `say`). Nothing is malformed: whatever a byte is, it means one of these.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/privilege.hpp"
#include "base/text.hpp"
#include "unit/archive/tar_builder.hpp"

namespace lade::test {

inline constexpr std::size_t max_lines = 100;

// Of the text, or whatever byte stands in its place.
template <std::size_t Size>
std::size_t choose(const char (&letters)[Size], char byte) {
    const std::size_t found = std::string_view(letters).find(byte);
    return found != std::string_view::npos ? found : static_cast<unsigned char>(byte) % (Size - 1);
}

// file, directory, symbolic and hard link, character and block device, one that is 0:0, FIFO, whiteout, opaque marker,
// a name that aufs keeps for itself, whiteout of nothing, the next layer
inline constexpr char kinds[] = "fdshcbzpwor!-";

inline std::string component(char byte) {
    switch (byte) {
    case '^':
        return "..";
    case '.':
        return ".";
    case 'L':
        return std::string(30, 'l');
    case 'X':
        return std::string(256, 'x');
    case '/':
        return "";
    default:
        return std::string(1, "abcde"[choose("abcde", byte)]);
    }
}

inline std::string path_of(std::string_view text) {
    std::vector<std::string> parts;
    for (const char byte : text.substr(0, 12))
        parts.push_back(component(byte));
    return join(parts, "/");
}

// What is said of an entry beside its name.
struct Sayings {
    std::map<std::string, std::string> pax;
    std::size_t size = 3;
};

inline void say(char what, TarEntry& entry, Sayings& sayings) {
    // The kernel asks for exactly this: revision 2, and effective.
    const std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    switch (choose("01234567ABCtuvwkjyqoEGH", what)) {
    case 0:
        entry.mode = 0;
        break;
    case 1:
        entry.mode = 0755;
        break;
    case 2:
        entry.mode = 02755;
        break;
    case 3:
        entry.mode = 0640;
        break;
    case 4:
        entry.mode = 04711;
        break;
    case 5:
        entry.mode = 01777;
        break;
    case 6:
        entry.mode = 06000;
        break;
    case 7:
        entry.mode = 0500;
        break;
    case 8:
        entry.uid = entry.gid = 1000;
        break;
    case 9:
        entry.uid = 70'000;
        break;
    case 10:
        entry.gid = 7;
        break;
    case 11:
        entry.mtime = 0;
        break;
    case 12:
        sayings.pax["mtime"] = "-1.5";
        break;
    case 13:
        sayings.pax["mtime"] = "1700000000.123456789";
        break;
    case 14:
        sayings.pax["mtime"] = "9000000000";
        break;
    case 15:
        sayings.pax["SCHILY.xattr.user.k"] = "value";
        break;
    case 16:
        sayings.pax["SCHILY.xattr.user.j"] = "";
        break;
    case 17:
        sayings.pax["SCHILY.xattr.security.capability"] = capability;
        break;
    case 18:
        sayings.pax["SCHILY.xattr.trusted.q"] = "trusted";
        break;
    case 19:
        sayings.pax["SCHILY.xattr.trusted.overlay.opaque"] = "y";
        break;
    case 20:
        sayings.size = 0;
        break;
    case 21:
        sayings.size = 600;
        break;
    default:
        sayings.size = 20'000;
        break;
    }
}

inline void add_entry(std::string_view line, std::size_t number, TarBuilder& tar) {
    const std::vector<std::string> words = split(line.substr(1), ' ');
    TarEntry entry{.name = path_of(words[0])};
    Sayings sayings;
    for (std::size_t i = 1; i < words.size(); ++i)
        if (i == 1)
            entry.link = path_of(words[i]);
        else
            for (const char what : words[i])
                say(what, entry, sayings);
    const auto hide = [&](const std::string& prefix) {
        const std::size_t slash = entry.name.rfind('/');
        entry.name.insert(slash == std::string::npos ? 0 : slash + 1, prefix);
    };
    const bool has_devices = may_make_devices(privilege());
    switch (kinds[choose(kinds, line[0])]) {
    case 'd':
        entry.type = '5';
        break;
    case 's':
        entry.type = '2';
        break;
    case 'h':
        entry.type = '1';
        break;
    case 'c':
        entry.type = has_devices ? '3' : '6';
        entry.major = 1;
        entry.minor = 3;
        break;
    case 'b':
        entry.type = has_devices ? '4' : '6';
        break;
    case 'z':
        entry.type = has_devices ? '3' : '6';
        break;
    case 'p':
        entry.type = '6';
        break;
    case 'w':
        hide(".wh.");
        break;
    case 'o':
        entry.name += entry.name.empty() ? ".wh..wh..opq" : "/.wh..wh..opq";
        break;
    case 'r':
        hide(".wh..wh.");
        break;
    case '!':
        entry.name += "/.wh..";
        break;
    default:
        entry.data = cat(number, ':');
        entry.data.resize(sayings.size, 'x');
        break;
    }
    if (entry.type != '1' && entry.type != '2')
        entry.link.clear();
    std::string records;
    for (const auto& [key, value] : sayings.pax)
        records += TarBuilder::record(key, value);
    if (!records.empty())
        tar.pax(records);
    tar.add(entry);
}

inline std::vector<std::string> layers_of(std::string_view text) {
    std::vector<std::string> layers;
    TarBuilder tar;
    std::size_t number = 0;
    for (const std::string& line : split(text, '\n')) {
        if (line.empty() || ++number > max_lines)
            continue;
        if (kinds[choose(kinds, line[0])] == '-')
            layers.push_back(std::exchange(tar, {}).str());
        else
            add_entry(line, number, tar);
    }
    layers.push_back(tar.str());
    return layers;
}

} // namespace lade::test
