// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "base/fd.hpp"
#include "base/xattrs.hpp"
#include "unit/kind_of.hpp"
#include "unit/temporary.hpp"

using namespace lade;

namespace {

using Names = std::vector<std::string>;

struct Place {
    test::TemporaryDirectory dir;
    Fd root = open_at(AT_FDCWD, dir.path(), O_RDONLY | O_DIRECTORY);

    Fd file(const std::string& name) const { return open_at(root.get(), name, O_RDWR | O_CREAT, 0644); }
};

// Nobody in particular, for as long as this lives.
class Stranger {
public:
    Stranger() { REQUIRE(::seteuid(65534) == 0); }
    ~Stranger() { CHECK(::seteuid(0) == 0); }
    Stranger(const Stranger&) = delete;
    Stranger& operator=(const Stranger&) = delete;
};

} // namespace

TEST_SUITE("base") {
    TEST_CASE("xattrs by descriptor, by O_PATH descriptor and by name are the same") {
        const Place place;
        const Fd file = place.file("f");
        const std::string value(3000, '\0');
        CHECK(XattrsOf(file.get()).set("user.b", value) == 0);
        CHECK(XattrsOf(place.root.get(), "f").set("user.a", "") == 0);
        const Fd path = open_at(place.root.get(), "f", O_PATH | O_NOFOLLOW);
        for (const XattrsOf& one : {XattrsOf(file.get()), XattrsOf(path.get()), XattrsOf(place.root.get(), "f")}) {
            Names names = one.list();
            std::erase(names, "security.selinux");
            std::sort(names.begin(), names.end());
            CHECK(names == Names{"user.a", "user.b"});
            CHECK(one.find("user.a") == "");
            CHECK(one.find("user.b") == value);
            CHECK(one.find("user.c") == std::nullopt);
        }
        CHECK(XattrsOf(file.get()).remove("user.a") == 0);
        CHECK(XattrsOf(file.get()).remove("user.a") == ENODATA);
        // A link's own, of which it can have none of this kind.
        REQUIRE(::symlinkat("f", place.root.get(), "l") == 0);
        CHECK(XattrsOf(place.root.get(), "l").find("user.b") == std::nullopt);
        CHECK(XattrsOf(open_at(place.root.get(), "l", O_PATH | O_NOFOLLOW).get()).find("user.b") == std::nullopt);
        CHECK(test::kind_of([&] { XattrsOf(place.root.get(), "gone").list(); }) == ErrorKind::failed_precondition);
        CHECK(test::kind_of([&] { XattrsOf(place.root.get(), "gone").find("user.a"); }) ==
              ErrorKind::failed_precondition);
    }

    TEST_CASE("metadata is copied but for overlayfs's own marks, of links too") {
        const Place place;
        const Fd from = place.file("from");
        const Fd to = place.file("to");
        CHECK(XattrsOf(from.get()).set("user.a", "v") == 0);
        CHECK(XattrsOf(from.get()).set("user.overlay.opaque", "y") == 0);
        REQUIRE(::fchmod(from.get(), 04751) == 0);
        const std::array<timespec, 2> times{timespec{.tv_sec = 1, .tv_nsec = 2}, timespec{.tv_sec = 3, .tv_nsec = 4}};
        REQUIRE(::futimens(from.get(), times.data()) == 0);
        copy_metadata(from.get(), to.get());
        struct stat st {};
        REQUIRE(::fstat(to.get(), &st) == 0);
        CHECK((st.st_mode & 07777U) == 04751);
        CHECK(st.st_mtim.tv_sec == 3);
        CHECK(st.st_mtim.tv_nsec == 4);
        CHECK(st.st_atim.tv_nsec == 2);
        CHECK(XattrsOf(to.get()).find("user.a") == "v");
        CHECK(XattrsOf(to.get()).find("user.overlay.opaque") == std::nullopt);
        REQUIRE(::symlinkat("gone", place.root.get(), "l") == 0);
        const Fd link = open_at(place.root.get(), "l", O_PATH | O_NOFOLLOW);
        REQUIRE(::fstat(link.get(), &st) == 0);
        st.st_mtim = times[1];
        copy_metadata(link.get(), link.get(), st);
        REQUIRE(::fstat(link.get(), &st) == 0);
        CHECK(st.st_mtim.tv_nsec == 4);
    }

    TEST_CASE("an xattr that cannot be read is an error, not one that is missing in the copy") {
        if (::geteuid() != 0) {
            MESSAGE("needs root");
            return;
        }
        const Place place;
        const Fd from = place.file("from");
        const Fd to = place.file("to");
        CHECK(XattrsOf(from.get()).set("user.a", "v") == 0);
        REQUIRE(::fchmod(from.get(), 0) == 0);
        const Stranger stranger;
        CHECK(test::kind_of([&] { copy_xattrs(XattrsOf(from.get()), XattrsOf(to.get())); }) ==
              ErrorKind::permission_denied);
    }
}
