// SPDX-License-Identifier: Apache-2.0
#include "archive/root.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <deque>

#include "base/error.hpp"
#include "base/text.hpp"

namespace lade::archive {

namespace {

constexpr std::size_t cached_directories = 32;
constexpr int max_links = 255;
constexpr int directory_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;

Directory describe(Fd fd, std::string path) {
    struct stat st {};
    if (::fstat(fd.get(), &st) != 0)
        throw_errno(errno, "stat ", printable(path));
    return {.fd = std::move(fd), .path = std::move(path), .set_gid = (st.st_mode & S_ISGID) != 0};
}

std::string read_link(int fd) {
    std::string target(4096, '\0');
    const ssize_t size = ::readlinkat(fd, "", target.data(), target.size());
    if (size < 0)
        throw_errno(errno, "read link");
    target.resize(static_cast<std::size_t>(size));
    return target;
}

} // namespace

std::vector<std::string> clean_components(std::string_view path) {
    std::vector<std::string> clean;
    for (std::string& part : split(path, '/')) {
        if (part.empty() || part == ".")
            continue;
        if (part != "..")
            clean.push_back(std::move(part));
        else if (!clean.empty())
            clean.pop_back();
    }
    return clean;
}

void check_component(std::string_view name) {
    if (name.size() > NAME_MAX)
        throw Error(ErrorKind::invalid_argument, "a name of ", name.size(), " bytes, at most ", NAME_MAX,
                    " are possible: ", printable(name));
}

Root::Root(int fd, std::size_t depth, Resolver resolver) : fd_(fd), depth_(depth), resolver_(resolver) {}

Directory Root::top() const {
    return describe(open_at(fd_, ".", directory_flags), "");
}

void Root::forget() {
    index_.clear();
    recent_.clear();
}

void Root::set_gid_changed(const std::string& path, bool set_gid) {
    for (auto& [key, directory] : recent_)
        if (directory.path == path)
            directory.set_gid = set_gid;
}

const Directory& Root::keep(const std::string& path, Directory directory) {
    if (recent_.size() == cached_directories) {
        index_.erase(recent_.back().first);
        recent_.pop_back();
    }
    recent_.emplace_front(path, std::move(directory));
    index_[path] = recent_.begin();
    return recent_.front().second;
}

const Directory* Root::resolve(const std::string& path, Observer* observer) {
    if (const auto found = index_.find(path); found != index_.end()) {
        recent_.splice(recent_.begin(), recent_, found->second);
        return &recent_.front().second;
    }
    if (path.empty())
        return &keep(path, top());
    std::optional<Directory> directory = resolver_ == Resolver::kernel ? by_kernel(path) : std::nullopt;
    if (!directory)
        directory = by_walking(path, observer);
    return directory ? &keep(path, *std::move(directory)) : nullptr;
}

const Directory* Root::find_itself(const std::string& path) {
    if (const auto found = index_.find(path); found != index_.end() && found->second->second.path == path)
        return &found->second->second;
    if (auto directory = resolver_ == Resolver::kernel ? by_kernel(path) : std::nullopt)
        return &keep(path, *std::move(directory));
    Fd at = open_at(fd_, ".", directory_flags);
    for (const std::string& part : clean_components(path)) {
        struct stat st {};
        if (::fstatat(at.get(), part.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
            if (errno == ENOENT)
                return nullptr;
            throw_errno(errno, "stat ", printable(part));
        }
        if (!S_ISDIR(st.st_mode))
            return nullptr;
        at = open_at(at.get(), part, directory_flags);
    }
    return &keep(path, describe(std::move(at), path));
}

// Only what has no link on its way: then the text is the path, and marks made by path are unique.
std::optional<Directory> Root::by_kernel(const std::string& path) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(directory_flags) | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    // What ".." leads to depends on where links lead.
    if (path == ".." || path.starts_with("../") || path.find("/..") != std::string::npos)
        return std::nullopt;
    const std::vector<std::string> parts = clean_components(path);
    // The walker says which limit it is.
    if (parts.size() > depth_)
        return std::nullopt;
    const std::string clean = join(parts, "/");
    if (clean.empty())
        return top();
    const long fd = ::syscall(SYS_openat2, fd_, clean.c_str(), &how, sizeof how);
    if (fd >= 0)
        return describe(Fd(static_cast<int>(fd)), clean);
    if (errno == ENOSYS || errno == EPERM)
        resolver_ = Resolver::walker;
    // Whatever else is wrong, the walker finds out what and says it.
    return std::nullopt;
}

std::optional<Directory> Root::by_walking(const std::string& path, Observer* observer) {
    const auto steps = walk(path);
    return steps ? open_steps(*steps, observer) : std::nullopt;
}

void Root::go_down(std::vector<Step>& steps, Step step) const {
    if (steps.size() == depth_)
        throw Error(ErrorKind::resource_exhausted, "deeper than ", depth_, " directories");
    steps.push_back(std::move(step));
}

// nullopt: something on the way is no directory.
std::optional<std::vector<Root::Step>> Root::walk(const std::string& path) const {
    std::vector<Step> steps;
    std::deque<std::string> rest;
    for (std::string& part : split(path, '/'))
        rest.push_back(std::move(part));
    int links = 0;
    while (!rest.empty()) {
        const std::string name = std::move(rest.front());
        rest.pop_front();
        if (name.empty() || name == ".")
            continue;
        if (name == "..") {
            if (!steps.empty())
                steps.pop_back();
            continue;
        }
        check_component(name);
        const bool is_missing = !steps.empty() && !steps.back().fd;
        auto fd =
            is_missing ? std::nullopt : find_at(steps.empty() ? fd_ : steps.back().fd.get(), name, O_PATH | O_NOFOLLOW);
        if (!fd) {
            go_down(steps, {.name = name, .fd = Fd()});
            continue;
        }
        struct stat st {};
        if (::fstat(fd->get(), &st) != 0)
            throw_errno(errno, "stat ", printable(name));
        if (S_ISDIR(st.st_mode)) {
            go_down(steps, {.name = name, .fd = std::move(*fd)});
            continue;
        }
        if (S_ISCHR(st.st_mode) && st.st_rdev == ::makedev(0, 0)) {
            go_down(steps, {.name = name, .fd = Fd(), .whiteout = true});
            continue;
        }
        if (!S_ISLNK(st.st_mode))
            return std::nullopt;
        if (++links > max_links)
            throw Error(ErrorKind::invalid_argument, "too many links");
        const std::string target = read_link(fd->get());
        if (target.starts_with('/'))
            steps.clear();
        const std::vector<std::string> parts = split(target, '/');
        rest.insert(rest.begin(), parts.begin(), parts.end());
    }
    return steps;
}

// O_PATH descriptors cannot be synced or listed: each directory that is used is opened once more by its
// one-component name.
std::optional<Directory> Root::open_steps(const std::vector<Step>& steps, Observer* observer) const {
    Directory directory = top();
    for (const Step& step : steps) {
        std::string below = directory.child(step.name);
        if (!step.fd) {
            if (observer == nullptr)
                return std::nullopt;
            observer->changing(directory);
            if (step.whiteout && ::unlinkat(directory.fd.get(), step.name.c_str(), 0) != 0)
                throw_errno(errno, "replace whiteout ", printable(below));
            if (::mkdirat(directory.fd.get(), step.name.c_str(), 0755) != 0)
                throw_errno(errno, "create directory ", printable(below));
            const Fd made = open_at(directory.fd.get(), step.name, directory_flags);
            observer->made(directory, step.name, made.get(), step.whiteout);
        }
        directory = describe(open_at(directory.fd.get(), step.name, directory_flags), std::move(below));
    }
    return directory;
}

} // namespace lade::archive
