// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "archive/applier.hpp"
#include "archive/metadata.hpp"
#include "archive/root.hpp"
#include "archive/tree_pair.hpp"
#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/overlay_marks.hpp"
#include "base/text.hpp"
#include "base/xattrs.hpp"

namespace lade::archive {

namespace {

struct Found {
    Fd directory;       // empty: something else is there, or nothing
    bool other = false; // a file or a link
};

// Looks for a directory in one layer. `last` is set when no layer further down can matter: a whiteout or an
// opaque directory lies on the way.
Found look_in(int layer, const std::vector<std::string>& parts, std::string_view marks, bool& last) {
    Fd at = open_at(layer, ".", O_RDONLY | O_DIRECTORY);
    last = is_opaque(at.get(), marks);
    for (const std::string& part : parts) {
        struct stat st {};
        if (::fstatat(at.get(), part.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT)
                return {};
            throw_errno(errno, "stat ", printable(part));
        }
        if (!S_ISDIR(st.st_mode)) {
            last = true;
            return {.directory = Fd(), .other = !is_whiteout(st)};
        }
        at = open_at(at.get(), part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        last = last || is_opaque(at.get(), marks);
    }
    return {.directory = std::move(at), .other = false};
}

// Whether a directory above `parts` in the upper layer hides the layers below.
bool hidden_by(int upper, std::vector<std::string> parts, std::string_view marks) {
    bool last = false;
    parts.pop_back();
    look_in(upper, parts, marks, last);
    return last;
}

// Whether the layers below show a file or a link there, or above.
bool is_other(const std::vector<int>& lowers, const std::vector<std::string>& parts, std::string_view marks) {
    for (const int lower : lowers) {
        bool last = false;
        const Found found = look_in(lower, parts, marks, last);
        if (found.directory || found.other || last)
            return found.other;
    }
    return false;
}

// Whether the layers below show anything of that name in that directory.
bool is_below(const std::vector<int>& lowers, const std::vector<std::string>& directory, const std::string& name,
              std::string_view marks) {
    for (const int lower : lowers) {
        bool last = false;
        const Found found = look_in(lower, directory, marks, last);
        struct stat st {};
        if (found.directory && ::fstatat(found.directory.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0)
            return !is_whiteout(st);
        if (last)
            return false;
    }
    return false;
}

void drop_idle_whiteout(int upper, std::vector<std::string> directory, const std::vector<int>& lowers,
                        std::string_view marks) {
    const std::string name = std::move(directory.back());
    directory.pop_back();
    bool is_hidden = false;
    const Found found = look_in(upper, directory, marks, is_hidden);
    struct stat st {};
    // Something else took its place later, or the place of a directory above it.
    if (!found.directory || ::fstatat(found.directory.get(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        !is_whiteout(st) || (!is_hidden && is_below(lowers, directory, name, marks)))
        return;
    struct stat around {};
    if (::fstat(found.directory.get(), &around) != 0 || ::unlinkat(found.directory.get(), name.c_str(), 0) != 0)
        throw_errno(errno, "remove whiteout ", printable(name));
    Metadata::set_times(found.directory.get(), {around.st_atim, around.st_mtim});
}

} // namespace

bool settle(int upper, const Applied& applied, const std::vector<int>& lowers, Privilege privilege) {
    const std::string_view marks = overlay_marks(privilege);
    for (const std::string& path : applied.passed_through)
        if (is_other(lowers, clean_components(path), marks))
            return false;
    for (const std::string& path : applied.implied) {
        const std::vector<std::string> parts = clean_components(path);
        if (!parts.empty() && hidden_by(upper, parts, marks))
            continue;
        for (const int lower : lowers) {
            bool last = false;
            const Found found = look_in(lower, parts, marks, last);
            if (found.directory) {
                bool ignored = false;
                copy_metadata(found.directory.get(), look_in(upper, parts, marks, ignored).directory.get());
                break;
            }
            if (last)
                break;
        }
    }
    for (const std::string& path : applied.whiteouts)
        drop_idle_whiteout(upper, clean_components(path), lowers, marks);
    return true;
}

} // namespace lade::archive
