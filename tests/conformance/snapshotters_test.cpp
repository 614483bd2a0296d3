// SPDX-License-Identifier: Apache-2.0
// containerd's suite of snapshotters (containerd-store.md 6.6), for every kind that the machine has, on real mounts in
// a mount namespace of the test's own. What cannot apply here:
// - CloseTwice: a snapshotter holds descriptors, which close themselves; there is no call that could come twice.
// With LADE_CONFORMANCE_TABLE=<file>, a line "case<tab>kind<tab>ok, failed or the reason of a skip" is added for each
// (scripts/conformance-table).
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "conformance/each_kind.hpp"
#include "unit/kind_of.hpp"

using namespace lade;
using namespace lade::store;
using namespace lade::test;

namespace {

void remove_all(const std::string& path) {
    fs::remove_all(path);
}

void chown_all(const std::string& root, uid_t uid) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root))
        CHECK(::lchown(entry.path().c_str(), uid, uid) == 0);
}

using Texts = std::vector<std::string>;

bool privileged() {
    return ::geteuid() == 0;
}

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
            const TemporaryDirectory flat;
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
