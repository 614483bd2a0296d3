// SPDX-License-Identifier: Apache-2.0
#include "transfer/image_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <mutex>
#include <utility>
#include <vector>

#include "archive/members.hpp"
#include "archive/root.hpp"
#include "archive/tar.hpp"
#include "base/error.hpp"
#include "base/size.hpp"
#include "base/text.hpp"
#include "transfer/owned_file.hpp"

namespace lade::transfer {

namespace {

constexpr std::size_t max_depth = 64;
constexpr int max_links = 40;

class DirectoryFiles final : public ImageFiles {
public:
    explicit DirectoryFiles(Fd directory) : directory_(std::move(directory)), root_(directory_.get(), max_depth) {}

    std::optional<ImageFile> find(const std::string& name) const override {
        const auto file = find_open(name);
        if (!file)
            return std::nullopt;
        return ImageFile{.name = name, .number = 0, .size = size_of(*file, name), .digest = std::nullopt};
    }

    std::unique_ptr<Source> open(const ImageFile& file, std::uint64_t offset) const override {
        auto found = find_open(file.name);
        if (!found)
            throw Error(ErrorKind::unavailable, printable(file.name), ": was removed this moment");
        return std::make_unique<OwnedFile>(*std::move(found), file.name, offset);
    }

private:
    static std::uint64_t size_of(const Fd& file, const std::string& name) {
        struct stat st {};
        if (::fstat(file.get(), &st) != 0)
            throw_errno(errno, "stat ", printable(name));
        if (!S_ISREG(st.st_mode))
            throw Error(ErrorKind::invalid_argument, printable(name), ": is no regular file");
        return static_cast<std::uint64_t>(st.st_size);
    }

    std::optional<Fd> find_open(const std::string& name) const {
        const std::scoped_lock lock(mutex_);
        std::string path = archive::member_name(name);
        for (int links = 0; links <= max_links; ++links) {
            const std::size_t slash = path.rfind('/');
            const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash);
            const archive::Directory* const parent = root_.find(folder);
            if (parent == nullptr)
                return std::nullopt;
            const std::string last = path.substr(slash + 1);
            if (last == "..")
                return std::nullopt;
            std::array<char, PATH_MAX> target{};
            const ssize_t length = ::readlinkat(parent->fd.get(), last.c_str(), target.data(), target.size());
            if (length < 0)
                return find_at(parent->fd.get(), last, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
            const std::string_view text(target.data(), static_cast<std::size_t>(length));
            path = text.starts_with('/') ? std::string(text) : cat(parent->path, '/', text);
        }
        throw Error(ErrorKind::invalid_argument, "link ", printable(name), ": leads in a circle");
    }

    Fd directory_;
    mutable std::mutex mutex_;
    mutable archive::Root root_;
};

class TarFiles final : public ImageFiles {
public:
    explicit TarFiles(Fd file) : file_(std::move(file)) {
        archive::SkippingFile source(file_.get(), "archive");
        archive::TarReader tar(source);
        members_.read(tar, [&](const std::string& name, const archive::Entry& entry, std::uint64_t offset) {
            add(name, {.offset = offset, .length = entry.size});
        });
        cut_ = !tar.has_end_mark();
    }

    std::optional<ImageFile> find(const std::string& name) const override {
        const auto number = members_.find(name);
        if (!number)
            return std::nullopt;
        return ImageFile{.name = name, .number = *number, .size = places_[*number].length, .digest = std::nullopt};
    }

    std::unique_ptr<Source> open(const ImageFile& file, std::uint64_t offset) const override {
        return read_place(places_[file.number], offset);
    }

    bool is_cut() const noexcept override { return cut_; }

private:
    std::unique_ptr<Source> read_place(const archive::Extent& place, std::uint64_t offset) const {
        offset = std::min(offset, place.length);
        return std::make_unique<FileSource>(file_.get(), "archive", place.offset + offset, place.length - offset);
    }

    void add(const std::string& name, const archive::Extent& place) {
        if (const auto before = members_.find_file(name); before && is_same(places_[*before], place))
            return;
        members_.add_file(name, places_.size());
        places_.push_back(place);
    }

    bool is_same(const archive::Extent& one, const archive::Extent& other) const {
        if (one.length != other.length)
            return false;
        std::vector<std::byte> a(64 * kib);
        std::vector<std::byte> b(a.size());
        for (std::uint64_t at = 0; at < one.length;) {
            const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(a.size(), one.length - at));
            const std::size_t got = read_some_at(file_.get(), std::span(a).first(n), one.offset + at, "archive");
            const std::size_t also = read_some_at(file_.get(), std::span(b).first(got), other.offset + at, "archive");
            if (also == 0 || !std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(also), b.begin()))
                return false;
            at += also;
        }
        return true;
    }

    Fd file_;
    archive::Members members_;
    std::vector<archive::Extent> places_;
    bool cut_ = false;
};

} // namespace

std::string ImageFiles::read(const ImageFile& file, std::uint64_t limit) const {
    StringSink sink(static_cast<std::size_t>(limit), printable(file.name));
    const std::unique_ptr<Source> source = open(file, 0);
    copy(*source, sink);
    return sink.take();
}

std::optional<std::string> ImageFiles::find_text(const std::string& name, std::uint64_t limit) const {
    const auto file = find(name);
    return file ? std::optional(read(*file, limit)) : std::nullopt;
}

std::unique_ptr<ImageFiles> directory_files(Fd directory) {
    return std::make_unique<DirectoryFiles>(std::move(directory));
}

std::unique_ptr<ImageFiles> tar_files(Fd file) {
    return std::make_unique<TarFiles>(std::move(file));
}

} // namespace lade::transfer
