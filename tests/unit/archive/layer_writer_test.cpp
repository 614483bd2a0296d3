// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <sched.h>
#include <sys/mount.h>

#include <cstring>
#include <optional>
#include <random>

#include "archive/layer_writer.hpp"
#include "archive/tar_writer.hpp"
#include "base/tree.hpp"
#include "unit/archive/trees.hpp"

using namespace lade;
using namespace lade::archive;
using test::layer_of;
using test::listing_of;
using Tree = test::SampleTree;
namespace fs = std::filesystem;

namespace {

bool is_root() {
    return ::geteuid() == 0;
}

// What happens in a container: at random, and again at random with the same seed.
class Workload {
public:
    // `silent`: files are changed so that only their data tells.
    Workload(const Tree& tree, unsigned seed, bool silent = false) : tree_(tree), random_(seed), silent_(silent) {}

    void run(std::size_t steps) {
        while (steps-- > 0)
            step();
    }

private:
    static constexpr std::size_t pieces = 21;

    std::size_t pick(std::size_t below) { return random_() % below; }
    std::string name() { return cat(static_cast<char>('a' + pick(6)), pick(3) == 0 ? ".x" : ""); }

    std::optional<std::string> any(mode_t type = 0) {
        std::vector<std::string> all;
        for (const std::string& one : tree_.names())
            if (const mode_t is = tree_.stat(one).st_mode & S_IFMT; type == 0 ? true : is == type)
                all.push_back(one);
        if (all.empty())
            return std::nullopt;
        return all[pick(all.size())];
    }
    // A name that may be new, in a directory that is there.
    std::string place() {
        const auto parent = pick(4) == 0 ? std::nullopt : any(S_IFDIR);
        return parent ? *parent + "/" + name() : name();
    }
    std::string free_place() {
        std::string at = place();
        tree_.remove(at);
        // What was removed may have been what it is in.
        const std::size_t slash = at.rfind('/');
        return slash == std::string::npos || fs::exists(tree_.path(at.substr(0, slash))) ? at : name() + "-new";
    }
    std::string data() { return std::string(pick(3) * 3000 + pick(20), static_cast<char>('a' + pick(26))); }

    void step() {
        switch (pick(pieces)) {
        case 0:
        case 1:
        case 2: {
            const std::string at = free_place();
            tree_.remove(at).file(at, data(), pick(2) == 0 ? 0644 : 0755);
            return;
        }
        case 3:
        case 4: {
            const std::string at = free_place();
            tree_.remove(at).dir(at, pick(2) == 0 ? 0755 : 0700);
            return;
        }
        case 5:
            if (const auto at = any(S_IFREG))
                tree_.file(*at, data());
            return;
        case 6:
            if (const auto at = any())
                tree_.remove(*at);
            return;
        case 7:
        case 8:
            if (const auto from = any())
                rename(*from);
            return;
        case 9: {
            const std::string at = free_place();
            tree_.remove(at).symlink(name(), at);
            return;
        }
        case 10:
        case 11:
            if (const auto from = any(S_IFREG)) {
                const std::string at = free_place();
                if (fs::exists(tree_.path(*from)) && !fs::exists(fs::symlink_status(tree_.path(at))))
                    tree_.link(*from, at);
            }
            return;
        case 12:
            if (const auto at = any(); at && !S_ISLNK(tree_.stat(*at).st_mode))
                tree_.chmod(*at, S_ISDIR(tree_.stat(*at).st_mode) ? 0711 : 0640);
            return;
        case 13:
            if (const auto at = any(); at && is_root())
                tree_.chown(*at, static_cast<uid_t>(pick(3) * 3'000'000), 7);
            return;
        case 14:
            if (const auto at = any(S_IFREG))
                tree_.xattr(*at, cat("user.", name()), data().substr(0, 40));
            return;
        case 15:
            if (const auto at = any(S_IFDIR))
                tree_.xattr(*at, "user.d", name());
            return;
        case 16:
            if (const auto at = any())
                tree_.time(*at, static_cast<time_t>(pick(1'000'000'000)), static_cast<long>(pick(2) * 5));
            return;
        case 17: {
            const std::string at = free_place();
            tree_.remove(at);
            if (is_root() && pick(2) == 0)
                tree_.node(at, S_IFBLK | 0600U, 7, static_cast<unsigned>(pick(300)));
            else
                tree_.node(at, S_IFIFO | 0600U);
            return;
        }
        case 18:
            if (const auto at = any(S_IFREG))
                remake(*at);
            return;
        case 19:
            if (const auto at = any(S_IFREG); at && silent_)
                rewrite(*at);
            return;
        default:
            if (const auto at = any(S_IFDIR))
                empty_again(*at);
        }
    }

    // As mv has it: overlayfs without redirects refuses to rename a directory of a lower layer.
    void rename(const std::string& from) {
        const std::string to = place();
        const std::string old = tree_.path(from);
        const std::string fresh = tree_.path(to);
        if ((to + "/").starts_with(from + "/") || (from + "/").starts_with(to + "/"))
            return;
        tree_.remove(to);
        if (::rename(old.c_str(), fresh.c_str()) == 0)
            return;
        REQUIRE(errno == EXDEV);
        REQUIRE(std::system(cat("cp -a '", old, "' '", fresh, "'").c_str()) == 0);
        tree_.remove(from);
    }

    // Other data, and nothing that says so.
    void rewrite(const std::string& at) {
        const struct stat st = tree_.stat(at);
        const Fd file = open_at(AT_FDCWD, tree_.path(at), O_WRONLY);
        const std::string text(static_cast<std::size_t>(st.st_size), static_cast<char>('A' + pick(26)));
        write_all(file.get(), as_bytes(text), at);
        tree_.same_time(at, st);
    }

    // The same file, but no name of the old one.
    void remake(const std::string& at) {
        const struct stat st = tree_.stat(at);
        const std::string text = read_text(open_at(AT_FDCWD, tree_.path(at), O_RDONLY).get(), 1 << 20, at);
        tree_.remove(at).file(at, text);
        if (is_root())
            tree_.chown(at, st.st_uid, st.st_gid);
        tree_.chmod(at, st.st_mode & 07777U).same_time(at, st);
    }

    // A directory in place of itself, with some of what was in it.
    void empty_again(const std::string& at) {
        const std::string copy = tree_.path("") + "-copy";
        REQUIRE(std::system(cat("cp -a '", tree_.path(at), "' '", copy, "'").c_str()) == 0);
        tree_.remove(at).dir(at);
        for (const auto& entry : fs::directory_iterator(copy))
            if (pick(2) == 0)
                REQUIRE(std::system(cat("cp -a '", entry.path().string(), "' '", tree_.path(at), "/'").c_str()) == 0);
        fs::remove_all(copy);
    }

    const Tree& tree_;
    std::minstd_rand random_;
    bool silent_;
};

// A mount namespace of this thread's own, once.
bool can_mount() {
    static const bool can =
        is_root() && ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    return can;
}

class Overlay {
public:
    // Without `upper` it can only be read.
    Overlay(const std::string& place, const std::vector<std::string>& lowers, const std::string& upper = {})
        : place_(place) {
        fs::create_directories(place);
        std::string options = "lowerdir=" + join(lowers, ":") + ",index=off,redirect_dir=off,metacopy=off";
        if (!upper.empty()) {
            fs::create_directories(upper + "-work");
            options += ",upperdir=" + upper + ",workdir=" + upper + "-work";
        }
        mounted_ = ::mount("overlay", place.c_str(), "overlay", 0, options.c_str()) == 0;
    }
    ~Overlay() {
        if (mounted_)
            ::umount2(place_.c_str(), MNT_DETACH);
    }
    Overlay(const Overlay&) = delete;
    Overlay& operator=(const Overlay&) = delete;
    bool mounted() const noexcept { return mounted_; }
    Tree tree() const { return Tree(place_); }

private:
    std::string place_;
    bool mounted_ = false;
};

// Applies the layer to a copy of `lower`, which must become `upper`.
void check_round_trip(const std::string& layer, const Tree& lower, const Tree& upper, const std::string& scratch) {
    fs::remove_all(scratch);
    const Tree made = lower.copy(scratch);
    apply(layer, made);
    const auto want = upper.describe();
    const auto have = made.describe();
    for (const auto& one : want) {
        INFO(one.first);
        CHECK((have.contains(one.first) ? have.at(one.first) : "nothing") == one.second);
    }
    for (const auto& one : have)
        CHECK_MESSAGE(want.contains(one.first), one.first);
}

} // namespace

TEST_SUITE("archive") {
    TEST_CASE("a layer of everything makes the tree again") {
        const test::TemporaryDirectory place;
        const Tree upper(place.path("upper"));
        const std::string long_name(255, 'n');
        upper.dir("d", 0700).file("d/f", "text", 04755).symlink("../d/f", "d/l").link("d/f", "hard");
        upper.dir(long_name).dir(long_name + "/" + long_name).file(long_name + "/" + long_name + "/" + long_name, "x");
        upper.symlink(std::string(4000, 's'), "long").node("p", S_IFIFO | 0600U).file("bytes \xff\n\x1b", "x");
        upper.file("empty").xattr("empty", "user.key", std::string("\0\n=\xff", 4)).dir("sticky", 01777);
        upper.xattr("d", "user.d", "v").file("ns", "x").time("ns", 1, 1).time("d/l", 2, 999'999'999);
        if (is_root()) {
            upper.node("zero", S_IFCHR | 0666U, 1, 5).node("disk", S_IFBLK | 0660U, 4095, 1'048'575);
            upper.chown("ns", 3'000'000, 4'294'967'294).chown("long", 7, 8).chown("empty", 12, 34);
            upper.xattr("ns", "trusted.key", "v")
                .xattr("ns", "security.capability", std::string("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20));
            upper.link("ns", "ns-too");
        }
        const Tree lower(place.path("lower"));
        check_round_trip(layer_of(lower, upper), lower, upper, place.path("made"));
        const Fd root = upper.open();
        CHECK(listing_of(layer_of({.lower = -1, .upper = root.get()})).starts_with("./ bytes"));
        // The other way round, and nothing is left.
        check_round_trip(layer_of(upper, lower), upper, lower, place.path("made"));
    }

    TEST_CASE("the same trees give the same bytes, and no time is later than it may be") {
        const test::TemporaryDirectory place;
        const Tree lower(place.path("lower"));
        const Tree upper(place.path("upper"));
        upper.dir("d").file("d/old", "x").file("d/new", "x").file("gone").age().remove("gone");
        lower.file("gone");
        upper.time("d/old", 1000, 1).time("d/new", 3000, 1).time("d", 2000, 5);
        const LayerOptions options{.latest = EntryTime{.seconds = 2000, .nanoseconds = 0}};
        CHECK(layer_of(lower, upper) == layer_of(lower, upper));
        std::map<std::string, std::pair<std::int64_t, std::int64_t>> times;
        for (const Entry& entry : test::entries_of(layer_of(lower, upper, options)))
            times[entry.name] = {entry.mtime.seconds, entry.mtime.nanoseconds};
        CHECK(times["d/"] == std::pair<std::int64_t, std::int64_t>(2000, 0));
        CHECK(times["d/new"] == std::pair<std::int64_t, std::int64_t>(2000, 0));
        CHECK(times["d/old"] == std::pair<std::int64_t, std::int64_t>(1000, 1));
        CHECK(times.at(".wh.gone") == std::pair<std::int64_t, std::int64_t>(0, 0));
    }

    TEST_CASE("a whiteout is an empty file of root's without a mode, whose name may be the longest") {
        const test::TemporaryDirectory place;
        const Tree lower(place.path("lower"));
        const Tree upper(place.path("upper"));
        const std::string name(255, 'w');
        lower.dir("d").file("d/" + name);
        upper.dir("d");
        const std::string layer = layer_of(lower, upper);
        const Entry entry = test::entries_of(layer).back();
        CHECK(entry.name == "d/.wh." + name);
        CHECK(entry.type == EntryType::file);
        CHECK(entry.mode == 0);
        CHECK(entry.size == 0);
        check_round_trip(layer, lower, upper, place.path("made"));
    }

    TEST_CASE("a sparse file is as long as it is, and its holes are zeros") {
        const test::TemporaryDirectory place;
        const Tree lower(place.path("lower"));
        const Tree upper(place.path("upper"));
        upper.file("f", "begin");
        fs::resize_file(upper.path("f"), 20'000'001);
        const Fd file = open_at(AT_FDCWD, upper.path("f"), O_WRONLY);
        REQUIRE(::pwrite(file.get(), "middle", 6, 10'000'000) == 6);
        check_round_trip(layer_of(lower, upper), lower, upper, place.path("made"));
    }

    TEST_CASE("a tree deeper than any path, and a directory of very many names") {
        const test::TemporaryDirectory place;
        const Tree lower(place.path("lower"));
        const Tree upper(place.path("upper"));
        constexpr int depth = 3000;
        Fd at = upper.open();
        for (int i = 0; i < depth; ++i) {
            make_directory(at.get(), "deep", 0755);
            at = open_at(at.get(), "deep", O_RDONLY | O_DIRECTORY);
        }
        open_at(at.get(), "f", O_WRONLY | O_CREAT, 0644);
        upper.dir("wide");
        constexpr int width = 20'000;
        const Fd wide = open_at(AT_FDCWD, upper.path("wide"), O_RDONLY | O_DIRECTORY);
        for (int i = 0; i < width; ++i)
            open_at(wide.get(), std::to_string(i), O_WRONLY | O_CREAT, 0644);
        const std::vector<Entry> entries = test::entries_of(layer_of(lower, upper));
        CHECK(entries.size() == 1 + depth + 1 + 1 + width);
        CHECK(entries[depth + 1].name.size() == depth * 5 + 1);
        CHECK(test::entries_of(layer_of(upper, lower)).size() == 3);
        CHECK(layer_of(upper, upper).size() == 1024);
        remove_tree(upper.open().get(), "deep");
    }

    TEST_CASE("random changes: what the layer makes of the one tree is the other") {
        for (unsigned seed = 1; seed <= 40; ++seed) {
            INFO("seed ", seed);
            const test::TemporaryDirectory place;
            const Tree lower(place.path("lower"));
            Workload(lower, seed).run(60);
            lower.age();
            const Tree upper = lower.copy(place.path("upper"));
            Workload(upper, seed + 1000).run(40);
            const std::string layer = layer_of(lower, upper);
            check_round_trip(layer, lower, upper, place.path("made"));
            CHECK(layer == layer_of(lower, upper));
            check_round_trip(layer_of(upper, lower), upper, lower, place.path("back"));
        }
    }

    TEST_CASE("an overlay layer alone says what both trees say, byte for byte") {
        if (!can_mount()) {
            MESSAGE("needs root");
            return;
        }
        int compared = 0;
        for (unsigned seed = 1; seed <= 40; ++seed) {
            INFO("seed ", seed);
            const test::TemporaryDirectory place;
            const Tree bottom(place.path("bottom"));
            Workload(bottom, seed).run(60);
            bottom.age();
            const Tree middle(place.path("middle"));
            std::vector<std::string> lowers{bottom.root()};
            // Every other stack has two layers below.
            if (seed % 2 == 0) {
                const Overlay overlay(place.path("first"), lowers, middle.root());
                if (!overlay.mounted()) {
                    MESSAGE("overlayfs cannot be mounted here");
                    return;
                }
                Workload(overlay.tree(), seed + 1000).run(30);
                overlay.tree().age();
                lowers.insert(lowers.begin(), middle.root());
            }
            const Overlay below(place.path("below"),
                                lowers.size() > 1 ? lowers : std::vector{lowers[0], place.path("none")});
            const Tree lower = lowers.size() > 1 ? below.tree() : bottom;
            const Tree layer(place.path("layer"));
            const struct stat root = lower.stat("");
            layer.chmod("", root.st_mode & 07777U).same_time("", root);
            const Overlay merged(place.path("merged"), lowers, layer.root());
            REQUIRE(merged.mounted());
            Workload(merged.tree(), seed + 2000, true).run(30);

            const Fd down = lower.open();
            const Fd all = merged.tree().open();
            const std::string whole = layer_of({.lower = down.get(), .upper = all.get(), .share_inodes = true});
            check_round_trip(whole, lower, merged.tree(), place.path("made"));
            const Fd up = layer.open();
            const Trees trees{.lower = down.get(), .upper = up.get(), .marks = "trusted.overlay."};
            if (!can_compare_layer(trees, {}))
                continue;
            ++compared;
            CHECK(listing_of(layer_of(trees)) == listing_of(whole));
            CHECK(layer_of(trees) == whole);
        }
        CHECK(compared > 20);
    }

    TEST_CASE("an overlay layer that speaks of what does not lie in it cannot be compared alone") {
        if (!can_mount()) {
            MESSAGE("needs root");
            return;
        }
        const test::TemporaryDirectory place;
        const Tree lower(place.path("lower"));
        lower.dir("d").file("d/f", "x").link("d/f", "d/g").file("single", "x").age();
        const auto can = [&](const std::function<void(const Tree&)>& build) {
            const Tree layer(place.path("layer"));
            build(layer);
            const Fd down = lower.open();
            const Fd up = layer.open();
            const bool result =
                can_compare_layer({.lower = down.get(), .upper = up.get(), .marks = "trusted.overlay."}, {});
            fs::remove_all(layer.root());
            return result;
        };
        CHECK(can([](const Tree& t) { t.dir("d").file("d/f", "other").file("single", "y"); }));
        CHECK(can([](const Tree& t) { t.dir("d").xattr("d", "trusted.overlay.opaque", "y"); }));
        CHECK_FALSE(can([](const Tree& t) { t.dir("d").xattr("d", "trusted.overlay.opaque", "x"); }));
        CHECK_FALSE(can([](const Tree& t) { t.dir("e").xattr("e", "trusted.overlay.redirect", "/d"); }));
        CHECK_FALSE(can([](const Tree& t) { t.file("single").xattr("single", "trusted.overlay.metacopy", ""); }));
        // Copied up and not changed: only the whole tree says what became of its other name.
        CHECK_FALSE(can([&](const Tree& t) { t.dir("d").file("d/f", "x").same_time("d/f", lower.stat("d/f")); }));
    }
}
