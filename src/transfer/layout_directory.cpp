// SPDX-License-Identifier: Apache-2.0
#include "transfer/layout_directory.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "base/fd.hpp"
#include "base/files.hpp"
#include "base/new_file.hpp"
#include "base/parallel.hpp"
#include "base/size.hpp"
#include "base/text.hpp"
#include "base/tree.hpp"
#include "oci/layout.hpp"
#include "transfer/verified_source.hpp"

namespace lade::transfer {

namespace {

// Whoever made the layout: what is larger is not read.
constexpr std::size_t max_text = 64 * mib;

class Directory {
public:
    Directory(const std::string& path, bool durable, const Patience& patience, const std::stop_token& stop)
        : path_(path),
          durable_(durable),
          stop_(stop),
          made_(make(path)),
          lock_(FileLock::acquire(open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY), LockMode::exclusive, patience,
                                  stop)) {}

    void add(const ArchiveContents& contents) {
        const std::vector<std::string> names = list_directory(lock_.fd(), ".");
        const bool is_empty = names.empty();
        if (!is_empty)
            check_marker();
        const Documents documents = plan_documents(contents);
        try {
            if (is_empty)
                put(oci::layout::marker, oci::layout::marker_text, 0444);
            add_files(contents.files);
            put(documents);
        } catch (...) {
            if (is_empty)
                attempt([&] { clear(); });
            throw;
        }
        if (durable_ && made_)
            sync_file(open_place(path_).directory.get(), path_);
    }

private:
    struct Documents {
        std::string index;
        std::string docker; // "" where there is none
    };

    static bool make(const std::string& path) {
        std::string name = path;
        while (name.size() > 1 && name.ends_with('/'))
            name.pop_back();
        struct stat status {};
        if (::stat(name.c_str(), &status) == 0) {
            if (!S_ISDIR(status.st_mode))
                throw Error(ErrorKind::failed_precondition, "is no directory");
            return false;
        }
        make_directories(name, 0755);
        return true;
    }

    void check_marker() const {
        const auto marker = find_text(lock_.fd(), std::string(oci::layout::marker), max_text);
        if (!marker)
            throw Error(ErrorKind::failed_precondition, "is neither empty nor an OCI image layout");
        oci::check_layout(*marker);
    }

    void put(std::string_view name, std::string_view text, mode_t mode) const {
        NewFile file(lock_.fd(), std::string(name), mode);
        write_all(file.fd(), as_bytes(text), name);
        file.commit(durable_);
    }

    // The folder that a file lies in, and its name there.
    std::pair<int, std::string> folder_of(const std::string& name) {
        const std::size_t slash = name.rfind('/');
        if (slash == std::string::npos)
            return {lock_.fd(), name};
        const std::string folder = name.substr(0, slash);
        auto known = folders_.find(folder);
        if (known == folders_.end()) {
            const auto [parent, last] = folder_of(folder);
            make_directory(parent, last, 0755);
            known = folders_.emplace(folder, open_at(parent, last, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)).first;
        }
        return {known->second.get(), name.substr(slash + 1)};
    }

    void add_files(const std::vector<Member>& files) {
        struct Job {
            const Member* member;
            int folder;
            std::string name;
        };
        std::vector<Job> jobs;
        jobs.reserve(files.size());
        for (const Member& file : files) {
            auto [folder, name] = folder_of(file.name);
            jobs.push_back({.member = &file, .folder = folder, .name = std::move(name)});
        }
        std::ranges::stable_sort(jobs, std::ranges::greater{}, [](const Job& job) { return job.member->size; });
        in_parallel(jobs.size(), copies_at_once(), stop_, [&](std::size_t i, const std::stop_token& stop) {
            const Job& job = jobs[i];
            if (!has_good(job.folder, job.name, *job.member, stop))
                add_file(job.folder, job.name, *job.member, stop);
        });
        if (durable_)
            for (const auto& [name, folder] : folders_)
                sync_file(folder.get(), name);
    }

    void add_file(int folder, const std::string& name, const Member& member, const std::stop_token& stop) const {
        NewFile file(folder, name, member.mode);
        set_size(file.fd(), member.size, member.name);
        FileSink sink(file.fd(), member.name);
        copy_member(member, sink, stop);
        if (durable_)
            sync_file(file.fd(), member.name);
        // The folder is synced once, when all are there.
        file.commit(false);
    }

    // What lies there may be anybody's, whatever it is called.
    static bool has_good(int folder, const std::string& name, const Member& member, const std::stop_token& stop) {
        Fd file(::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        struct stat status {};
        if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
            static_cast<std::uint64_t>(status.st_size) != member.size)
            return false;
        VerifiedSource source(std::make_unique<FileSource>(file.get(), name), *member.digest, member.size, name, stop);
        std::vector<std::byte> buffer(256 * kib);
        try {
            while (source.read(buffer) > 0)
                continue;
        } catch (const Error& error) {
            if (error.kind() != ErrorKind::data_loss)
                throw;
            return false;
        }
        member.item->set(Stage::exists);
        return true;
    }

    // Before anything is written: one that cannot be read is no place to add to.
    Documents plan_documents(const ArchiveContents& contents) const {
        const auto current = [&](std::string_view name) { return find_text(lock_.fd(), std::string(name), max_text); };
        Documents documents;
        if (const auto index = current(oci::layout::index))
            documents.index = oci::add_to_layout_index(*index, contents.index);
        else
            documents.index = oci::layout_index(contents.index);
        // Also where nothing of this is for docker, what is there may not go on saying what a name was.
        if (const auto docker = current(oci::docker_archive::manifest))
            documents.docker = oci::add_docker_images(*docker, contents.docker, docker_names(contents));
        else if (!contents.docker.empty())
            documents.docker = oci::list_docker_images(contents.docker);
        return documents;
    }

    static std::set<std::string> docker_names(const ArchiveContents& contents) {
        std::set<std::string> names;
        for (const ExportedImage& image : contents.images)
            if (auto name = oci::docker_name(image.name))
                names.insert(std::move(*name));
        return names;
    }

    void put(const Documents& documents) const {
        if (!documents.docker.empty())
            put(oci::docker_archive::manifest, documents.docker, 0644);
        put(oci::layout::index, documents.index, 0644);
    }

    // Only what was made here can be in it: it was empty, and is locked.
    void clear() {
        for (const std::string& name : list_directory(lock_.fd(), "."))
            remove_tree(lock_.fd(), name);
        if (made_)
            ::rmdir(path_.c_str());
    }

    const std::string path_;
    const bool durable_;
    const std::stop_token& stop_;
    const bool made_;
    FileLock lock_;
    std::map<std::string, Fd> folders_;
};

} // namespace

void write_layout(const std::string& path, const ArchiveContents& contents, bool durable, const Patience& patience,
                  const std::stop_token& stop) {
    doing([&] { return printable(path); }, [&] { Directory(path, durable, patience, stop).add(contents); });
}

} // namespace lade::transfer
