// SPDX-License-Identifier: Apache-2.0
#include "archive/estargz.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <utility>

#include "archive/estargz_order.hpp"
#include "archive/gzip_encoder.hpp"
#include "archive/tar_writer.hpp"
#include "base/base64.hpp"
#include "base/error.hpp"
#include "base/json.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"

namespace lade::archive {

namespace {

constexpr std::string_view toc_name = "stargz.index.json";
constexpr std::string_view prefetch_landmark = ".prefetch.landmark";
constexpr std::string_view no_prefetch_landmark = ".no.prefetch.landmark";
constexpr std::string_view landmark = "\x0f";
constexpr mode_t own_mode = 0444; // of what only an eStargz has
constexpr std::size_t toc_piece = 128 * kib;

constexpr std::string_view footer_begin("\x1f\x8b\x08\x04\0\0\0\0\0\xff\x1a\0SG\x16\0", 16);
constexpr std::string_view footer_mark = "STARGZ";
constexpr std::string_view footer_end("\x01\0\0\xff\xff\0\0\0\0\0\0\0\0", 13);
constexpr std::size_t offset_digits = 16;

std::string footer_of(std::uint64_t toc_offset) {
    std::string digits(offset_digits, '0');
    for (std::size_t i = digits.size(); i-- > 0; toc_offset >>= 4U)
        digits[i] = "0123456789abcdef"[toc_offset & 0xfU];
    return cat(footer_begin, digits, footer_mark, footer_end);
}

std::string_view type_word(EntryType type) {
    switch (type) {
    case EntryType::file:
        return "reg";
    case EntryType::hard_link:
        return "hardlink";
    case EntryType::symlink:
        return "symlink";
    case EntryType::char_device:
        return "char";
    case EntryType::block_device:
        return "block";
    case EntryType::directory:
        return "dir";
    case EntryType::fifo:
        return "fifo";
    }
    return "reg";
}

// As the tar has it.
std::string stored_name(const Entry& entry) {
    return entry.type == EntryType::directory && !entry.name.ends_with('/') ? entry.name + "/" : entry.name;
}

Json toc_entry(const Entry& entry) {
    Json json{{"name", stored_name(entry)},
              {"type", type_word(entry.type)},
              {"mode", entry.mode},
              {"uid", entry.uid},
              {"gid", entry.gid}};
    if (entry.mtime.seconds != 0 || entry.mtime.nanoseconds != 0)
        json["modtime"] = rfc3339(
            Time(std::chrono::seconds(entry.mtime.seconds) + std::chrono::nanoseconds(entry.mtime.nanoseconds)));
    if (entry.type == EntryType::symlink || entry.type == EntryType::hard_link)
        json["linkName"] = entry.link;
    if (entry.type == EntryType::char_device || entry.type == EntryType::block_device) {
        json["devMajor"] = entry.major;
        json["devMinor"] = entry.minor;
    }
    for (const auto& [name, value] : entry.xattrs)
        json["xattrs"][name] = base64_encode(value);
    return json;
}

class Counted final : public Sink {
public:
    explicit Counted(Sink& inner) : inner_(inner) {}
    void write(std::span<const std::byte> bytes) override {
        inner_.write(bytes);
        count_ += bytes.size();
    }
    std::uint64_t count() const noexcept { return count_; }

private:
    Sink& inner_;
    std::uint64_t count_ = 0;
};

// The TOC's entries, in a file until it is known how many bytes they are. Where a chunk's member begins is known later
// than the chunk: members come out of the encoder in order, and an entry waits for those of its chunks.
class Toc {
public:
    explicit Toc(Fd file) : file_(std::move(file)) {}

    struct Chunk {
        std::uint64_t offset = 0; // in the file
        oci::Digest digest;
    };

    void add(Json entry, std::vector<Chunk> chunks) {
        waiting_.push_back({.json = std::move(entry), .chunks = std::move(chunks)});
        drain();
    }

    void member_begins(std::uint64_t offset) { members_.push_back(offset); }

    // All members are out. Calls `write` with the TOC's size, and then for each piece of it.
    template <typename Begin, typename Write>
    oci::Digest finish(Begin begin, Write write) {
        drain();
        if (!waiting_.empty())
            throw Error(ErrorKind::internal, "eStargz: a chunk without a member");
        spill();
        oci::Hasher hasher(oci::Algorithm::sha256);
        const auto put = [&](std::span<const std::byte> bytes) {
            hasher.update(bytes);
            write(bytes);
        };
        begin(head.size() + size_ + tail.size());
        put(as_bytes(head));
        FileSource entries(file_.get(), "scratch file");
        std::vector<std::byte> buffer(toc_piece);
        while (const std::size_t n = entries.read(buffer))
            put(std::span(buffer).first(n));
        put(as_bytes(tail));
        return hasher.finish();
    }

private:
    static constexpr std::string_view head = R"({"version":1,"entries":[)";
    static constexpr std::string_view tail = "]}";

    struct Waiting {
        Json json;
        std::vector<Chunk> chunks;
    };

    void drain() {
        for (; !waiting_.empty() && members_.size() >= waiting_.front().chunks.size(); waiting_.pop_front())
            put(waiting_.front());
    }

    void put(Waiting& entry) {
        if (entry.chunks.empty())
            put(entry.json);
        // All but the first are chunks of a file that is there.
        const Json chunk{{"name", entry.json["name"]},
                         {"type", "chunk"},
                         {"mode", entry.json["mode"]},
                         {"uid", entry.json["uid"]},
                         {"gid", entry.json["gid"]}};
        for (std::size_t i = 0; i < entry.chunks.size(); ++i) {
            Json json = i == 0 ? Json(std::move(entry.json)) : chunk;
            const bool last = i + 1 == entry.chunks.size();
            json["offset"] = members_.front();
            members_.pop_front();
            json["chunkOffset"] = entry.chunks[i].offset;
            json["chunkSize"] = last ? 0 : entry.chunks[i + 1].offset - entry.chunks[i].offset;
            json["chunkDigest"] = entry.chunks[i].digest.string();
            put(json);
        }
    }

    void put(const Json& json) {
        if (any_)
            text_ += ',';
        any_ = true;
        text_ += dump_json(json);
        if (text_.size() >= toc_piece)
            spill();
    }

    void spill() {
        write_all(file_.get(), as_bytes(text_), "scratch file");
        size_ += text_.size();
        text_.clear();
    }

    Fd file_;
    std::string text_;
    std::uint64_t size_ = 0;
    bool any_ = false;
    std::deque<Waiting> waiting_;
    std::deque<std::uint64_t> members_; // that no entry has taken yet
};

class Writer {
public:
    Writer(Sink& blob, const EstargzOptions& options, Fd scratch, const std::stop_token& stop)
        : options_(options),
          stop_(stop),
          blob_(blob),
          encoder_(blob_, gzip_level(options.level, "eStargz"), [this] { member_begins(); }),
          plain_(encoder_),
          hashed_(plain_, oci::Algorithm::sha256),
          tar_(hashed_),
          toc_(std::move(scratch)) {}

    void add(const Entry& entry, Source& data) {
        check_stop(stop_);
        tar_.begin(entry);
        Json json = toc_entry(entry);
        std::vector<Toc::Chunk> chunks;
        const std::uint64_t size = entry.type == EntryType::file ? entry.size : 0;
        if (size > 0) {
            oci::Hasher whole(oci::Algorithm::sha256);
            const bool alone = size <= options_.chunk_size;
            for (std::uint64_t at = 0; at < size; at += options_.chunk_size)
                chunks.push_back({.offset = at,
                                  .digest = write_chunk(entry, data, std::min(options_.chunk_size, size - at),
                                                        alone ? nullptr : &whole)});
            tar_.flush();
            json["size"] = size;
            json["digest"] = (alone ? chunks.front().digest : whole.finish()).string();
        }
        toc_.add(std::move(json), std::move(chunks));
    }

    void add_landmark(std::string_view name) {
        StringSource data(landmark);
        add({.type = EntryType::file, .name = std::string(name), .mode = own_mode, .size = landmark.size()}, data);
    }

    Estargz finish() {
        tar_.flush();
        encoder_.flush();
        const std::uint64_t offset = blob_.count();
        oci::Digest toc = toc_.finish(
            [&](std::uint64_t size) {
                tar_.begin({.type = EntryType::file, .name = std::string(toc_name), .mode = own_mode, .size = size});
            },
            [&](std::span<const std::byte> bytes) {
                check_stop(stop_);
                tar_.write(bytes);
            });
        tar_.finish();
        encoder_.finish();
        blob_.write(as_bytes(footer_of(offset)));
        return {.diff_id = hashed_.digest(), .uncompressed_size = plain_.count(), .toc_digest = std::move(toc)};
    }

private:
    // Only data has members that begin with it: the very first one begins with a header, the TOC's is nobody's chunk.
    void member_begins() {
        if (blob_.count() > 0)
            toc_.member_begins(blob_.count());
    }

    oci::Digest write_chunk(const Entry& entry, Source& data, std::uint64_t size, oci::Hasher* whole) {
        tar_.flush();
        encoder_.end_member();
        oci::Hasher hasher(oci::Algorithm::sha256);
        for (std::uint64_t left = size; left > 0;) {
            check_stop(stop_);
            const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer_.size()));
            const std::size_t n = data.read(std::span(buffer_).first(wanted));
            if (n == 0)
                throw Error(ErrorKind::data_loss, printable(entry.name), ": its data is cut short");
            const auto bytes = std::span<const std::byte>(buffer_).first(n);
            hasher.update(bytes);
            if (whole != nullptr)
                whole->update(bytes);
            tar_.write(bytes);
            left -= n;
        }
        return hasher.finish();
    }

    const EstargzOptions& options_;
    const std::stop_token& stop_;
    Counted blob_;
    GzipEncoder encoder_;
    Counted plain_;
    oci::HashingSink hashed_;
    TarWriter tar_;
    Toc toc_;
    std::vector<std::byte> buffer_ = std::vector<std::byte>(128 * kib);
};

bool is_own(const std::string& name) {
    return name == toc_name || name == prefetch_landmark || name == no_prefetch_landmark;
}

} // namespace

std::optional<std::uint64_t> estargz_toc_offset(std::string_view footer) {
    if (footer.size() != estargz_footer_size || !footer.starts_with(footer_begin.substr(0, 4)) ||
        footer.substr(10, 6) != footer_begin.substr(10) || !footer.ends_with(footer_end) ||
        footer.substr(footer_begin.size() + offset_digits, footer_mark.size()) != footer_mark)
        return std::nullopt;
    std::uint64_t offset = 0;
    for (const char c : footer.substr(footer_begin.size(), offset_digits)) {
        const std::size_t digit = std::string_view("0123456789abcdef").find(c);
        if (digit == std::string_view::npos)
            return std::nullopt;
        offset = offset << 4U | digit;
    }
    return offset;
}

Estargz write_estargz(const EstargzWork& work, Sink& blob, const EstargzOptions& options, Budget& budget,
                      const std::stop_token& stop) {
    if (options.chunk_size == 0)
        throw Error(ErrorKind::invalid_argument, "eStargz: chunks of 0 bytes");
    const FirstEntries first = take_first(work, options.prioritized, stop);
    Writer writer(blob, options, work.scratch(), stop);
    const auto take = [&](const Entry& entry) {
        budget.take_entry();
        if (entry.type == EntryType::file)
            budget.take_bytes(entry.size);
    };
    for (const FirstEntries::Item& item : first.items) {
        take(item.entry);
        FileSource data(first.data.get(), "scratch file", item.offset, item.entry.size);
        writer.add(item.entry, data);
    }
    writer.add_landmark(first.items.empty() ? no_prefetch_landmark : prefetch_landmark);
    const auto source = work.open();
    TarReader tar(*source);
    while (const auto entry = tar.next()) {
        const std::string name = clean_name(entry->name);
        if (is_own(name) || first.names.contains(name))
            continue;
        take(*entry);
        EntryData data(tar, entry->size);
        writer.add(*entry, data);
    }
    return writer.finish();
}

} // namespace lade::archive
