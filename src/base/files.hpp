// SPDX-License-Identifier: Apache-2.0
// Whole-file and directory operations that the store is built of, durable replacement above all. Paths are relative to
// a directory descriptor that the caller keeps open.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.hpp"

namespace lade {

// Throws errno's error of a call on what was there a moment ago; failed_precondition when nothing, or something of
// another kind, is there by now.
[[noreturn]] void throw_moved(int code, std::string_view what);

// The link that leads to the very object that `fd` holds, for calls that take neither flags nor O_PATH descriptors. It
// is followed once and no further.
std::string proc_path(int fd);

// mkdir that accepts an existing directory.
void make_directory(int dir, const std::string& name, mode_t mode);

// Sets both times of what `name` is (a link is not followed) to 1970-01-01 00:00 UTC.
void set_epoch(int dir, const std::string& name);

// Makes every missing component of an absolute or relative path, each with `mode`.
void make_directories(const std::string& path, mode_t mode);

void sync_file(int fd, std::string_view what);
// The whole file system that `fd` lies on.
void sync_file_system(int fd, std::string_view what);
// The bytes that an ordinary user may still write there.
std::uint64_t free_bytes(int fd);

// Writes `name` so that a reader (or a reboot) sees the old text or the new one, never a part.
void replace_file(int dir, const std::string& name, std::string_view text, mode_t mode);

// The text of a small file, or nullopt when it does not exist. failed_precondition: something else is there.
std::optional<std::string> find_text(int dir, const std::string& name, std::size_t limit);

// The names in a directory except "." and "..", in byte order; an absent directory is empty.
std::vector<std::string> list_directory(int dir, const std::string& name);

} // namespace lade
