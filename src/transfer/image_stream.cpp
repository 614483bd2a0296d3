// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "archive/compression.hpp"
#include "archive/members.hpp"
#include "archive/tar.hpp"
#include "base/error.hpp"
#include "base/size.hpp"
#include "base/tasks.hpp"
#include "base/text.hpp"
#include "oci/docker_archive.hpp"
#include "oci/layout.hpp"
#include "transfer/fetch.hpp"
#include "transfer/image_files.hpp"

namespace lade::transfer {

namespace {

// Of documents that are kept in memory; what does not fit becomes a blob.
constexpr std::uint64_t max_texts = 24 * mib;
constexpr std::uint64_t small = 64 * kib; // is one, whatever it is

// Counts what is read, and ends with the wish to stop.
class Read final : public Source {
public:
    Read(Source& inner, Item& item, std::stop_token stop) : inner_(inner), item_(item), stop_(std::move(stop)) {}
    std::size_t read(std::span<std::byte> into) override {
        check_stop(stop_);
        const std::size_t n = inner_.read(into);
        item_.advance(n);
        return n;
    }

private:
    Source& inner_;
    Item& item_;
    std::stop_token stop_;
};

// As RatioSource, of a stream whose size nobody knows: what was read of it so far counts.
class Bounded final : public Source {
public:
    Bounded(Source& inner, const Item& compressed, std::uint64_t ratio)
        : inner_(inner), compressed_(compressed), ratio_(ratio) {}
    std::size_t read(std::span<std::byte> into) override {
        const std::size_t n = inner_.read(into);
        seen_ += n;
        if (seen_ > archive::ratio_free && seen_ / ratio_ > compressed_.offset())
            throw Error(ErrorKind::resource_exhausted, "the archive is more than ", ratio_,
                        " times its compressed size");
        return n;
    }

private:
    Source& inner_;
    const Item& compressed_;
    std::uint64_t ratio_;
    std::uint64_t seen_ = 0;
};

// The data of the entry that a reader is at.
class EntrySource final : public Source {
public:
    explicit EntrySource(archive::TarReader& tar) : tar_(tar) {}
    std::size_t read(std::span<std::byte> into) override {
        if (rest_.empty())
            rest_ = tar_.data();
        const auto part = rest_.first(std::min(rest_.size(), into.size()));
        std::ranges::copy(part, into.begin());
        rest_ = rest_.subspan(part.size());
        return part.size();
    }

private:
    archive::TarReader& tar_;
    std::span<const std::byte> rest_;
};

bool is_document(std::string_view name) {
    return name == oci::layout::marker || name == oci::docker_archive::repositories || name.ends_with(".json") ||
           name.ends_with("/json");
}

// Archives of some tools name layers by their digest: HEX.tar, or HEX alone.
std::optional<oci::Digest> digest_of_name(std::string_view name) {
    if (auto blob = oci::layout::find_blob(name))
        return blob;
    constexpr std::string_view suffix = ".tar";
    if (name.ends_with(suffix))
        name.remove_suffix(suffix.size());
    return oci::Digest::try_parse(cat("sha256:", name));
}

class StreamFiles final : public ImageFiles {
public:
    StreamFiles(const StreamRules& rules, const std::stop_token& stop) : rules_(rules), stop_(stop) {}

    void read_all(Source& stream, Item& item) {
        Read counted(stream, item, stop_);
        const std::unique_ptr<Source> plain = archive::decompress(counted);
        Bounded bounded(*plain, item, rules_.ratio);
        archive::TarReader tar(bounded);
        members_.read(tar, [&](const std::string& name, const archive::Entry& entry, std::uint64_t /*offset*/) {
            add(name, entry.size, tar);
        });
        cut_ = !tar.has_end_mark();
    }

    std::optional<ImageFile> find(const std::string& name) const override {
        const auto number = members_.find(name);
        if (!number)
            return std::nullopt;
        const Kept& kept = files_[*number];
        return ImageFile{.name = name, .number = *number, .size = kept.size, .digest = kept.digest};
    }

    std::unique_ptr<Source> open(const ImageFile& file, std::uint64_t offset) const override {
        const Kept& kept = files_[file.number];
        if (kept.text)
            return std::make_unique<StringSource>(std::string_view(*kept.text).substr(std::min(offset, kept.size)));
        return open_stored(rules_.blobs, {.media_type = {}, .digest = *kept.digest, .size = kept.size}, offset);
    }

    std::set<oci::Digest> stored() const override { return stored_; }
    bool is_cut() const noexcept override { return cut_; }

private:
    struct Kept {
        std::uint64_t size = 0;
        std::optional<oci::Digest> digest;
        std::optional<std::string> text;
    };

    void add(const std::string& name, std::uint64_t size, archive::TarReader& tar) {
        EntrySource data(tar);
        if (const auto before = members_.find_file(name)) {
            check_same(name, files_[*before], data);
            return;
        }
        // Before its bytes are of any consequence.
        members_.add_file(name, files_.size());
        files_.push_back(doing([&] { return printable(name); }, [&] { return keep(name, size, data); }));
    }

    Kept keep(const std::string& name, std::uint64_t size, Source& data) {
        const auto digest = digest_of_name(name);
        if (digest && is_here(*digest, size))
            return {.size = size, .digest = digest, .text = std::nullopt};
        const auto blob = oci::layout::find_blob(name);
        if ((size <= small || is_document(name)) && texts_ + size <= max_texts)
            return {.size = size, .digest = blob, .text = read_text(blob, size, data)};
        take_bytes(size);
        if (blob) {
            write_blob({.media_type = {}, .digest = *blob, .size = size}, data);
            stored_.insert(*blob);
            return {.size = size, .digest = blob, .text = std::nullopt};
        }
        oci::Digest found = rules_.blobs.put(
            [&](Sink& sink) {
                copy(data, sink);
                return oci::Labels{};
            },
            cat("import-", random_text(12)), rules_.lease, stop_);
        stored_.insert(found);
        return {.size = size, .digest = std::move(found), .text = std::nullopt};
    }

    // Before they are read: what an archive announces must not fill the disk.
    void take_bytes(std::uint64_t size) {
        if (size > rules_.bytes - bytes_)
            throw Error(ErrorKind::resource_exhausted, "is ", size,
                        " bytes, and with what came before it more than the ", rules_.bytes,
                        " that are stored of an archive at most");
        bytes_ += size;
    }

    // Under another size it is something else, whatever it is called.
    bool is_here(const oci::Digest& digest, std::uint64_t size) {
        const auto blob = rules_.blobs.find(digest);
        if (blob && blob->size != size)
            return false;
        return rules_.blobs.adopt({.media_type = {}, .digest = digest, .size = size}, {}, rules_.lease, stop_);
    }

    static void require(const oci::Digest& found, const oci::Digest& wanted) {
        if (found != wanted)
            throw Error(ErrorKind::data_loss, "has digest ", found, ", not ", wanted);
    }

    std::string read_text(const std::optional<oci::Digest>& digest, std::uint64_t size, Source& data) {
        texts_ += size;
        StringSink sink(static_cast<std::size_t>(size), "entry");
        if (!digest) {
            copy(data, sink);
        } else {
            oci::HashingSink hashed(sink, digest->algorithm());
            copy(data, hashed);
            require(hashed.digest(), *digest);
        }
        return sink.take();
    }

    void write_blob(const oci::Descriptor& blob, Source& data) {
        try {
            // Nobody can go on from the middle of a stream.
            store::BlobWriter writer = rules_.blobs.writer(
                {.ref = cat("import-", blob.digest), .digest = blob.digest, .size = blob.size, .resumable = false},
                rules_.lease, stop_, true);
            fill(writer, blob, data);
            writer.commit({.size = blob.size, .digest = blob.digest, .labels = {}});
        } catch (const Error& error) {
            // Another process made it meanwhile.
            if (error.kind() != ErrorKind::already_exists)
                throw;
        }
    }

    static void fill(store::BlobWriter& writer, const oci::Descriptor& blob, Source& data) {
        if (writer.is_shared())
            return;
        try {
            writer.truncate(0);
            copy(data, writer);
            require(writer.digest(), blob.digest);
        } catch (const Error&) {
            attempt([&] { writer.abandon(); });
            throw;
        }
    }

    void check_same(const std::string& name, const Kept& before, Source& data) const {
        oci::HashingSource hashed(data, before.digest ? before.digest->algorithm() : oci::Algorithm::sha256);
        std::vector<std::byte> buffer(64 * kib);
        while (hashed.read(buffer) > 0)
            check_stop(stop_);
        if (hashed.digest() != (before.digest ? *before.digest : oci::Digest::of(*before.text)))
            throw Error(ErrorKind::invalid_argument, "entry ", printable(name), ": is there twice, and not the same");
    }

    StreamRules rules_;
    std::stop_token stop_;
    archive::Members members_;
    std::vector<Kept> files_;
    std::uint64_t texts_ = 0;
    std::uint64_t bytes_ = 0; // stored
    std::set<oci::Digest> stored_;
    bool cut_ = false;
};

} // namespace

std::unique_ptr<ImageFiles> stream_files(Source& stream, std::string name, std::uint64_t size, const StreamRules& rules,
                                         const std::stop_token& stop) {
    Item& item = rules.progress.add("archive", std::move(name), size);
    item.set(Stage::writing);
    auto files = std::make_unique<StreamFiles>(rules, stop);
    files->read_all(stream, item);
    item.set(Stage::written);
    return files;
}

} // namespace lade::transfer
