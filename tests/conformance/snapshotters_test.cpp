// SPDX-License-Identifier: Apache-2.0
// containerd's suite of snapshotters (containerd-store.md 6.6), for every kind that the machine has, on real mounts in
// a mount namespace of the test's own. What cannot apply here:
// - CloseTwice: a snapshotter holds descriptors, which close themselves; there is no call that could come twice.
// With LADE_CONFORMANCE_TABLE=<file>, a line "case<tab>kind<tab>ok, failed or the reason of a skip" is added for each
// (scripts/conformance-table).
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/process.hpp"
#include "base/text.hpp"
#include "store/fields.hpp"
#include "store/namespaces.hpp"
#include "store/settings.hpp"
#include "store/snapshots.hpp"
#include "unit/kind_of.hpp"
#include "unit/temporary.hpp"

using namespace lade;
using namespace lade::store;
using lade::test::kind_of;
namespace fs = std::filesystem;

namespace {

bool privileged() {
    return ::geteuid() == 0;
}

// Nobody else sees what is mounted here, and it ends with the process.
void leave_for_a_namespace_of_our_own() {
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
    test::TemporaryDirectory scratch_;
};

std::size_t& failures() {
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

void note(const std::string& row) {
    if (const char* table = std::getenv("LADE_CONFORMANCE_TABLE"))
        std::ofstream(table, std::ios::app) << row << '\n';
}

void run(const std::string& name, std::string_view kind, const std::string& root,
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

void each_kind(const std::string& name, const std::function<void(Space&)>& work) {
    leave_for_a_namespace_of_our_own();
    for (const std::string_view kind : snapshot::snapshotter_names()) {
        if (kind == "btrfs" && !find_program("mkfs.btrfs").empty()) {
            const BtrfsPlace place;
            run(name, kind, place.path(), work);
        } else {
            const test::TemporaryDirectory place;
            run(name, kind, place.path(), work);
        }
    }
}

void write(const std::string& path, const std::string& text, mode_t mode = 0644) {
    const Fd file = open_at(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, mode);
    write_all(file.get(), as_bytes(text), path);
    CHECK(::fchmod(file.get(), mode) == 0);
}

// Path -> type, mode, owner, links among each other, content or target.
using Tree = std::map<std::string, std::string>;

std::string facts(const fs::path& path, std::map<ino_t, std::string>& first_names, const std::string& name) {
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

Tree describe(const std::string& root) {
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
void check_layers(Space& space, const std::vector<Change>& changes) {
    const test::TemporaryDirectory flat;
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

void remove_all(const std::string& path) {
    fs::remove_all(path);
}

void chown_all(const std::string& root, uid_t uid) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root))
        CHECK(::lchown(entry.path().c_str(), uid, uid) == 0);
}

using Texts = std::vector<std::string>;

} // namespace

TEST_SUITE("snapshotters" * doctest::skip(!privileged())) {
    TEST_CASE("Basic") {
        each_kind("Basic", [](Space& space) {
            const Change initial = [](const std::string& root) {
                write(root + "/foo", "foo\n", 0777);
                fs::create_directories(root + "/a/b/c");
                write(root + "/a/b/c/old", "old\n");
            };
            const Change next = [](const std::string& root) {
                write(root + "/bar", "bar\n", 0777);
                write(root + "/foo", "foo is changed\n");
                remove_all(root + "/a/b");
            };
            const test::TemporaryDirectory flat;
            REQUIRE(::chmod(flat.path().c_str(), 0755) == 0);
            space.prepare("preparing");
            CHECK_FALSE(space.snapshots.mounts("preparing").empty());
            initial(flat.path());
            space.mounted("preparing", initial);
            space.commit("preparing", "committed");
            CHECK(space.snapshots.get("committed").parent.empty());
            CHECK(space.snapshots.get("committed").kind == SnapshotKind::committed);
            CHECK_FALSE(space.snapshots.find("preparing"));
            space.prepare("next", "committed");
            const Tree before = describe(flat.path());
            next(flat.path());
            const Tree after = describe(flat.path());
            space.mounted("next", [&](const std::string& root) {
                CHECK(describe(root) == before);
                next(root);
            });
            CHECK(space.snapshots.get("next").parent == "committed");
            CHECK(space.snapshots.get("next").kind == SnapshotKind::active);
            space.commit("next", "next-committed");
            CHECK(space.keys({}) == Texts{"committed", "next-committed"});
            space.view("view", "next-committed");
            space.mounted("view", [&](const std::string& root) { CHECK(describe(root) == after); });
            space.snapshots.remove("view");
            try {
                space.snapshots.remove("committed");
                FAIL_CHECK("was removed");
            } catch (const Error& error) {
                CHECK(error.kind() == ErrorKind::failed_precondition);
            }
            space.snapshots.remove("next-committed");
            space.snapshots.remove("committed");
            CHECK(space.snapshots.kind().list().empty());
        });
    }

    TEST_CASE("StatActive, StatCommitted, Transitivity") {
        each_kind("StatActive, StatCommitted, Transitivity", [](Space& space) {
            space.prepare("a");
            CHECK(space.snapshots.get("a").kind == SnapshotKind::active);
            CHECK(space.snapshots.get("a").parent.empty());
            space.mounted("a", [](const std::string& root) { write(root + "/f", "f"); });
            space.commit("a", "A");
            CHECK(space.snapshots.get("A").kind == SnapshotKind::committed);
            CHECK(space.snapshots.get("A").parent.empty());
            space.prepare("b", "A");
            space.commit("b", "B");
            CHECK(space.snapshots.get("B").parent == "A");
        });
    }

    TEST_CASE("PrepareViewFailing") {
        each_kind("PrepareViewFailing", [](Space& space) {
            space.prepare("p");
            space.view("v");
            for (const char* key : {"p", "v"}) {
                CHECK(kind_of([&] { space.prepare(key); }) == ErrorKind::already_exists);
                CHECK(kind_of([&] { space.view(key); }) == ErrorKind::already_exists);
            }
            CHECK(space.snapshots.kind().list().size() == 2);
        });
    }

    TEST_CASE("Update") {
        each_kind("Update", [](Space& space) {
            space.prepare("a");
            space.commit("a", "c");
            space.prepare("active", "c");
            space.view("view", "c");
            for (const char* key : {"c", "active", "view"}) {
                const Snapshot before = space.snapshots.get(key);
                CHECK(before.created == before.updated);
                Snapshot after = space.snapshots.update(key, {{"l1", "1"}, {"l2", "2"}}, {});
                CHECK(after.labels == oci::Labels{{"l1", "1"}, {"l2", "2"}});
                after = space.snapshots.update(key, {{"l1", "x"}}, {"labels.l1", "labels.l2"});
                CHECK(after.labels == oci::Labels{{"l1", "x"}});
                CHECK(space.snapshots.update(key, {{"n", "n"}}, {"labels"}).labels == oci::Labels{{"n", "n"}});
                CHECK(kind_of([&] { space.snapshots.update(key, {}, {"parent"}); }) == ErrorKind::invalid_argument);
                CHECK(after.created == before.created);
                CHECK(after.updated > before.updated);
                CHECK(after.kind == before.kind);
                CHECK(after.parent == before.parent);
            }
        });
    }

    TEST_CASE("Remove") {
        each_kind("Remove", [](Space& space) {
            for (int i = 0; i < 2; ++i) {
                space.prepare("k");
                space.mounted("k", [](const std::string& root) { write(root + "/f", "f"); });
                space.snapshots.remove("k");
                space.view("k");
                space.snapshots.remove("k");
            }
            for (int i = 0; i < 2; ++i) {
                space.prepare("a");
                space.commit("a", "base");
                space.snapshots.remove("base");
            }
            CHECK(space.snapshots.kind().list().empty());
        });
    }

    TEST_CASE("Walk, StatInWalk") {
        each_kind("Walk, StatInWalk", [](Space& space) {
            space.prepare("x");
            space.commit("x", "p");
            space.prepare("a", "p");
            space.prepare("a-wl", "p", {{"l", "1"}});
            space.view("v", "p", {{"l", "2"}});
            CHECK(space.keys({"labels.\"containerd.io/gc.root\""}) == Texts{"a", "a-wl", "p", "v"});
            CHECK(space.keys({"kind==active"}) == Texts{"a", "a-wl"});
            CHECK(space.keys({"kind==view,labels.l"}) == Texts{"v"});
            CHECK(space.keys({"kind==committed"}) == Texts{"p"});
            CHECK(space.keys({"name==a", "name==p"}) == Texts{"a", "p"});
            CHECK(space.keys({"parent==p"}) == Texts{"a", "a-wl", "v"});
            CHECK(space.keys({"parent!=\"\",labels.l==2"}) == Texts{"v"});
            for (const Snapshot& snapshot : space.snapshots.list()) {
                CHECK(space.snapshots.get(snapshot.key).id == snapshot.id);
                CHECK(space.snapshots.get(snapshot.key).labels == snapshot.labels);
            }
        });
    }

    TEST_CASE("LayerFileupdate") {
        each_kind("LayerFileupdate", [](Space& space) {
            // The same size and the same second: what changed must not be told by those.
            const auto at = [](const std::string& path, long second) {
                const std::array<timespec, 2> times{timespec{.tv_sec = second, .tv_nsec = 0},
                                                    timespec{.tv_sec = second, .tv_nsec = 0}};
                CHECK(::utimensat(AT_FDCWD, path.c_str(), times.data(), 0) == 0);
            };
            std::vector<Change> changes{[=](const std::string& root) {
                fs::create_directories(root + "/etc");
                write(root + "/etc/hosts", "mydomain 10.0.0.0");
                write(root + "/etc/profile", "PATH=/usr/bin");
                at(root + "/etc/hosts", 1000);
            }};
            for (int i = 1; i <= 5; ++i)
                changes.emplace_back([=](const std::string& root) {
                    write(root + "/etc/hosts", cat("mydomain 10.0.0.", i));
                    at(root + "/etc/hosts", 1000 + i / 2);
                    CHECK(::chmod((root + "/etc/profile").c_str(), i % 2 == 0 ? 0666 : 0600) == 0);
                });
            check_layers(space, changes);
        });
    }

    TEST_CASE("RemoveDirectoryInLowerLayer") {
        each_kind("RemoveDirectoryInLowerLayer", [](Space& space) {
            check_layers(space, {[](const std::string& root) {
                                     fs::create_directories(root + "/dir1");
                                     write(root + "/dir1/f1", "Something\n");
                                     write(root + "/dir1/f2", "2");
                                 },
                                 [](const std::string& root) {
                                     remove_all(root + "/dir1");
                                     fs::create_directories(root + "/dir1");
                                     write(root + "/dir1/f2", "new");
                                 },
                                 [](const std::string& root) { write(root + "/dir1/f3", "3"); }});
        });
    }

    TEST_CASE("Chown") {
        each_kind("Chown", [](Space& space) {
            check_layers(space, {[](const std::string& root) {
                                     fs::create_directories(root + "/opt/a/b/c");
                                     write(root + "/opt/a/b/f", "f");
                                     fs::create_symlink("f", root + "/opt/a/b/l");
                                 },
                                 [](const std::string& root) {
                                     chown_all(root, 1);
                                     remove_all(root + "/opt/a/b/f");
                                 }});
        });
    }

    TEST_CASE("DirectoryPermissionOnCommit") {
        each_kind("DirectoryPermissionOnCommit", [](Space& space) {
            check_layers(space, {[](const std::string& root) {
                                     for (const char* name : {"/dir1", "/dir2", "/dir3", "/dir4"}) {
                                         fs::create_directories(root + name);
                                         write(root + name + "/f1", "f1");
                                         CHECK(::lchown((root + name).c_str(), 1, 1) == 0);
                                     }
                                 },
                                 [](const std::string& root) {
                                     CHECK(::lchown((root + "/dir1").c_str(), 0, 0) == 0);
                                     remove_all(root + "/dir2");
                                     remove_all(root + "/dir3");
                                     fs::create_directories(root + "/dir3");
                                     remove_all(root + "/dir4");
                                 },
                                 [](const std::string& root) {
                                     CHECK(::lchown((root + "/dir1").c_str(), 1, 1) == 0);
                                     fs::create_directories(root + "/dir4");
                                     CHECK(::chmod((root + "/dir4").c_str(), 0700) == 0);
                                     write(root + "/dir3/f2", "2");
                                 }});
        });
    }

    TEST_CASE("RemoveIntermediateSnapshot") {
        each_kind("RemoveIntermediateSnapshot", [](Space& space) {
            space.prepare("a");
            space.commit("a", "base");
            space.prepare("b", "base");
            space.commit("b", "inter");
            space.prepare("top", "inter");
            CHECK(kind_of([&] { space.snapshots.remove("inter"); }) == ErrorKind::failed_precondition);
            for (const char* key : {"top", "inter", "base"})
                CHECK_NOTHROW(space.snapshots.remove(key));
            CHECK(space.snapshots.kind().list().empty());
        });
    }

    TEST_CASE("DeletedFilesInChildSnapshot") {
        each_kind("DeletedFilesInChildSnapshot", [](Space& space) {
            check_layers(space,
                         {[](const std::string& root) {
                              write(root + "/foo", "foo\n", 0777);
                              write(root + "/bar", "bar\n", 0777);
                          },
                          [](const std::string& root) { remove_all(root + "/bar"); }, [](const std::string&) {}});
        });
    }

    TEST_CASE("MoveFileFromLowerLayer") {
        each_kind("MoveFileFromLowerLayer", [](Space& space) {
            check_layers(space, {[](const std::string& root) {
                                     fs::create_directories(root + "/dir1");
                                     fs::create_directories(root + "/dir2");
                                     write(root + "/dir1/f1", "Something\n");
                                     write(root + "/dir2/f2", "2");
                                 },
                                 [](const std::string& root) {
                                     remove_all(root + "/dir1");
                                     fs::create_directories(root + "/dir1");
                                     write(root + "/dir1/f1", "again\n");
                                     fs::create_hard_link(root + "/dir1/f1", root + "/dir2/f3");
                                     remove_all(root + "/dir2/f2");
                                 },
                                 // Not one that has two names: overlayfs copies it up as one (index=off).
                                 [](const std::string& root) { write(root + "/dir1/f4", "4"); }});
        });
    }

    TEST_CASE("ViewReadonly") {
        each_kind("ViewReadonly", [](Space& space) {
            space.prepare("a");
            space.mounted("a", [](const std::string& root) { write(root + "/f", "f"); });
            space.commit("a", "one");
            space.prepare("b", "one");
            space.commit("b", "two");
            for (const char* parent : {"", "one", "two"}) {
                space.view("v", parent);
                space.mounted("v", [](const std::string& root) {
                    CHECK(::open((root + "/testfile").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0777) < 0);
                    CHECK(errno == EROFS);
                });
                space.snapshots.remove("v");
            }
        });
    }

    TEST_CASE("RootPermission") {
        each_kind("RootPermission", [](Space& space) {
            space.prepare("a");
            space.mounted("a", [](const std::string& root) {
                struct stat st {};
                REQUIRE(::stat(root.c_str(), &st) == 0);
                CHECK((st.st_mode & 07777U) == 0755);
            });
        });
    }

    TEST_CASE("Rename") {
        each_kind("Rename", [](Space& space) {
            const bool directories = space.snapshots.kind().form() == snapshot::TreeForm::whole;
            check_layers(space, {[](const std::string& root) {
                                     fs::create_directories(root + "/dir1/sub");
                                     fs::create_directories(root + "/somefiles");
                                     write(root + "/somefiles/f1", "f1");
                                     write(root + "/dir1/f2", "f2");
                                 },
                                 [=](const std::string& root) {
                                     fs::rename(root + "/somefiles/f1", root + "/somefiles/f1-renamed");
                                     fs::rename(root + "/dir1/f2", root + "/f2");
                                     if (directories)
                                         fs::rename(root + "/dir1", root + "/dir2");
                                 },
                                 [](const std::string& root) { write(root + "/somefiles/f1", "another"); }});
        });
    }

    TEST_CASE("128LayersMount") {
        each_kind("128LayersMount", [](Space& space) {
            std::vector<Change> changes;
            for (int i = 1; i <= 128; ++i)
                changes.emplace_back([i](const std::string& root) {
                    write(cat(root, '/', i), std::to_string(i));
                    write(root + "/bottom", cat("way at the ", i));
                    fs::create_directories(root + "/shared");
                    write(cat(root, "/shared/", i % 10), std::to_string(i));
                });
            check_layers(space, changes);
        });
    }
}
