// SPDX-License-Identifier: Apache-2.0
// The words after `-o`, as the kernel wants them (registry-and-unpack.md 6).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lade::snapshot {

struct MountOptions {
    unsigned long flags = 0;       // MS_*, later words win
    unsigned long propagation = 0; // MS_SHARED, MS_PRIVATE, ... with MS_REC for the r-forms; 0: none asked for
    bool loop = false;             // the source is a file for a loop device
    bool direct_io = false;        // ... that bypasses the page cache
    // uidmap= and gidmap=: owners as they are to be seen (idmap.hpp). Both, or none.
    std::string uid_mapping;
    std::string gid_mapping;
    std::vector<std::string> data; // everything else: the file system's own
};

// invalid_argument: a word that had to be taken care of before (X-containerd.*).
MountOptions parse_mount_options(const std::vector<std::string>& words);

// The words of a comma list that may be configured for every overlay. invalid_argument names one that may not: those
// that say where layers are, those that tie a layer to the one below (index=on, redirect_dir, metacopy) or to this
// machine, and userxattr, which says where layers have their marks and follows from privilege alone.
std::vector<std::string> parse_configured_options(std::string_view text);

// Where an overlay's directories are, as its options say.
struct OverlayOptions {
    std::vector<std::string> lowers; // nearest first
    std::string upper;               // "": read-only
    std::string work;
    std::vector<std::string> others; // in their order
};
// Takes and gives the kernel's escapes: a backslash before a backslash, a comma and, between lowers, a colon.
OverlayOptions parse_overlay_options(const std::vector<std::string>& data);
std::vector<std::string> format_overlay_options(const OverlayOptions& options);

// Whether one of `words` is the option `name`, with a value or without.
bool names_option(const std::vector<std::string>& words, std::string_view name);

// The directory that all of `paths` have above them, with its slash; "" when that is no more than "/".
std::string common_directory(const std::vector<std::string>& paths);

} // namespace lade::snapshot
