// SPDX-License-Identifier: Apache-2.0
// Every snapshotter that the machine has, each in a store where it can work, on real mounts in a mount namespace of the
// test's own. For one test program.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/program.hpp"
#include "base/text.hpp"
#include "store/fields.hpp"
#include "store/namespaces.hpp"
#include "store/snapshots.hpp"
#include "unit/temporary.hpp"

namespace lade::test {

namespace fs = std::filesystem;
using namespace store;

// Nobody else sees what is mounted here, and it ends with the process.
inline void leave_for_a_namespace_of_our_own() {
    static const bool left =
        ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    REQUIRE(left);
}

// A directory on a fresh btrfs.
class BtrfsPlace {
public:
    BtrfsPlace() {
        const std::string image = scratch_.path("image");
        constexpr off_t size = off_t{512} << 20U;
        make_directory(AT_FDCWD, path(), 0700);
        REQUIRE(::ftruncate(open_at(AT_FDCWD, image, O_WRONLY | O_CREAT, 0600).get(), size) == 0);
        run_program(find_program("mkfs.btrfs"), {"-q", image}, {});
        snapshot::mount_at({{.type = "btrfs", .source = image, .point = {}, .options = {"loop"}}}, path());
    }
    ~BtrfsPlace() {
        attempt([&] { snapshot::unmount_all(path()); });
    }
    BtrfsPlace(const BtrfsPlace&) = delete;
    BtrfsPlace& operator=(const BtrfsPlace&) = delete;

    std::string path() const { return scratch_.path("mount"); }

private:
    TemporaryDirectory scratch_;
};

inline std::size_t& failures() {
    static std::size_t count = 0;
    return count;
}

struct FailureCounter : doctest::IReporter {
    explicit FailureCounter(const doctest::ContextOptions& /*options*/) {}
    void report_query(const doctest::QueryData& /*data*/) override {}
    void test_run_start() override {}
    void test_run_end(const doctest::TestRunStats& /*stats*/) override {}
    void test_case_start(const doctest::TestCaseData& /*data*/) override {}
    void test_case_reenter(const doctest::TestCaseData& /*data*/) override {}
    void test_case_end(const doctest::CurrentTestCaseStats& /*stats*/) override {}
    void test_case_exception(const doctest::TestCaseException& /*exception*/) override { ++failures(); }
    void subcase_start(const doctest::SubcaseSignature& /*signature*/) override {}
    void subcase_end() override {}
    void log_assert(const doctest::AssertData& data) override { failures() += data.m_failed ? 1 : 0; }
    void log_message(const doctest::MessageData& /*data*/) override {}
    void test_case_skipped(const doctest::TestCaseData& /*data*/) override {}
};
REGISTER_LISTENER("failures", 1, FailureCounter);

// One kind in one namespace of a store, with a lease of people, and a place to mount at.
class Space {
public:
    Space(const std::string& root, std::string_view kind)
        : store(root + "/store", Sync::none), snapshots(store, "default", kind), point_(root + "/point") {
        make_directory(AT_FDCWD, point_, 0700);
        Leases(store, "default").create({.id = "lease", .owner_lock = std::nullopt, .labels = {}, .created = {}});
    }

    void make(SnapshotKind kind, const std::string& key, const std::string& parent, const oci::Labels& labels = {}) {
        LeaseHold lease(store, "default", "lease");
        oci::Labels all{{std::string(oci::label::gc_root), "yes"}};
        all.insert(labels.begin(), labels.end());
        snapshots.create(kind, key, parent, all, lease, {});
    }
    void prepare(const std::string& key, const std::string& parent = "", const oci::Labels& labels = {}) {
        make(SnapshotKind::active, key, parent, labels);
    }
    void view(const std::string& key, const std::string& parent = "", const oci::Labels& labels = {}) {
        make(SnapshotKind::view, key, parent, labels);
    }
    void commit(const std::string& key, const std::string& name, const std::string& parent = "") {
        LeaseHold lease(store, "default", "lease");
        snapshots.commit_active(key, name, parent, {{std::string(oci::label::gc_root), "yes"}}, lease, {});
    }
    // `work` is given the directory where the snapshot is mounted.
    template <typename Work>
    void mounted(const std::string& key, Work work) {
        snapshot::mount_at(snapshots.mounts(key), point_);
        work(point_);
        CHECK(snapshot::unmount_all(point_) == 1);
    }
    std::vector<std::string> keys(const std::vector<std::string>& filters) {
        const Filter filter = Filter::parse(filters);
        std::vector<std::string> found;
        for (const Snapshot& snapshot : snapshots.list())
            if (filter.matches(fields(snapshot)))
                found.push_back(snapshot.key);
        return found;
    }

    Store store;
    Snapshots snapshots;

private:
    std::string point_;
};

inline void note(const std::string& row) {
    if (const char* table = std::getenv("LADE_CONFORMANCE_TABLE"))
        std::ofstream(table, std::ios::app) << row << '\n';
}

inline void run(const std::string& name, std::string_view kind, const std::string& root,
                const std::function<void(Space&)>& work) {
    CAPTURE(kind);
    if (const auto reason = snapshot::unusable(kind, root)) {
        MESSAGE(name << ": " << kind << ": skipped: " << *reason);
        note(cat(name, '\t', kind, '\t', *reason));
        return;
    }
    const std::size_t before = failures();
    Space space(root, kind);
    try {
        work(space);
    } catch (const Error& error) {
        FAIL_CHECK(kind << ": " << error.message());
    }
    note(cat(name, '\t', kind, '\t', failures() == before ? "ok" : "failed"));
}

inline void each_kind(const std::string& name, const std::function<void(Space&)>& work) {
    leave_for_a_namespace_of_our_own();
    for (const std::string_view kind : snapshot::snapshotter_names()) {
        if (kind == "btrfs" && !find_program("mkfs.btrfs").empty()) {
            const BtrfsPlace place;
            run(name, kind, place.path(), work);
        } else {
            const TemporaryDirectory place;
            run(name, kind, place.path(), work);
        }
    }
}

inline void write(const std::string& path, const std::string& text, mode_t mode = 0644) {
    const Fd file = open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    write_all(file.get(), as_bytes(text), path);
    CHECK(::fchmod(file.get(), mode) == 0);
}

// Path -> type, mode, owner, links among each other, content or target.
using Tree = std::map<std::string, std::string>;

inline std::string facts(const fs::path& path, std::map<ino_t, std::string>& first_names, const std::string& name) {
    struct stat st {};
    REQUIRE(::lstat(path.c_str(), &st) == 0);
    std::string text = cat(std::oct, st.st_mode, std::dec, ' ', st.st_uid, ':', st.st_gid);
    if (S_ISREG(st.st_mode)) {
        std::ifstream file(path, std::ios::binary);
        text += cat(' ', file.rdbuf()) +
                (st.st_nlink > 1 ? " as " + first_names.try_emplace(st.st_ino, name).first->second : "");
    }
    if (S_ISLNK(st.st_mode))
        text += " -> " + fs::read_symlink(path).string();
    return text;
}

inline Tree describe(const std::string& root) {
    std::map<std::string, fs::path> paths{{".", root}};
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root))
        paths.emplace(entry.path().lexically_relative(root).string(), entry.path());
    Tree tree;
    std::map<ino_t, std::string> first_names;
    for (const auto& [name, path] : paths)
        tree.emplace(name, facts(path, first_names, name));
    return tree;
}

using Change = std::function<void(const std::string& root)>;

// A snapshot for each change on top of the one before, and the same changes to a plain directory: the same tree after
// each of them, in the active one, in a view, and in one that is prepared on it.
inline void check_layers(Space& space, const std::vector<Change>& changes) {
    const TemporaryDirectory flat;
    REQUIRE(::chmod(flat.path().c_str(), 0755) == 0);
    std::string parent;
    for (std::size_t i = 0; i < changes.size(); ++i) {
        CAPTURE(i);
        const std::string key = cat("active-", i);
        space.prepare(key, parent);
        const Tree before = describe(flat.path());
        changes[i](flat.path());
        const Tree after = describe(flat.path());
        space.mounted(key, [&](const std::string& root) {
            CHECK(describe(root) == before);
            changes[i](root);
            CHECK(describe(root) == after);
        });
        parent = cat("layer-", i);
        space.commit(key, parent);
        space.view("view", parent);
        space.mounted("view", [&](const std::string& root) { CHECK(describe(root) == after); });
        space.snapshots.remove("view");
    }
}

} // namespace lade::test
