"""An ordinary user: root of a user namespace, with a range of owners, without one, and where there is none at all."""

import ast
import json
import os
import subprocess
import tarfile
import unittest
from pathlib import Path

from support import tree
from support.broken import RegistryCase
from support.images import Image, Layer
from support.program import BINARY, need_root, need_tools

# Has a name, which newuidmap asks for.
USER = 65534


def layers():
    """Owners, devices, whiteouts, an opaque directory, links into lower layers, set-id bits: what takes privilege."""
    first = Layer().dir("etc/").file("etc/passwd", "root", uid=0).file("etc/shadow", "x", uid=0, gid=42, mode=0o640)
    first.dir("home/", uid=1000, gid=1000, mode=0o700).file("home/f", "mine", uid=1000, gid=1000)
    first.dir("old/").file("old/a", "a").file("old/b", "b").file("gone", "x").file("su", "s", mode=0o4755)
    second = Layer().opaque("old").file("old/c", "c", uid=33, gid=33).whiteout("gone").link("home/g", "home/f", uid=1000, gid=1000)
    return [first, second]


class Rootless(RegistryCase):
    def setUp(self):
        super().setUp()
        need_root()
        need_tools("setpriv", "unshare")
        os.chmod(self.scratch, 0o755)
        self.home = self.scratch / "home"
        self.home.mkdir()
        os.chown(self.home, USER, USER)
        self.ranges = self.scratch / "ranges"
        self.ranges.write_text("")

    def as_user(self, *args, within=()):
        """Runs lade as the user, in a mount namespace where /etc/subuid and /etc/subgid are the file of the test."""
        script = f"mount --bind {self.ranges} /etc/subuid && mount --bind {self.ranges} /etc/subgid && exec \"$@\""
        prefix = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *within]
        prefix += ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"]
        return self.lade.run(*args, prefix=prefix, env={"HOME": str(self.home), "LADE_ROOT": "", "SHELL": "/bin/sh"})

    def done(self, *args, **more):
        result = self.as_user(*args, **more)
        self.assertEqual(result.code, 0, result.err)
        return result

    def grant(self):
        need_tools("newuidmap")
        self.ranges.write_text(f"someone:7:7\nnobody:100000:65000\n{USER}:200000:1000\n")

    def root(self):
        return self.home / ".local/share/lade"

    def paths(self, snapshotter, top):
        """Directories of a chain as the user's lade tells, top first."""
        found = []
        while top:
            info = self.done("snapshots", "--snapshotter", snapshotter, "info", "--json", top).json()
            found.append(info["path"])
            top = info["parent"]
        return found

    def describe(self, paths, overlay):
        """The tree as root of the user's namespace sees it."""
        source = Path(tree.__file__).read_text()
        mount = f"mount -t overlay overlay -o ro,userxattr,index=off,lowerdir={':'.join(paths)} /mnt" if overlay else f"mount --bind {paths[0]} /mnt"
        script = f"{mount} && exec /usr/bin/python3 -c \"$1\""
        program = f"import types\nmodule = types.ModuleType('tree')\nexec({source!r}, module.__dict__)\nprint(repr(module.describe('/mnt')))"
        result = self.done("unshare", "sh", "-c", script, "sh", program)
        described = ast.literal_eval(result.out)
        for facts in described.values():
            facts["xattrs"] = {name: value for name, value in facts["xattrs"].items() if not name.startswith("user.overlay.")}
        return described

    def expected(self, ref):
        """The same image as root of the machine has it."""
        flat = self.scratch / "flat"
        self.lade.ok("images", "pull", "--no-unpack", ref)
        self.lade.ok("images", "unpack", "--to", flat, ref)
        return tree.describe(flat)

    def test_with_owners_of_its_own_it_has_the_image_as_root_has_it(self):
        self.grant()
        ref = self.registry.add(Image(layers()))
        expected = self.expected(ref)
        for snapshotter in ("overlayfs", "native"):
            with self.subTest(snapshotter):
                pulled = self.done("images", "pull", "--progress", "none", "--print-chainid", "--snapshotter", snapshotter, ref)
                self.assertNotIn("warning", pulled.err)
                top = pulled.out.split(": ")[1].strip()
                got = self.describe(self.paths(snapshotter, top), snapshotter == "overlayfs")
                self.assertEqual(tree.differences(expected, got), [])
        # What belongs to others goes with a command of the user.
        self.assertNotEqual(os.listdir(self.root() / "snapshots/overlayfs"), [])
        self.done("images", "rm", ref)
        self.assertEqual(os.listdir(self.root() / "snapshots/overlayfs"), [])
        self.assertEqual(os.listdir(self.root() / "snapshots/native"), [])
        self.assertEqual(os.listdir(self.root() / "trash"), [])

    def test_the_layers_that_a_user_makes_are_those_that_root_makes(self):
        self.grant()
        ref = self.registry.add(Image(layers()))
        top = self.lade.json("images", "pull", ref)["chain_ids"][0]
        self.done("images", "pull", "--progress", "none", ref)
        made = [self.lade.json("snapshots", "diff", "--store", top), self.done("snapshots", "diff", "--store", "--json", top).json()]
        self.assertEqual(made[0]["diff_id"], made[1]["diff_id"])
        self.assertEqual(made[0]["digest"], made[1]["digest"])

    def test_without_owners_all_is_the_users_and_that_is_said_once(self):
        first, second = layers()
        first.add("dev/null", tarfile.CHRTYPE, major=1, minor=3)
        ref = self.registry.add(Image([first, second]))
        expected = self.expected(ref)
        del expected[b"dev/null"]
        pulled = self.done("images", "pull", "--progress", "none", "--print-chainid", ref)
        self.assertEqual(pulled.err.count("owners"), 1, pulled.err)
        self.assertEqual(pulled.err.count("devices"), 1, pulled.err)
        got = self.describe(self.paths("overlayfs", pulled.out.split(": ")[1].strip()), True)
        self.assertEqual(tree.differences(expected, got, ignore=("owner",)), [])
        self.assertEqual({facts["owner"] for facts in got.values()}, {(0, 0)})
        self.done("images", "rm", ref)
        self.assertEqual(os.listdir(self.root() / "snapshots/overlayfs"), [])

    def test_an_owner_beyond_the_range_is_refused_by_name(self):
        self.grant()
        ref = self.registry.add(Image([Layer().file("far", "x", uid=70000)]))
        self.fails(self.as_user("images", "pull", "--progress", "none", ref), 7, "far", "70000", "/etc/subuid")

    def test_without_a_namespace_snapshots_say_what_to_do_instead(self):
        ref = self.registry.add(Image(layers()))
        self.done("images", "pull", "--no-unpack", ref)
        # A namespace of root, in which there are to be no others.
        self.ranges.write_text("root:0:100000\n")
        refused = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\""
        nested = ["unshare", "--user", "--map-users=0,0,100000", "--map-groups=0,0,100000", "sh", "-c", refused, "sh"]
        self.fails(self.as_user("images", "unpack", ref, within=nested), 7, "overlayfs", "--to DIR")
        self.fails(self.as_user("unshare", "true", within=nested), 7, "user namespace")
        pulled = self.done("images", "pull", "--progress", "none", ref, within=nested)
        self.assertIn("not unpacked", pulled.err)
        told = self.done("plugins", "ls", "-d", "id==overlayfs", within=nested).out
        facts = dict(line.split(":", 1) for line in told.splitlines() if line)
        self.assertEqual(facts["Status"].strip(), "skip")
        self.assertIn("user namespace", facts["Reason"])
        flat = self.home / "flat"
        self.done("images", "unpack", "--progress", "none", ref, "--to", flat, within=nested)
        self.assertIn(b"old/c", tree.describe(flat))

    def test_a_directory_of_theirs_gets_files_of_theirs(self):
        self.grant()
        ref = self.registry.add(Image(layers()))
        self.done("images", "pull", "--progress", "none", "--no-unpack", ref)
        flat = self.home / "flat"
        self.done("images", "unpack", "--progress", "none", ref, "--to", flat)
        self.assertEqual({facts["owner"] for facts in tree.describe(flat).values()}, {(USER, USER)})

    def test_what_images_take_on_disk(self):
        """Of a store whose layers belong to owners that the user could not even look at."""
        self.grant()
        refs = [self.registry.add(Image([*layers(), Layer().file("own", name * 9000)]), name) for name in ("one", "two")]
        for ref in refs:
            self.done("images", "pull", "--progress", "none", ref)
        rows = {row["name"]: row for row in self.done("images", "ls", "--json").json()}
        self.assertEqual(set(rows), set(refs))
        root = self.root()
        size = {"content": {}, "unpacked": {}}
        for blob in (root / "content/blobs/sha256").iterdir():
            size["content"][blob.name] = blob.stat().st_size
        chains = {}
        for ref in refs:
            top = self.done("images", "unpack", "--progress", "none", "--json", ref).json()["chain_id"]
            chains[ref] = self.paths("overlayfs", top)
            for path in chains[ref]:
                size["unpacked"][path] = int(subprocess.run(["du", "-s", "-B1", path], capture_output=True, text=True, check=True).stdout.split()[0])
        closed = [path for path in chains[refs[0]] if (Path(path) / "home").exists()]
        self.assertTrue(any(os.stat(Path(path) / "home").st_uid == 100999 for path in closed), closed)
        shared = set(chains[refs[0]]) & set(chains[refs[1]])
        self.assertEqual(len(shared), 2)
        for ref, other in zip(refs, reversed(refs)):
            unpacked = rows[ref]["unpacked"]
            self.assertEqual(unpacked["size"], sum(size["unpacked"][path] for path in chains[ref]))
            self.assertEqual(unpacked["shared"], sum(size["unpacked"][path] for path in shared))
            self.assertEqual(unpacked["unique"], unpacked["size"] - unpacked["shared"])
            content = rows[ref]["content"]
            self.assertEqual(content["unique"] + content["shared"], content["size"])
            self.assertEqual(content["unique"] + rows[other]["content"]["size"], sum(size["content"].values()))
            self.assertEqual(rows[ref]["disk_size"], content["size"] + unpacked["size"])
        # What is said to be free without it is so.
        before = sum(size["content"].values())
        self.done("images", "rm", refs[0])
        after = sum(blob.stat().st_size for blob in (root / "content/blobs/sha256").iterdir())
        self.assertEqual(before - after, rows[refs[0]]["content"]["unique"])
        (row,) = self.done("images", "ls", "--json").json()
        self.assertEqual(row["unpacked"], {"size": rows[refs[1]]["unpacked"]["size"], "shared": 0, "unique": rows[refs[1]]["unpacked"]["size"]})

    def test_without_owners_or_a_namespace_images_are_measured_all_the_same(self):
        ref = self.registry.add(Image(layers()))
        self.done("images", "pull", "--progress", "none", ref)
        (row,) = self.done("images", "ls", "--json").json()
        self.assertGreater(row["unpacked"]["size"], 0)
        self.assertEqual(row["content"]["size"], sum(blob.stat().st_size for blob in (self.root() / "content/blobs/sha256").iterdir()))
        # Also where there is no namespace any more: without owners all of it is the user's.
        self.ranges.write_text("root:0:100000\n")
        refused = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\""
        nested = ["unshare", "--user", "--map-users=0,0,100000", "--map-groups=0,0,100000", "sh", "-c", refused, "sh"]
        told = self.done("images", "ls", "--json", within=nested)
        self.assertEqual(told.json(), [row])

    def test_privilege_is_named_where_it_is_the_reason(self):
        result = self.as_user("snapshots", "--snapshotter", "btrfs", "prepare", "x")
        if result.code == 0:
            self.skipTest("the scratch directory lies on btrfs")
        self.fails(result, 7, "store that lies on btrfs")
        self.assertNotIn("grant", result.err)

    def test_unshare_runs_commands_with_the_users_store(self):
        self.grant()
        shown = self.done("unshare", "sh", "-c", 'id -u; echo "$LADE_ROOT"; cat /proc/self/uid_map')
        uid, root, *maps = shown.out.splitlines()
        self.assertEqual((uid, root), ("0", str(self.root())))
        self.assertEqual([line.split() for line in maps], [["0", str(USER), "1"], ["1", "100000", "65000"], ["65001", "200000", "1000"]])
        self.assertEqual(self.as_user("unshare", "sh", "-c", "exit 7").code, 7)
        self.assertEqual(self.as_user("unshare", "/bin/sh", "-c", "kill -9 $$").code, -9)
        self.fails(self.as_user("unshare", "/no/such/program"), 3, "/no/such/program")
        # Flags after the command are its own.
        closed = self.home / "closed"
        closed.mkdir(mode=0o700)
        os.chown(closed, 0, 0)
        self.fails(self.as_user("unshare", "nosuchcmd", within=["env", f"PATH={closed}:{os.environ['PATH']}"]), 3, "nosuchcmd")
        self.assertEqual(self.done("unshare", "echo", "--json", "-n").out, "--json -n\n")

    def test_unshare_keeps_mounts_of_root_to_itself(self):
        point = self.scratch / "point"
        point.mkdir()
        self.lade.ok("unshare", "sh", "-c", f"mount -t tmpfs none {point} && touch {point}/f")
        self.assertEqual(os.listdir(point), [])

    def test_mounting_is_for_those_inside(self):
        self.done("snapshots", "prepare", "base")
        self.done("snapshots", "commit", "one", "base")
        self.done("snapshots", "prepare", "p", "one")
        target = self.home / "target"
        target.mkdir()
        for words in (["snapshots", "mount", target, "p"], ["snapshots", "unmount", target], ["images", "unmount", target]):
            self.fails(self.as_user(*words), 7, "lade unshare", "images unpack --to")
        script = '"$1" snapshots mount "$2" p; echo x > "$2/f"; "$1" snapshots unmount "$2"; ls "$2"; "$1" snapshots diff p | tar -tz'
        inside = self.done("unshare", "sh", "-ec", script, "sh", BINARY, target)
        self.assertEqual(inside.out.split(), ["./", "f"])


class Contained(RegistryCase):
    """Root as most containers have it, CI's among them: owners are its to give, nothing may be mounted."""

    def setUp(self):
        super().setUp()
        need_root()
        need_tools("setpriv")
        self.ref = self.registry.add(Image(layers()))

    def contained(self, *args):
        return self.lade.run(*args, prefix=["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"])

    def test_a_pull_keeps_the_image_and_says_why_it_is_not_unpacked(self):
        result = self.contained("images", "pull", "--progress", "none", self.ref)
        self.assertEqual(result.code, 0, result.err)
        for word in ("not unpacked", "CAP_SYS_ADMIN", "--snapshotter native", "images unpack --to"):
            self.assertIn(word, result.err)
        self.assertEqual(self.lade.run("images", "unpack", self.ref).code, 0)

    def test_what_needs_mounts_says_so(self):
        self.lade.ok("images", "pull", self.ref)
        point = self.scratch / "point"
        point.mkdir()
        for args in (
            ("images", "unpack", "--snapshotter", "overlayfs", self.ref),
            ("images", "unpack", "--snapshotter", "erofs", self.ref),
            ("images", "mount", self.ref, point),
            ("unshare", "true"),
        ):
            with self.subTest(args[:2]):
                self.fails(self.contained(*args), 7)
        status = {s["id"]: s["status"] for s in json.loads(self.contained("plugins", "ls", "--json").out)}
        self.assertEqual((status["overlayfs"], status["native"], status["erofs"]), ("skip", "ok", "skip"))

    def test_native_and_flat_trees_are_what_roots_are(self):
        self.assertEqual(self.contained("images", "pull", "--snapshotter", "native", self.ref).code, 0)
        whole = self.lade.chain_infos(self.lade.json("images", "unpack", "--snapshotter", "native", self.ref)["chain_id"], "native")[0]["path"]
        flat = [self.scratch / name for name in ("contained", "root")]
        self.assertEqual(self.contained("images", "unpack", "--to", flat[0], self.ref).code, 0)
        self.lade.ok("images", "unpack", "--to", flat[1], self.ref)
        want = tree.describe(flat[1])
        self.assertEqual(tree.differences(tree.describe(flat[0]), want), [])
        self.assertEqual(tree.differences(tree.describe(whole), want), [])


if __name__ == "__main__":
    unittest.main()
