// SPDX-License-Identifier: Apache-2.0
// Extended attributes, and the copy of all that belongs to a file besides its data.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lade {

// Whose xattrs: a link is not followed. Descriptors stay the caller's. Errors are those of throw_moved().
class XattrsOf {
public:
    // Of what the descriptor holds, O_PATH ones (links, devices) included.
    explicit XattrsOf(int fd);
    // Of what has this name, one component, in the directory.
    XattrsOf(int directory, const std::string& name);

    // All names; none where the file system has no xattrs.
    std::vector<std::string> list() const;
    // nullopt: it has none of that name, or none by now.
    std::optional<std::string> find(const std::string& xattr) const;
    // 0, or what errno says: what a refusal means is the caller's to know.
    int set(const std::string& xattr, std::string_view value) const;
    int remove(const std::string& xattr) const;

private:
    std::string path_;
    bool follow_; // the path is the descriptor's link, behind which lies the very object
};

// All that `from` has but overlayfs's own marks. What the file system of `to` does not take (ENOTSUP) is left out.
void copy_xattrs(const XattrsOf& from, const XattrsOf& to);

// Owner, xattrs, mode and times of what `from` holds, or held when it was `status`, in that order: a change of owner
// clears set-id bits and capabilities. A link has no mode of its own.
void copy_metadata(int from, int to, const struct stat& status);
void copy_metadata(int from, int to);

} // namespace lade
