// SPDX-License-Identifier: Apache-2.0
// Directories beneath a root, however hostile the names (safety.md 1.1). The kernel resolves what needs no
// symbolic link; everything else is walked component by component: links are followed inside the root,
// absolute targets begin at the root, ".." stays inside, a component that is missing is taken literally.
#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/fd.hpp"

namespace lade::archive {

// A directory below the root, open for use with the *at calls.
struct Directory {
    Fd fd;
    std::string path; // without links, relative to the root; "" is the root itself
    bool set_gid = false;

    std::size_t depth() const { return path.empty() ? 0 : 1 + static_cast<std::size_t>(std::ranges::count(path, '/')); }
    std::string child(std::string_view name) const {
        return path.empty() ? std::string(name) : path + "/" + std::string(name);
    }
};

enum class Resolver {
    kernel, // openat2 where the system has it
    walker, // the fallback alone
};

class Root {
public:
    // `fd` stays the caller's. Directories lie at most `depth` below it.
    Root(int fd, std::size_t depth, Resolver resolver = Resolver::kernel);

    // Told before a missing directory is made in `parent`, and after; `over_whiteout` when it took the place of one.
    class Observer {
    public:
        virtual ~Observer() = default;
        virtual void changing(const Directory& parent) = 0;
        virtual void made(const Directory& parent, const std::string& name, int fd, bool over_whiteout) = 0;
    };

    // The directory that `path` (no leading slash needed) leads to; missing ones are made, 0755. nullptr when something
    // on the way is no directory. Valid until the next call. invalid_argument: too many links, or a name that is too
    // long; resource_exhausted: too deep.
    const Directory* make(const std::string& path, Observer& observer) { return resolve(path, &observer); }
    // As make(), but nullptr also when one is missing.
    const Directory* find(const std::string& path) { return resolve(path, nullptr); }
    // The directory of that very path (in the form of Directory::path): nullptr also when a link is on the way, or is
    // it.
    const Directory* find_itself(const std::string& path);
    // Must follow any removal of a directory or a link.
    void forget();
    void set_gid_changed(const std::string& path, bool set_gid);

private:
    struct Step {
        std::string name;
        Fd fd;                 // empty: does not exist
        bool whiteout = false; // what an overlay layer says in place of "does not exist"
    };

    const Directory* resolve(const std::string& path, Observer* observer);
    std::optional<Directory> by_kernel(const std::string& path);
    std::optional<Directory> by_walking(const std::string& path, Observer* observer);
    std::optional<std::vector<Step>> walk(const std::string& path) const;
    void go_down(std::vector<Step>& steps, Step step) const;
    std::optional<Directory> open_steps(const std::vector<Step>& steps, Observer* observer) const;
    const Directory& keep(const std::string& path, Directory directory);
    Directory top() const;

    int fd_;
    std::size_t depth_;
    Resolver resolver_;
    std::list<std::pair<std::string, Directory>> recent_; // the last one used in front
    std::unordered_map<std::string, std::list<std::pair<std::string, Directory>>::iterator> index_;
};

// A component of a path that can be a name: at most 255 bytes, else invalid_argument.
void check_component(std::string_view name);

// The components of a path after lexical cleaning: no "", ".", or ".." (which cannot leave the top).
std::vector<std::string> clean_components(std::string_view path);

} // namespace lade::archive
