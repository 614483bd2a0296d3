"""Containers as records: an image, a snapshot, a spec; nothing runs."""

import os
import random
import sqlite3
import time
import unittest

from support.broken import RegistryCase
from support.images import Image, Layer
from support.program import need_root

CONFIG = {
    "Env": ["PATH=/image/bin", "A=1"],
    "Entrypoint": ["/entry"],
    "Cmd": ["default"],
    "WorkingDir": "/work",
    "User": "bob",
    "StopSignal": "SIGINT",
    "Labels": {"from": "image", "both": "image"},
}
PASSWD = "root:x:0:0::/:/bin/sh\nbob:x:1000:1001::/:/bin/sh\n"


class Containers(RegistryCase):
    def setUp(self):
        super().setUp()
        need_root()
        lower = Layer().dir("etc").file("etc/passwd", "root:x:0:0::/:/bin/sh\n").file("etc/group", "wheel:x:10:bob\n")
        upper = Layer().dir("etc").file("etc/passwd", PASSWD).file("hello", "world")
        self.image = Image([lower, upper], change=lambda config, layers: config.update(config=CONFIG))
        self.ref = self.registry.add(self.image)
        (self.chain,) = self.lade.json("images", "pull", self.ref)["chain_ids"]

    def spec(self, id_="c1"):
        return self.lade.json("containers", "info", id_, "--spec")

    def keys(self, *args):
        return [one["key"] for one in self.lade.json("snapshots", *args, "ls")]

    def topics(self):
        database = sqlite3.connect(self.lade.root / "meta.db")
        return [topic for (topic,) in database.execute("SELECT topic FROM events ORDER BY id") if topic.startswith("/containers")]

    def test_create_and_info(self):
        result = self.lade.ok("containers", "create", "--label", "both=given", "--label", "mine=1", self.ref, "c1")
        self.assertEqual(result.out, "")
        record = self.lade.json("c", "info", "c1")
        self.assertEqual((record["id"], record["image"], record["snapshotter"], record["snapshot_key"]), ("c1", self.ref, "overlayfs", "c1"))
        self.assertEqual(record["runtime"], {"name": "io.containerd.runc.v2"})
        self.assertEqual(record["labels"], {"from": "image", "both": "given", "mine": "1", "io.containerd.image.config.stop-signal": "SIGINT"})
        process = record["spec"]["process"]
        self.assertEqual((process["args"], process["cwd"]), (["/entry", "default"], "/work"))
        self.assertEqual(process["env"], ["PATH=/image/bin", "A=1"])
        self.assertEqual(process["user"], {"uid": 1000, "gid": 1001, "additionalGids": [1001, 10]})
        self.assertEqual(record["spec"]["linux"]["cgroupsPath"], "/default/c1")
        snapshot = self.lade.json("snapshots", "info", "c1")
        self.assertEqual((snapshot["kind"], snapshot["parent"]), ("active", self.chain))
        in_ctrs_form = self.lade.ok("containers", "info", "c1").out
        for word in ('"ID": "c1"', '"SnapshotKey": "c1"', '"Runtime": {', '"Spec": {', '"CreatedAt": "', '"SandboxID": ""'):
            self.assertIn(word, in_ctrs_form)
        self.assertEqual(self.topics(), ["/containers/create"])

    def test_ls(self):
        self.assertEqual(self.lade.json("containers", "ls"), [])
        self.lade.ok("containers", "create", self.ref, "b")
        self.lade.ok("containers", "create", "--runtime", "other", "--label", "k=v", self.ref, "a")
        lines = self.lade.ok("containers", "list").out.splitlines()
        self.assertEqual([line.split() for line in lines], [["CONTAINER", "IMAGE", "RUNTIME"], ["a", self.ref, "other"], ["b", self.ref, "io.containerd.runc.v2"]])
        self.assertEqual(self.lade.ok("container", "ls", "-q").out, "a\nb\n")
        for wanted, filters in (("a\n", ["runtime.name==other"]), ("a\n", ["labels.k"]), ("a\nb\n", ["id==a", "id==b"]), ("a\nb\n", [f"image==\"{self.ref}\""]), ("", ["image==x"])):
            self.assertEqual(self.lade.ok("c", "ls", "-q", *filters).out, wanted, filters)

    def test_the_flags_of_the_spec(self):
        variables = self.scratch / "env"
        variables.write_text("# comment\n\nFILE=1\nA=file\n")
        self.lade.ok("c", "create", "--cwd", "/x", "--env", "A=2", "--env-file", variables, "--annotation", "k=v", "--mount", "type=bind,src=/s,dst=/d,options=rbind:ro",
                     "--net-host", "--read-only", "-t", "--hostname", "h", "-u", "7:8", "--cap-add", "CAP_SYS_ADMIN", "--cap-drop", "CAP_KILL", "--allow-new-privs",
                     "--memory-limit", "1000", "--cpu-quota", "5", "--cpu-period", "6", "--rootfs-propagation", "rslave", "--with-ns", "pid:/p", "--sandbox", "s", self.ref, "c1")
        spec = self.spec()
        process = spec["process"]
        self.assertEqual((process["cwd"], process["terminal"], process["noNewPrivileges"]), ("/x", True, False))
        self.assertEqual(process["env"], ["PATH=/image/bin", "TERM=xterm", "A=2", "FILE=1"])
        self.assertEqual(process["user"], {"uid": 7, "gid": 8, "additionalGids": [8]})
        self.assertIn("CAP_SYS_ADMIN", process["capabilities"]["bounding"])
        self.assertNotIn("CAP_KILL", process["capabilities"]["bounding"])
        self.assertEqual((spec["annotations"], spec["hostname"], spec["root"]), ({"k": "v"}, "h", {"path": "rootfs", "readonly": True}))
        self.assertEqual(spec["mounts"][-1], {"type": "bind", "source": "/s", "destination": "/d", "options": ["rbind", "ro"]})
        linux = spec["linux"]
        self.assertEqual((linux["resources"]["memory"], linux["resources"]["cpu"], linux["rootfsPropagation"]), ({"limit": 1000}, {"quota": 5, "period": 6}, "rslave"))
        self.assertEqual({one["type"]: one.get("path") for one in linux["namespaces"]}, {"ipc": None, "mount": None, "uts": None, "pid": "/p"})
        self.assertEqual(self.lade.json("c", "info", "c1")["sandbox"], "s")
        self.lade.ok("c", "create", "--privileged", self.ref, "c2")
        self.assertNotIn("maskedPaths", self.spec("c2")["linux"])

    def test_what_follows_the_id_is_the_containers(self):
        self.lade.ok("containers", "create", "--env", "A=9", self.ref, "c1", "sh", "-c", "echo --json", "-n", "--root", "--", "x")
        self.assertEqual(self.spec()["process"]["args"], ["/entry", "sh", "-c", "echo --json", "-n", "--root", "--", "x"])
        # Before the command they are the program's, wherever they stand.
        self.lade.ok("containers", "create", self.ref, "-n", "default", "c2", "--env=A=2", "ls", "--env=A=3")
        self.assertEqual(self.spec("c2")["process"]["args"], ["/entry", "ls", "--env=A=3"])
        self.assertIn("A=2", self.spec("c2")["process"]["env"])

    def test_with_a_config_file(self):
        config = self.scratch / "config.json"
        config.write_text('{"ociVersion": "1.0.2", "own": [1, 2]}')
        self.lade.ok("containers", "create", "--config", config, "--label", "a=b", "c1")
        self.assertEqual(self.spec(), {"ociVersion": "1.0.2", "own": [1, 2]})
        record = self.lade.json("containers", "info", "c1")
        self.assertEqual((record["image"], record["snapshot_key"], record["labels"]), ("", "", {"a": "b"}))
        self.assertEqual(self.lade.ok("c", "ls").out.splitlines()[1].split(), ["c1", "-", "io.containerd.runc.v2"])
        self.fails(self.lade.run("containers", "create", "-c", config, self.ref, "c2"), 2, "--config")
        config.write_text("[]")
        self.fails(self.lade.run("containers", "create", "-c", config, "c2"), 2, "not a JSON object")
        self.fails(self.lade.run("containers", "create", "-c", self.scratch / "none", "c2"), 3, "none")
        self.lade.ok("c", "rm", "c1")

    def test_on_a_root_file_system(self):
        rootfs = self.scratch / "rootfs"
        self.lade.ok("images", "unpack", self.ref, "--to", rootfs)
        self.lade.ok("containers", "create", "--rootfs", "--user", "bob", rootfs, "c1", "sh")
        self.assertEqual(self.spec()["root"], {"path": str(rootfs)})
        self.assertEqual(self.spec()["process"]["user"]["uid"], 1000)
        self.assertEqual(self.keys(), sorted(self.keys()))
        self.assertNotIn("c1", self.keys())
        self.fails(self.lade.run("containers", "create", "--rootfs", rootfs, "c2"), 2, "nothing to run")

    def test_label(self):
        self.lade.ok("containers", "create", self.ref, "c1")
        before = self.lade.json("c", "info", "c1")["labels"]
        out = self.lade.ok("containers", "label", "c1", "new=1", "from=", "flag").out.strip().split(",")
        self.assertEqual(dict(one.split("=") for one in out), {**{k: v for k, v in before.items() if k != "from"}, "new": "1", "flag": "true"})
        self.assertEqual(self.lade.json("containers", "label", "c1")["labels"], self.lade.json("c", "info", "c1")["labels"])
        self.assertEqual(self.topics(), ["/containers/create", "/containers/update"])
        self.fails(self.lade.run("containers", "label", "none", "a=b"), 3, "none")

    def test_a_container_keeps_its_snapshots(self):
        self.lade.ok("containers", "create", self.ref, "c1")
        self.lade.ok("images", "rm", self.ref)
        self.assertEqual(len(self.keys()), 3)
        self.assertEqual(self.lade.json("content", "ls"), [])
        self.lade.ok("containers", "rm", "c1")
        self.assertEqual(self.keys(), [])
        self.assertEqual(os.listdir(self.lade.root / "snapshots/overlayfs"), [])
        self.assertEqual(self.topics(), ["/containers/create", "/containers/delete"])

    def test_rm(self):
        for name in ("a", "b", "c"):
            self.lade.ok("containers", "create", self.ref, name)
        self.lade.ok("snapshots", "rm", "b")
        result = self.lade.run("containers", "rm", "a", "none", "b")
        self.fails(result, 3, "none")
        self.assertEqual(result.out, "")
        self.assertEqual([one["id"] for one in self.lade.json("c", "ls")], ["c"])
        self.assertNotIn("a", self.keys())
        kept = self.lade.ok("containers", "rm", "--keep-snapshot", "c")
        self.assertIn("c", self.keys())
        (lease,) = self.lade.json("leases", "ls")
        self.assertIn(lease["id"], kept.err)
        self.lade.ok("leases", "rm", lease["id"])
        self.assertNotIn("c", self.keys())
        self.fails(self.lade.run("containers", "rm"), 2)

    def test_under_a_lease(self):
        self.lade.ok("leases", "create", "--id", "keep")
        self.lade.ok("--lease", "keep", "containers", "create", self.ref, "c1")
        held = [(one["type"], one["key"]) for one in self.lade.json("leases", "resources", "keep")]
        self.assertIn(("snapshots/overlayfs", "c1"), held)
        self.assertFalse([key for _, key in held if key.startswith(("draft-", "extract-"))])
        self.lade.ok("--lease", "keep", "containers", "rm", "c1")
        self.assertNotIn(("snapshots/overlayfs", "c1"), [(one["type"], one["key"]) for one in self.lade.json("leases", "resources", "keep")])
        self.fails(self.lade.run("--lease", "none", "containers", "create", self.ref, "c2"), 3, "lease none")

    def test_a_failure_leaves_nothing(self):
        self.lade.ok("containers", "create", self.ref, "c1")
        whole = (self.keys(), sorted(os.listdir(self.lade.root / "snapshots/overlayfs")))
        for code, words, args in (
            (4, ["c1", "already exists"], [self.ref, "c1"]),
            (3, ["not found"], ["none", "c2"]),
            (2, ["must be 1 to 76"], [self.ref, "a/b"]),
            (3, ["eve", "/etc/passwd"], ["--user", "eve", self.ref, "c2"]),
            (2, ["capability"], ["--cap-add", "NONE", self.ref, "c2"]),
            (2, ["label"], ["--label", "k=" + "x" * 5000, self.ref, "c2"]),
            (2, ["label"], ["--snapshotter-label", "k=" + "x" * 5000, self.ref, "c2"]),
            (2, ["not known"], ["--snapshotter", "zfs", self.ref, "c2"]),
            (2, ["an id"], [self.ref]),
        ):
            self.fails(self.lade.run("containers", "create", *args), code, *words)
            self.assertEqual((self.keys(), sorted(os.listdir(self.lade.root / "snapshots/overlayfs"))), whole, args)
            self.assertEqual([one["id"] for one in self.lade.json("c", "ls")], ["c1"])
        self.assertEqual(self.lade.json("leases", "ls"), [])

    def test_a_snapshot_of_that_name(self):
        self.lade.ok("leases", "create", "--id", "keep")
        self.lade.ok("leases", "add", "keep", "snapshots/overlayfs", "c1")
        self.lade.ok("containers", "create", self.ref, "c1")
        self.lade.ok("containers", "rm", "--keep-snapshot", "c1")
        self.fails(self.lade.run("containers", "create", self.ref, "c1"), 4, "snapshot c1")
        self.assertEqual(self.lade.json("c", "ls"), [])

    def test_an_image_that_is_not_unpacked(self):
        self.lade.ok("images", "rm", self.ref)
        self.lade.ok("images", "pull", "--no-unpack", self.ref)
        self.assertEqual(self.keys(), [])
        self.lade.ok("containers", "create", "--snapshotter", "native", "--snapshotter-label", "s=l", self.ref, "c1")
        self.assertEqual(len(self.keys("--snapshotter", "native")), 3)
        info = self.lade.json("snapshots", "--snapshotter", "native", "info", "c1")
        self.assertEqual(info["labels"], {"s": "l"})
        self.assertEqual(open(info["path"] + "/hello").read(), "world")

    def test_many_at_once_and_one_wins_each_name(self):
        started = [self.lade.start("containers", "create", self.ref, f"c{i % 3}") for i in range(12)]
        codes = []
        for process in started:
            process.communicate(timeout=120)
            codes.append(process.returncode)
        self.assertEqual(sorted(codes), [0] * 3 + [4] * 9)
        self.assertEqual(len(self.keys()), 5)
        self.assertEqual(len(os.listdir(self.lade.root / "snapshots/overlayfs")), 5)

    def test_killed_at_any_moment(self):
        for i in range(20):
            process = self.lade.start("containers", "create", self.ref, "c1")
            # Not to wait for anything: so that the kill comes at another moment each time.
            time.sleep(random.random() * 0.04)
            process.kill()
            process.communicate()
            made = [one["id"] for one in self.lade.json("c", "ls")]
            self.assertEqual("c1" in self.keys(), "c1" in made)
            if made:
                self.lade.ok("containers", "rm", "c1")
            else:
                self.lade.ok("containers", "create", self.ref, "c1")
                self.lade.ok("containers", "rm", "c1")
            self.assertEqual(len(self.keys()), 2)
            self.assertEqual(len(os.listdir(self.lade.root / "snapshots/overlayfs")), 2)

    def test_snapshots_label_and_filters(self):
        self.lade.ok("containers", "create", self.ref, "c1")
        self.assertEqual(self.lade.ok("snapshots", "label", "c1", "a=1", "b=2").out, "a=1,b=2\n")
        self.assertEqual(self.lade.json("snapshots", "label", "c1", "a=")["labels"], {"b": "2"})
        self.assertEqual(self.lade.ok("snapshots", "label", "c1").out, "b=2\n")
        self.fails(self.lade.run("snapshots", "label", "none", "a=1"), 3, "none")
        listed = lambda *filters: [one["key"] for one in self.lade.json("snapshots", "ls", *filters)]
        self.assertEqual(listed("kind==active"), ["c1"])
        self.assertEqual(listed("labels.b==2"), ["c1"])
        self.assertEqual(listed(f'parent=="{self.chain}"'), ["c1"])
        self.assertEqual(len(listed("kind==committed", "name==c1")), 3)


if __name__ == "__main__":
    unittest.main()
