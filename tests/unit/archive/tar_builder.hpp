// SPDX-License-Identifier: Apache-2.0
// Writes tar blocks by hand, so that a test can say every byte, wrong ones too.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace lade::test {

struct TarEntry {
    char type = '0';
    std::string name;
    std::string data = "";
    std::string link = "";
    unsigned mode = 0644;
    std::uint64_t uid = 0;
    std::uint64_t gid = 0;
    std::int64_t mtime = 1'600'000'000;
    std::uint64_t major = 0;
    std::uint64_t minor = 0;
};

class TarBuilder {
public:
    static void put(std::string& block, std::size_t at, const std::string& text) {
        block.replace(at, text.size(), text);
    }

    // Octal when it fits, base 256 else.
    static void number(std::string& block, std::size_t at, std::size_t size, std::uint64_t value) {
        if (value >> (3 * (size - 1)) == 0) {
            char text[32];
            std::snprintf(text, sizeof text, "%0*llo", static_cast<int>(size - 1),
                          static_cast<unsigned long long>(value));
            put(block, at, text);
            return;
        }
        for (std::size_t i = size; i-- > 0; value >>= 8U)
            block[at + i] = static_cast<char>(value & 0xffU);
        block[at] = static_cast<char>(static_cast<unsigned char>(block[at]) | 0x80U);
    }

    static void checksum(std::string& block) {
        put(block, 148, "        ");
        unsigned sum = 0;
        for (const char c : block)
            sum += static_cast<unsigned char>(c);
        char text[8];
        std::snprintf(text, sizeof text, "%06o", sum);
        put(block, 148, std::string(text, 7));
    }

    static std::string header(const TarEntry& entry) {
        std::string block(512, '\0');
        put(block, 0, entry.name.substr(0, 100));
        number(block, 100, 8, entry.mode);
        number(block, 108, 8, entry.uid);
        number(block, 116, 8, entry.gid);
        number(block, 124, 12, entry.data.size());
        number(block, 136, 12, static_cast<std::uint64_t>(entry.mtime));
        block[156] = entry.type;
        put(block, 157, entry.link.substr(0, 100));
        put(block, 257, std::string("ustar\00000", 8));
        number(block, 329, 8, entry.major);
        number(block, 337, 8, entry.minor);
        checksum(block);
        return block;
    }

    static std::string padded(std::string data) {
        data.resize((data.size() + 511) / 512 * 512, '\0');
        return data;
    }

    TarBuilder& add(const TarEntry& entry) {
        if (entry.name.size() > 100 || entry.link.size() > 100) {
            if (entry.name.size() > 100)
                raw(header({.type = 'L', .name = "././@LongLink", .data = entry.name}) + padded(entry.name));
            if (entry.link.size() > 100)
                raw(header({.type = 'K', .name = "././@LongLink", .data = entry.link}) + padded(entry.link));
        }
        return raw(header(entry) + padded(entry.data));
    }
    TarBuilder& file(const std::string& name, const std::string& data = "") {
        return add({.name = name, .data = data});
    }
    TarBuilder& dir(const std::string& name, unsigned mode = 0755) {
        return add({.type = '5', .name = name, .mode = mode});
    }
    TarBuilder& symlink(const std::string& target, const std::string& name) {
        return add({.type = '2', .name = name, .link = target, .mode = 0777});
    }
    TarBuilder& link(const std::string& target, const std::string& name) {
        return add({.type = '1', .name = name, .link = target});
    }

    static std::string record(const std::string& key, const std::string& value) {
        const std::size_t rest = key.size() + value.size() + 3;
        std::size_t size = rest + 1;
        while (std::to_string(size).size() + rest != size)
            size = std::to_string(size).size() + rest;
        return std::to_string(size) + " " + key + "=" + value + "\n";
    }
    TarBuilder& pax(const std::string& records, char type = 'x') {
        return raw(header({.type = type, .name = "PaxHeaders/x", .data = records}) + padded(records));
    }

    TarBuilder& raw(const std::string& bytes) {
        tar_ += bytes;
        return *this;
    }
    std::string open() const { return tar_; }
    std::string str() const { return tar_ + std::string(1024, '\0'); }

private:
    std::string tar_;
};

} // namespace lade::test
