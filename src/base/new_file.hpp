// SPDX-License-Identifier: Apache-2.0
// A file that is written aside and gets its name when it is whole.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.hpp"
#include "base/stream.hpp"

namespace lade {

class NewFile {
public:
    // A file that is to be called `name` in `dir`, which the caller keeps open. Until commit() nobody sees it, and it
    // is gone with the process; where the file system knows no files without a name, it has one that begins with a dot.
    NewFile(int dir, std::string name, mode_t mode);
    // Without commit() nothing is left.
    ~NewFile();
    NewFile(const NewFile&) = delete;
    NewFile& operator=(const NewFile&) = delete;

    int fd() const noexcept { return file_.get(); }
    // In one step, in the place of whatever has the name; with `durable` a power cut does not undo it. Once.
    void commit(bool durable);

private:
    // False when something has the name.
    bool link(const std::string& name) const;

    int dir_;
    std::string name_;
    std::string temporary_; // "" while it has no name at all
    Fd file_;
};

// Into a file through a descriptor that the caller keeps open, from `offset` on.
class FileSink final : public Sink {
public:
    FileSink(int fd, std::string what, std::uint64_t offset = 0) : fd_(fd), what_(std::move(what)), offset_(offset) {}
    void write(std::span<const std::byte> bytes) override;

private:
    int fd_;
    std::string what_;
    std::uint64_t offset_;
};

// Makes an empty file one of `size` bytes, all zero, and gives it room, so that a disk that has none is known before
// the first of them is written; not where the file system cannot say.
void set_size(int fd, std::uint64_t size, std::string_view what);

// Where a path leads: the directory, open, and the name in it. A symbolic link at its end is followed. not_found: there
// is no such directory.
struct Place {
    Fd directory;
    std::string name;
};
Place open_place(const std::string& path);

// failed_precondition: what is at `path` already is no file that another one may take the place of.
void require_replaceable(const std::string& path);

} // namespace lade
