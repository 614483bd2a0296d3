"""Snapshots by hand: prepare, view, commit, mount, unmount, unpack, remove."""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path

from support.images import Image, Layer
from support.mounting import Inside, MountCase
from support.program import SANITIZED, Case, need_root

ROOT_LABEL = "containerd.io/gc.root"


class Making(Case):
    def setUp(self):
        super().setUp()
        need_root()

    def base(self, key="base", **files):
        """A committed snapshot with these files, written to its directory."""
        self.lade.ok("snapshots", "prepare", "work-" + key)
        path = self.lade.json("snapshots", "info", "work-" + key)["path"]
        for name, text in (files or {"a": "aaa"}).items():
            with open(os.path.join(path, name), "w") as file:
                file.write(text)
        self.lade.ok("snapshots", "commit", key, "work-" + key)
        return key

    def keys(self, *args):
        return self.lade.ok("snapshots", *args, "ls", "-q").out.split()

    def test_prepare_commit_view(self):
        self.base()
        made = self.lade.ok("snapshots", "prepare", "p", "base", "--label", "k=v", "--label", "empty=")
        self.assertEqual((made.out, made.err), ("", ""))
        info = self.lade.json("snapshots", "info", "p")
        self.assertEqual((info["kind"], info["parent"]), ("active", "base"))
        self.assertEqual(set(info["labels"]), {"k", ROOT_LABEL})
        self.assertRegex(info["labels"][ROOT_LABEL], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        committed = self.lade.json("snapshots", "commit", "--label", "n=1", "top", "p")
        self.assertEqual((committed["key"], committed["kind"], committed["parent"]), ("top", "committed", "base"))
        self.assertEqual(set(committed["labels"]), {"n", ROOT_LABEL})
        view = self.lade.json("snapshots", "view", "v", "top")
        self.assertEqual((view["kind"], view["parent"], view["labels"]), ("view", "top", {}))
        self.assertEqual(len(view["mounts"]), 1)
        self.assertEqual(self.keys(), ["base", "top", "v"])
        self.lade.ok("gc")
        self.assertEqual(self.keys(), ["base", "top", "v"])

    def test_what_holds_a_view(self):
        self.base()
        told = self.lade.ok("snapshots", "view", "v", "base").err
        (lease,) = self.lade.json("leases", "ls")
        self.assertIn(f"view v is held for 24 hours, by lease {lease['id']}", told)
        self.assertEqual([(one["type"], one["key"]) for one in self.lade.json("leases", "resources", lease["id"])], [("snapshots/overlayfs", "v")])
        self.assertIn("held by nothing", self.lade.ok("--no-gc", "snapshots", "view", "--no-lease", "w", "base").err)
        self.lade.ok("leases", "create", "--id", "mine")
        self.assertIn("by lease mine", self.lade.ok("--lease", "mine", "--no-gc", "snapshots", "view", "x", "base").err)
        self.lade.ok("gc")
        self.assertEqual(self.keys(), ["base", "v", "x"])
        self.lade.ok("leases", "rm", lease["id"], "mine")
        self.assertEqual(self.keys(), ["base"])

    def test_a_given_root_label_wins(self):
        self.lade.ok("--no-gc", "snapshots", "prepare", "p", "--label", f"{ROOT_LABEL}=")
        self.lade.ok("gc")
        self.assertEqual(self.keys(), [])

    def test_the_mounts_that_are_printed(self):
        self.base()
        lines = self.lade.ok("snapshots", "prepare", "-t", "/mnt/x", "p", "base").out.splitlines()
        self.assertEqual(len(lines), 1)
        self.assertRegex(lines[0], r"^mount -t overlay overlay /mnt/x -o workdir=\S+/work,upperdir=\S+/fs,lowerdir=\S+/fs")
        self.assertEqual(self.lade.ok("snapshots", "mounts", "/mnt/x", "p").out.splitlines(), lines)
        self.assertEqual(self.lade.ok("snapshots", "m", "--temp", "/mnt/x", "p").out.splitlines(), lines)
        (mount,) = json.loads(self.lade.ok("snapshots", "view", "--mounts", "v", "base").out)
        self.assertEqual((mount["Type"], mount["Target"], mount["Options"]), ("bind", "", ["ro", "rbind"]))
        self.assertTrue(os.path.isdir(mount["Source"]))
        (ours,) = self.lade.json("snapshots", "mounts", "/mnt/a b", "v")
        self.assertEqual((ours["type"], ours["source"], ours["target"]), ("bind", mount["Source"], "/mnt/a b"))
        text = self.lade.ok("snapshots", "mounts", "/mnt/it's", "v").out
        self.assertEqual(shlex.split(text)[4], "/mnt/it's")

    def test_every_kind_of_error(self):
        self.base()
        self.lade.ok("snapshots", "prepare", "p", "base")
        self.lade.ok("snapshots", "view", "v", "base")
        for code, word, *words in (
            (3, "none", "prepare", "x", "none"),
            (2, "not committed", "prepare", "x", "p"),
            (2, "not committed", "view", "x", "v"),
            (4, "already exists", "prepare", "p", "base"),
            (4, "already exists", "view", "base"),
            (4, "already exists", "commit", "base", "p"),
            (3, "none", "commit", "x", "none"),
            (5, "not active", "commit", "x", "v"),
            (5, "not active", "commit", "x", "base"),
            (2, "label", "prepare", "x", "--label", "k=" + "v" * 5000),
            (5, "committed", "mounts", "/mnt", "base"),
            (3, "none", "mounts", "/mnt", "none"),
            (5, "child", "rm", "base"),
            (3, "none", "rm", "none"),
            (2, "key", "prepare", ""),
            (2, "zfs", "--snapshotter", "zfs", "prepare", "x"),
            (2, "zfs", "--snapshotter", "zfs", "ls"),
            (2, "required", "prepare"),
            (2, "required", "commit", "x"),
            (2, "unknown flag", "view", "--rw", "x"),
        ):
            with self.subTest(words):
                self.fails(self.lade.run("snapshots", *words), code, word)
        self.assertEqual(self.keys(), ["base", "p", "v"])

    def test_rm_collects_what_only_it_kept(self):
        self.base()
        self.lade.ok("snapshots", "prepare", "p", "base")
        # From now on only what lies on it keeps it.
        self.lade.ok("snapshots", "label", "base", ROOT_LABEL + "=")
        path = self.lade.json("snapshots", "info", "base")["path"]
        self.lade.ok("--no-gc", "snapshots", "view", "--no-lease", "v", "base")
        self.lade.ok("snapshots", "rm", "--no-gc", "v")
        self.assertEqual(self.keys(), ["base", "p"])
        self.lade.ok("snapshots", "rm", "p")
        self.assertEqual(self.keys(), [])
        self.assertFalse(os.path.exists(path))

    def test_what_mount_cannot_take_is_said(self):
        self.base("0")
        for number in range(110):
            self.lade.ok("snapshots", "prepare", "w", str(number))
            self.lade.ok("snapshots", "commit", str(number + 1), "w")
        self.assertEqual(self.lade.ok("snapshots", "prepare", "few", "5", "-t", "/mnt").err, "")
        self.assertIn("snapshots mount", self.lade.ok("snapshots", "prepare", "many", "110", "-t", "/mnt").err)
        self.assertIn("snapshots mount", self.lade.ok("snapshots", "mounts", "/mnt", "many").err)
        self.assertEqual(self.lade.ok("snapshots", "mounts", "/mnt", "many", "--json").err, "")

    def test_rebase(self):
        self.base()
        self.base("other")
        self.lade.ok("snapshots", "prepare", "p")
        self.lade.ok("snapshots", "commit", "--parent", "base", "top", "p")
        self.assertEqual(self.lade.json("snapshots", "info", "top")["parent"], "base")
        self.lade.ok("snapshots", "prepare", "q", "base")
        self.fails(self.lade.run("snapshots", "commit", "--parent", "other", "x", "q"), 2, "other")
        self.lade.ok("snapshots", "commit", "--parent", "base", "x", "q")

    def test_the_namespaces_snapshotter_is_for_every_command(self):
        self.lade.ok("namespaces", "create", "default", "containerd.io/defaults/snapshotter=native")
        self.base()
        self.lade.ok("snapshots", "view", "v", "base")
        self.assertEqual(self.keys(), ["base", "v"])
        self.assertEqual(self.keys("--snapshotter", "overlayfs"), [])
        self.assertEqual(self.lade.json("snapshots", "info", "base")["snapshotter"], "native")
        self.assertEqual(self.lade.ok("snapshots", "tree", env={"CONTAINERD_SNAPSHOTTER": "overlayfs"}).out, "")
        self.lade.ok("snapshots", "usage", "v")
        self.lade.ok("snapshots", "why", "v")
        self.lade.ok("snapshots", "rm", "v", "base")

    def test_chain_ids_are_abbreviated(self):
        chains = ["sha256:" + digits + "0" * (64 - len(digits)) for digits in ("abcd1", "abcd2", "12345")]
        for chain in chains:
            self.base(chain)
        self.lade.ok("snapshots", "prepare", "p", "sha256:1234")
        self.assertEqual(self.lade.json("snapshots", "info", "p")["parent"], chains[2])
        self.lade.ok("snapshots", "view", "v", "abcd1")
        self.assertEqual(self.lade.json("snapshots", "info", "v")["parent"], chains[0])
        for command in ("info", "usage", "label", "why"):
            self.assertIn(chains[1], self.lade.ok("snapshots", command, "abcd2", "--json").out)
        self.fails(self.lade.run("snapshots", "info", "abcd"), 2, "ambiguous", chains[0], chains[1])
        self.fails(self.lade.run("snapshots", "prepare", "x", "abcd"), 2, "ambiguous")
        self.fails(self.lade.run("snapshots", "info", "ffff"), 3, "ffff")
        # A key is what it is.
        self.lade.ok("snapshots", "prepare", "abcd")
        self.assertEqual(self.lade.json("snapshots", "info", "abcd")["kind"], "active")
        # Active ones are not abbreviated.
        self.lade.ok("snapshots", "prepare", "sha256:" + "e" * 64)
        self.fails(self.lade.run("snapshots", "info", "eeee"), 3, "eeee")
        self.lade.ok("snapshots", "rm", "abcd2")
        self.assertNotIn(chains[1], self.keys())

    def test_events(self):
        self.base()
        self.lade.ok("snapshots", "view", "v", "base")
        topics = [event["topic"] for event in map(json.loads, self.lade.ok("events", "--json").out.splitlines())]
        self.assertEqual([topic for topic in topics if topic.startswith("/snapshot")], ["/snapshot/prepare", "/snapshot/commit"])


class Unpacking(MountCase):
    def test_unpack_by_digest(self):
        image = Image([Layer().file("a", "aaa"), Layer().file("b", "bbb")])
        ref = self.registry.add(image)
        self.lade.ok("images", "pull", "--no-unpack", ref)
        self.fails(self.lade.run("snapshots", "unpack", "sha256:" + "0" * 64), 3, "manifest")
        self.fails(self.lade.run("snapshots", "unpack", "x"), 2, "x")
        self.fails(self.lade.run("snapshots", "unpack", image.config["digest"]), 3, "manifest")
        digest = image.root
        result = self.lade.ok("snapshots", "unpack", digest)
        self.assertEqual(result.out, f"unpacking {digest} ({image.documents[digest][0]})...done\n")
        keys = self.lade.ok("snapshots", "ls", "-q").out.split()
        self.assertEqual(len(keys), 2)
        again = self.lade.json("snapshots", "--snapshotter", "native", "unpack", digest[7:19])
        self.assertEqual((again["digest"], again["name"]), (digest, ref))
        self.assertIn(again["chain_id"], keys)
        self.assertEqual(len(self.lade.ok("snapshots", "--snapshotter", "native", "ls", "-q").out.split()), 2)


class Mounting(MountCase):
    def base(self, key="base", parent="", script="echo aaa > a; mkdir d; echo x > d/x"):
        """A committed snapshot that a script made, mounted."""
        target = self.scratch / "work"
        target.mkdir(exist_ok=True)
        self.lade.ok("snapshots", "prepare", "work", *([parent] if parent else []))
        self.lade.ok("snapshots", "mount", target, "work")
        self.sh('cd "$1"; ' + script, target)
        self.lade.ok("snapshots", "unmount", target)
        self.lade.ok("snapshots", "commit", key, "work")
        return key

    def test_mount_and_unmount(self):
        self.base()
        target = self.directory("t a ü")
        self.lade.ok("snapshots", "prepare", "p", "base")
        result = self.lade.ok("snapshots", "mount", target, "p")
        self.assertEqual((result.out, result.err), ("", ""))
        self.assertEqual(self.mounted(), [str(target)])
        self.sh('cd "$1"; cat a; echo new > n; rm -r d', target)
        self.assertEqual(sorted(path.name for path in self.seen(target).iterdir()), ["a", "n"])
        self.fails(self.lade.run("snapshots", "rm", "p"), 5, "mounted at", str(target))
        self.fails(self.lade.run("snapshots", "mount", self.directory("two"), "p"), 5, "mounted at", str(target))
        self.assertEqual(self.lade.ok("snapshots", "unmount", target).out, "")
        self.assertEqual(self.mounted(), [])
        self.fails(self.lade.run("snapshots", "unmount", target), 5, "nothing is mounted", str(target))
        self.fails(self.lade.run("snapshots", "unmount", target / "none"), 3, "none")
        self.lade.ok("snapshots", "rm", "p")

    def test_what_is_printed_mounts(self):
        self.base()
        self.base("top", "base", "echo bbb > b; rm a")
        target = self.directory("t a ü")
        for command, key in (("prepare", "p"), ("view", "v")):
            text = self.lade.ok("snapshots", command, "-t", target, key, "top").out
            self.sh(text)
            self.assertEqual(sorted(path.name for path in self.seen(target).iterdir()), ["b", "d"])
            self.assertEqual(self.sh('echo x > "$1/w"', target, check=False).returncode == 0, key == "p")
            self.lade.ok("snapshots", "unmount", target)
            self.assertEqual(self.mounted(), [])

    def test_a_view_is_read_only(self):
        self.base()
        self.base("top", "base", "echo bbb > b")
        for parent in ("base", "top"):
            target = self.directory(f"v-{parent}")
            self.lade.ok("snapshots", "view", target.name, parent)
            self.lade.ok("snapshots", "mount", target, target.name)
            self.assertIn("Read-only", self.sh('echo x > "$1/w"', target, check=False).stderr)
            self.assertIn("Read-only", self.sh('rm "$1/a"', target, check=False).stderr)
        self.lade.ok("snapshots", "prepare", "p", "top")
        target = self.directory()
        self.lade.ok("snapshots", "mount", "--ro", target, "p")
        self.assertIn("Read-only", self.sh('rm "$1/a"', target, check=False).stderr)

    def test_native(self):
        self.lade.env["CONTAINERD_SNAPSHOTTER"] = "native"
        self.base()
        self.lade.ok("snapshots", "view", "v", "base")
        self.lade.ok("snapshots", "prepare", "p", "base")
        view, active = self.directory("view"), self.directory("active")
        self.lade.ok("snapshots", "mount", view, "v")
        self.lade.ok("snapshots", "mount", active, "p")
        self.assertIn("Read-only", self.sh('rm "$1/a"', view, check=False).stderr)
        self.sh('rm "$1/a"', active)
        self.assertTrue((self.seen(view) / "a").exists())
        self.fails(self.lade.run("snapshots", "rm", "p"), 5, str(active))
        self.lade.ok("snapshots", "unmount", active, view)
        self.assertEqual(self.mounted(), [])

    def test_unmount_takes_nothing_else(self):
        self.base()
        self.base("top", "base", "echo bbb > b")
        other = self.directory("other")
        self.sh('mount -t tmpfs none "$1"', other)
        self.fails(self.lade.run("snapshots", "unmount", other), 5, "umount", str(other))
        # An overlay of somebody else, also one that is partly made of ours, and a bind mount of a part of a snapshot.
        path = self.lade.json("snapshots", "info", "base")["path"]
        self.sh('cd "$1"; mkdir l u w m d; mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m; mount --bind "$2/d" d', other, path)
        for name in ("m", "d"):
            self.fails(self.lade.run("snapshots", "unmount", other / name), 5, "umount", str(other / name))
        self.sh('cd "$1"; mkdir m2; mount -t overlay overlay -o "lowerdir=$2:l" m2', other, path)
        self.fails(self.lade.run("snapshots", "unmount", other / "m2"), 5, "umount")
        # One of several targets is no reason to leave the others.
        self.lade.ok("snapshots", "view", "v", "top")
        target = self.directory()
        self.lade.ok("snapshots", "mount", target, "v")
        self.fails(self.lade.run("snapshots", "unmount", other, target), 5, str(other))
        self.assertEqual(self.mounted(), [str(other), str(other / "m"), str(other / "d"), str(other / "m2")])
        # What lies on something else goes as far as it is ours.
        self.lade.ok("snapshots", "mount", other, "v")
        self.lade.ok("snapshots", "mount", other, "v")
        self.lade.ok("snapshots", "unmount", other)
        self.assertEqual(self.mounted().count(str(other)), 1)

    def test_another_stores_snapshot_is_not_ours(self):
        self.base()
        self.lade.ok("snapshots", "view", "v", "base")
        target = self.directory()
        self.lade.ok("snapshots", "mount", target, "v")
        self.lade.ok("--root", self.scratch / "second", "namespaces", "create", "x")
        self.fails(self.lade.run("--root", self.scratch / "second", "snapshots", "unmount", target), 5, "umount")
        link = self.scratch / "link"
        link.symlink_to(self.lade.root)
        self.lade.ok("--root", link, "snapshots", "unmount", target)
        self.lade.ok("--root", link, "snapshots", "prepare", "p", "base")
        self.lade.ok("--root", link, "snapshots", "mount", target, "p")
        self.fails(self.lade.run("snapshots", "rm", "p"), 5, str(target))
        self.lade.ok("snapshots", "unmount", target)

    def test_a_store_of_a_strange_name(self):
        self.lade = Inside(self.scratch / "s t:o,r\\e ü", self.holder)
        self.base()
        self.base("top", "base", "echo bbb > b")
        self.lade.ok("snapshots", "prepare", "p", "top")
        target = self.directory()
        self.lade.ok("snapshots", "mount", target, "p")
        self.assertEqual(sorted(path.name for path in self.seen(target).iterdir()), ["a", "b", "d"])
        self.fails(self.lade.run("snapshots", "rm", "p"), 5, str(target))
        self.lade.ok("snapshots", "unmount", target)
        self.assertEqual(self.mounted(), [])

    def test_who_keeps_it_busy(self):
        self.base()
        self.lade.ok("snapshots", "prepare", "p", "base")
        target = self.directory()
        self.lade.ok("snapshots", "mount", target, "p")
        user = subprocess.Popen([*self.lade.prefix, "sh", "-c", 'cd "$1"; echo ready; exec cat', "sh", str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.assertEqual(user.stdout.readline(), b"ready\n")
        self.fails(self.lade.run("snapshots", "unmount", target), 6, "in use", f"process {user.pid} (cat)")
        user.stdin.close()
        user.stdout.close()
        user.wait()
        self.lade.ok("snapshots", "unmount", target)

    def test_collection_leaves_what_is_mounted(self):
        self.base()
        self.base("top", "base", "echo bbb > b")
        self.lade.ok("snapshots", "view", "v", "top")
        target = self.directory()
        self.lade.ok("snapshots", "mount", target, "v")
        self.lade.ok("snapshots", "rm", "v")
        for key in ("top", "base"):
            self.fails(self.lade.run("snapshots", "rm", key), 5, "mounted at", str(target))
            self.lade.ok("--no-gc", "snapshots", "label", key, f"{ROOT_LABEL}=")
        (lease,) = self.lade.json("leases", "ls")
        told = self.lade.ok("leases", "rm", lease["id"]).err
        self.assertEqual(len(re.findall(f"warning: snapshots/overlayfs/\\d+: mounted at {target}", told)), 2, told)
        self.assertEqual(sorted(path.name for path in self.seen(target).iterdir()), ["a", "b", "d"])
        self.assertEqual(self.lade.json("snapshots", "ls"), [])
        self.assertIn(str(target), self.lade.ok("gc", "--dry-run").err)
        self.lade.ok("snapshots", "unmount", target)
        self.assertNotIn("warning", self.lade.ok("gc").err)
        self.assertEqual(os.listdir(self.lade.root / "snapshots/overlayfs"), [])

    def test_volatile_ones_are_mounted_again_while_the_machine_runs(self):
        self.base()
        self.lade.ok("store", "config", "overlay-mount-options", "volatile")
        self.lade.ok("snapshots", "prepare", "p", "base")
        target = self.directory()
        for _ in range(3):
            self.lade.ok("snapshots", "mount", target, "p")
            self.sh('echo x >> "$1/n"', target)
            self.lade.ok("snapshots", "unmount", target)
        note = Path(self.lade.json("snapshots", "info", "p")["path"]).parent / "volatile-since"
        note.write_text("another boot\n")
        self.fails(self.lade.run("snapshots", "mount", target, "p"), 5, "volatile", "may be lost")
        self.assertEqual(self.mounted(), [])

    def test_one_of_many_mounts_it(self):
        """An upper directory serves one overlay; nothing is removed while it is being mounted."""
        self.base()
        self.lade.ok("snapshots", "prepare", "p", "base")
        targets = [self.directory(f"t{i}") for i in range(6)]
        for _ in range(2 if SANITIZED else 5):
            running = [self.lade.start("snapshots", "mount", target, "p") for target in targets]
            running.append(self.lade.start("snapshots", "rm", "p"))
            codes = []
            for process in running:
                process.communicate()
                codes.append(process.returncode)
            self.assertEqual(sum(code == 0 for code in codes), 1, codes)
            self.assertEqual(len(self.mounted()), int(codes[-1] != 0))
            if codes[-1] == 0:
                self.lade.ok("snapshots", "prepare", "p", "base")
            else:
                self.lade.ok("snapshots", "unmount", targets[codes.index(0)])

    def test_a_target_is_where_the_command_is(self):
        """Also where the kernel is told names that begin elsewhere."""
        self.base()
        long = "base"
        for i in range(70):
            self.lade.ok("--sync", "none", "snapshots", "prepare", "w", long)
            long = f"layer-{i}"
            self.lade.ok("--sync", "none", "snapshots", "commit", long, "w")
        self.lade.ok("snapshots", "prepare", "long", long)
        mapping = ("--label", "containerd.io/snapshot/uidmapping=0:100000:65536", "--label", "containerd.io/snapshot/gidmapping=0:100000:65536")
        self.lade.ok("snapshots", "prepare", *mapping, "remapped", "base")
        strange = Inside(self.scratch / "a,b", self.holder)
        for command in (("prepare", "w"), ("commit", "one", "w"), ("prepare", "w", "one"), ("commit", "two", "w"), ("prepare", "x", "two")):
            strange.ok("snapshots", *command)
        target = self.directory()
        inside = ["env", "-C", str(self.scratch)]
        for lade, key in ((self.lade, "long"), (self.lade, "remapped"), (strange, "x")):
            for name in ("target", "./target/../target"):
                done = subprocess.run([*lade.prefix, *inside, *lade.command("snapshots", "mount", name, key)[len(lade.prefix) :]], env=lade.env, capture_output=True, text=True)
                self.assertEqual((done.returncode, done.stderr), (0, ""), key)
                self.assertEqual(self.mounted(), [str(target)])
                lade.ok("snapshots", "unmount", target)

    def test_128_layers(self):
        parent = ""
        for i in range(128):
            self.lade.ok("--sync", "none", "snapshots", "prepare", "w", *([parent] if parent else []))
            path = self.lade.json("snapshots", "info", "w")["path"]
            with open(f"{path}/{i}", "w") as file:
                file.write(str(i))
            parent = f"layer-{i}"
            self.lade.ok("--sync", "none", "snapshots", "commit", parent, "w")
        target = self.directory()
        for command in ("view", "prepare"):
            self.lade.ok("snapshots", command, command, parent)
            self.lade.ok("snapshots", "mount", target, command)
            self.assertEqual({path.name for path in self.seen(target).iterdir()}, {str(i) for i in range(128)})
            if command == "prepare":
                self.sh('echo x > "$1/0"', target)
                self.fails(self.lade.run("snapshots", "rm", command), 5, str(target))
            self.lade.ok("snapshots", "unmount", target)
            self.lade.ok("snapshots", "rm", command)
        self.assertEqual(self.mounted(), [])

    def test_a_target_that_is_none(self):
        self.lade.ok("snapshots", "prepare", "p")
        self.fails(self.lade.run("snapshots", "mount", self.scratch / "none", "p"), 3, "none")
        (self.scratch / "file").touch()
        self.fails(self.lade.run("snapshots", "mount", self.scratch / "file", "p"), 5, "file")
        self.fails(self.lade.run("snapshots", "mount", self.scratch, "none"), 3, "none")
        self.assertEqual(self.mounted(), [])
