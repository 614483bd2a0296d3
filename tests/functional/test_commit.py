"""images commit: a new image of what was changed in a snapshot."""

import json
import os
import subprocess
from pathlib import Path

from support import tree
from support.images import DOCKER, OCI, Image, Layer, umoci_unpack
from support.kinds import KINDS, mounted, store_for
from support.mounting import MountCase
from support.program import BINARY, need_tools

CONFIG = {"Env": ["PATH=/bin", "A=1"], "Cmd": ["old"], "WorkingDir": "/w", "Labels": {"l": "old"}}


def change(config, layers):
    config.update(config=CONFIG, history=[{"created_by": f"layer {i}"} for i in range(len(layers))])


class Commit(MountCase):
    def setUp(self):
        super().setUp()
        lower = Layer().dir("d").file("d/x", "x").file("a", "aaa").file("gone", "g")
        upper = Layer().file("b", "bbb").link("b2", "b")
        self.image = Image([lower, upper], change=change)
        self.ref = self.registry.add(self.image)

    def pull(self, ref=None):
        (chain,) = self.lade.json("images", "pull", ref or self.ref)["chain_ids"]
        return chain

    def change(self, key, parent, script):
        target = self.scratch / ("work-" + key)
        target.mkdir()
        self.lade.ok("snapshots", "prepare", key, *([parent] if parent else []))
        self.lade.ok("snapshots", "mount", target, key)
        self.sh('cd "$1"; ' + script, target)
        self.lade.ok("snapshots", "unmount", target)
        return key

    def work(self, chain):
        return self.change("work", chain, 'rm gone; echo new > n; echo y >> d/x; mkdir e; mkfifo e/p; ln a a2; chmod 4755 b')

    def document(self, digest):
        return json.loads(self.lade.ok("content", "get", digest).out)

    def layout(self, digest, media_type):
        """The image as a layout that other programs read."""
        path = self.scratch / "layout"
        (path / "blobs").mkdir(parents=True)
        os.symlink(self.lade.root / "content/blobs/sha256", path / "blobs/sha256")
        (path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        size = len(self.lade.ok("content", "get", digest).out.encode())
        (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [{"mediaType": media_type, "digest": digest, "size": size, "annotations": {"org.opencontainers.image.ref.name": "t"}}]}))
        return path

    def test_commit(self):
        chain = self.pull()
        self.work(chain)
        digest = self.lade.ok("images", "commit", "-m", "a word", "-a", "me", "-c", "ENV A=2 B=3", "--change", "CMD [\"sh\"]", "--label", "k=v", "work", "new").out.strip()
        image = [one for one in self.lade.json("images", "ls") if one["name"].endswith("/new:latest")][0]
        self.assertEqual((image["name"], image["target"]["digest"], image["labels"]), ("docker.io/library/new:latest", digest, {"k": "v"}))
        manifest = self.document(digest)
        base = self.document(self.image.root)
        self.assertEqual(manifest["mediaType"], OCI + "manifest.v1+json")
        self.assertEqual(manifest["layers"][:2], base["layers"])
        self.assertEqual(manifest["layers"][2]["mediaType"], OCI + "layer.v1.tar+gzip")
        self.assertEqual(manifest["annotations"], {"org.opencontainers.image.base.digest": self.image.root, "org.opencontainers.image.base.name": self.ref})
        config = self.document(manifest["config"]["digest"])
        old = self.document(base["config"]["digest"])
        self.assertEqual(config["rootfs"]["diff_ids"][:2], old["rootfs"]["diff_ids"])
        self.assertEqual(config["history"][:2], old["history"])
        step = config["history"][2]
        self.assertEqual((step["created_by"], step["comment"], step["author"], config["author"]), ("lade images commit", "a word", "me", "me"))
        self.assertEqual(config["config"], {**CONFIG, "Env": ["PATH=/bin", "A=2", "B=3"], "Cmd": ["sh"]})
        # It is whole, and stays, and the snapshot too.
        self.lade.ok("gc")
        self.assertIn("complete (4/4)", self.lade.ok("images", "check", 'name==docker.io/library/new:latest').out)
        self.assertEqual(self.lade.json("snapshots", "info", "work")["kind"], "active")
        self.assertEqual(self.lade.json("leases", "ls"), [])
        # It unpacks to what the snapshot shows.
        self.lade.ok("images", "unpack", "new")
        seen, made = self.directory("seen"), self.directory("made")
        self.lade.ok("snapshots", "mount", "--ro", seen, "work")
        self.lade.ok("images", "mount", "new", made)
        self.assertEqual(tree.describe(str(self.seen(made))), tree.describe(str(self.seen(seen))))
        # Another on top of it, without unpacking it by name again.
        self.change("more", self.lade.json("images", "unpack", "new")["chain_id"], "echo 1 > one")
        made = self.lade.json("images", "commit", "more", "newer")
        self.assertEqual(made["base"], "docker.io/library/new:latest")
        self.assertEqual(len(self.document(made["target"]["digest"])["layers"]), 4)

    def test_every_snapshotter(self):
        for kind in KINDS:
            with self.subTest(kind):
                lade = store_for(self, kind)
                here = ("--snapshotter", kind)
                (chain,) = lade.json("images", "pull", *here, self.ref)["chain_ids"]
                lade.ok("snapshots", *here, "prepare", "work", chain)
                with mounted(lade, kind, "work", self.scratch / f"work-{kind}") as point:
                    (point / "gone").unlink()
                    (point / "d/x").write_text("changed")
                    (point / "n").mkdir()
                    os.link(point / "a", point / "n/a")
                    os.chown(point / "b", 5, 6)
                # Mounted anew: what was linked over erofs has its new inode number by one of its names only until then.
                with mounted(lade, kind, "work", self.scratch / f"seen-{kind}") as point:
                    want = tree.describe(str(point))
                lade.ok("images", "commit", *here, "work", "new")
                chain = lade.json("images", "unpack", *here, "new")["chain_id"]
                lade.ok("snapshots", *here, "prepare", "again", chain)
                with mounted(lade, kind, "again", self.scratch / f"again-{kind}") as point:
                    self.assertEqual(tree.differences(tree.describe(str(point)), want), [])

    def test_others_read_it(self):
        need_tools("skopeo", "umoci")
        self.work(self.pull())
        digest = self.lade.ok("images", "commit", "-c", "LABEL l=new", "work", "new").out.strip()
        layout = self.layout(digest, OCI + "manifest.v1+json")
        inspected = json.loads(subprocess.run(["skopeo", "inspect", f"oci:{layout}:t"], capture_output=True, check=True, stdin=subprocess.DEVNULL).stdout)
        self.assertEqual((inspected["Digest"], inspected["Labels"], len(inspected["Layers"])), (digest, {"l": "new"}, 3))
        subprocess.run(["skopeo", "copy", "-q", f"oci:{layout}:t", f"dir:{self.scratch}/copy"], check=True, stdin=subprocess.DEVNULL)
        self.lade.ok("images", "unpack", "new", "--to", self.scratch / "ours")
        theirs = umoci_unpack(layout, "t", self.scratch / "theirs")
        self.assertEqual(tree.describe(str(self.scratch / "ours")), tree.describe(str(theirs)))

    def test_the_same_again(self):
        self.work(self.pull())
        env = {"SOURCE_DATE_EPOCH": "1700000000"}
        one = self.lade.ok("images", "commit", "work", "one", env=env).out
        self.assertEqual(self.lade.ok("images", "commit", "work", "two", env=env).out, one)
        config = self.document(self.document(one.strip())["config"]["digest"])
        self.assertEqual((config["created"], config["history"][2]["created"]), ("2023-11-14T22:13:20Z",) * 2)

    def test_docker_stays_docker(self):
        ref = self.registry.add(Image([Layer().file("a", "a")], kind="docker", change=change), "docker")
        self.change("work", self.pull(ref), "echo b > b")
        self.fails(self.lade.run("images", "commit", "--media-type", OCI + "layer.v1.tar", "work", "new"), 2, "docker")
        made = self.lade.json("images", "commit", "work", "new")
        manifest = self.document(made["target"]["digest"])
        self.assertEqual((manifest["mediaType"], manifest["config"]["mediaType"]), (DOCKER + "distribution.manifest.v2+json", DOCKER + "container.image.v1+json"))
        self.assertEqual(manifest["layers"][1]["mediaType"], DOCKER + "image.rootfs.diff.tar.gzip")
        self.assertNotIn("annotations", manifest)

    def test_from_nothing(self):
        self.change("work", "", "echo a > a; mkdir -p usr/bin")
        made = self.lade.json("images", "commit", "--platform", "linux/arm64", "--media-type", OCI + "layer.v1.tar+zstd", "--level", "3", "-c", "ENTRYPOINT /a b", "work", "new")
        self.assertEqual((made["base"], made["layer"]["mediaType"]), (None, OCI + "layer.v1.tar+zstd"))
        config = self.document(self.document(made["target"]["digest"])["config"]["digest"])
        self.assertEqual((config["os"], config["architecture"], config["config"]), ("linux", "arm64", {"Entrypoint": ["/bin/sh", "-c", "/a b"]}))
        self.assertEqual(config["rootfs"]["diff_ids"], [made["diff_id"]])
        self.assertEqual(made["chain_id"], made["diff_id"])

    def test_which_base(self):
        chain = self.pull()
        self.work(chain)
        self.lade.ok("snapshots", "commit", "step", "work")
        self.change("more", "step", "echo m > m; rm n")
        # The nearest image below takes what both changed into one layer.
        made = self.lade.json("images", "commit", "more", "new")
        self.assertEqual((made["base"], len(self.document(made["target"]["digest"])["layers"])), (self.ref, 3))
        self.lade.ok("images", "unpack", "new", "--to", self.scratch / "flat")
        self.assertEqual(sorted(os.listdir(self.scratch / "flat")), ["a", "a2", "b", "b2", "d", "e", "m"])
        # All of it from nothing, which has no whiteouts.
        flat = self.lade.json("images", "commit", "--from", "scratch", "more", "flat")
        self.assertEqual(len(self.document(flat["target"]["digest"])["layers"]), 1)
        # Another image of the same layers; names of one image are one.
        self.lade.ok("images", "tag", self.ref, "again")
        self.lade.ok("images", "commit", "more", "new2")
        other = Image([Layer().dir("d").file("d/x", "x").file("a", "aaa").file("gone", "g"), Layer().file("b", "bbb").link("b2", "b")], change=lambda config, layers: config.update(author="twin"))
        other_ref = self.registry.add(other, "twin")
        self.assertEqual(self.pull(other_ref), chain)
        self.fails(self.lade.run("images", "commit", "more", "new3"), 5, "--from", self.ref, other_ref)
        self.assertEqual(self.lade.json("images", "commit", "--from", other_ref, "more", "new3")["base"], other_ref)
        # One that it does not lie on.
        unrelated = self.registry.add(Image([Layer().file("u", "u")]), "unrelated")
        self.pull(unrelated)
        self.fails(self.lade.run("images", "commit", "--from", unrelated, "more", "new4"), 5, "does not lie on")
        self.change("own", "", "echo 1 > 1")
        self.lade.ok("snapshots", "commit", "own-base", "own")
        self.lade.ok("snapshots", "prepare", "on-own", "own-base")
        self.fails(self.lade.run("images", "commit", "on-own", "new4"), 5, "--from")

    def test_every_kind_of_error(self):
        self.work(self.pull())
        self.lade.ok("images", "commit", "work", "new")
        before = self.lade.json("images", "ls")
        for code, word, *words in (
            (4, "already exists", "work", "new"),
            (3, "none", "none", "x"),
            (2, "reference", "work", "A:B:C"),
            (3, "commit work: image none", "--from", "none", "work", "x"),
            (2, "not a JSON list of strings such as", "-c", 'CMD ["a"', "work", "x"),
            (2, "ONBUILD", "-c", "ONBUILD x", "work", "x"),
            (2, "EXPOSE", "-c", "EXPOSE http", "work", "x"),
            (2, "ENV", "-c", "ENV", "work", "x"),
            (2, "key=value", "-c", "ENV a=b c", "work", "x"),
            (2, "quote", "-c", "LABEL a='b", "work", "x"),
            (2, "level", "--level", "99", "work", "x"),
            (1, "type", "--media-type", "text/plain", "work", "x"),
            (2, "SOURCE_DATE_EPOCH", "work", "x"),
            (2, "required", "work"),
        ):
            with self.subTest(words):
                env = {"SOURCE_DATE_EPOCH": "soon"} if word == "SOURCE_DATE_EPOCH" else {}
                self.fails(self.lade.run("images", "commit", *words, env=env), code, word)
        self.assertEqual(self.lade.json("images", "ls"), before)
        self.lade.ok("images", "commit", "--force", "-m", "again", "work", "new")
        (row,) = [one for one in self.lade.json("images", "ls") if one["name"].endswith("/new:latest")]
        self.assertNotIn(row["target"], [one["target"] for one in before])

    def test_a_change_of_everything(self):
        self.work(self.pull())
        changes = ["USER 7:8", "WORKDIR sub", "EXPOSE 80 53/udp 1-3", "VOLUME /v /w", 'VOLUME ["/x y"]', "STOPSIGNAL=SIGINT", "LABEL l=\"a b\" m='c d'", "ENV K v w", "cmd=run it", 'ENTRYPOINT ["/e", "-x"]']
        digest = self.lade.ok("images", "commit", *[word for text in changes for word in ("-c", text)], "work", "new").out.strip()
        config = self.document(self.document(digest)["config"]["digest"])["config"]
        self.assertEqual(
            config,
            {
                "User": "7:8",
                "WorkingDir": "/w/sub",
                "ExposedPorts": {"80/tcp": {}, "53/udp": {}, "1-3/tcp": {}},
                "Volumes": {"/v": {}, "/w": {}, "/x y": {}},
                "StopSignal": "SIGINT",
                "Labels": {"l": "a b", "m": "c d"},
                "Env": ["PATH=/bin", "A=1", "K=v w"],
                "Cmd": ["/bin/sh", "-c", "run it"],
                "Entrypoint": ["/e", "-x"],
            },
        )

    def example(self, page):
        """The script of a page, as people copy it."""
        text = (Path(__file__).resolve().parents[2] / "man" / page).read_text()
        script = text.split(".SH EXAMPLES")[1].split(".nf\n")[1].split(".fi")[0].replace("\\-", "-")
        (place := self.scratch / "place").mkdir()
        program = self.scratch / "bin/lade"
        program.parent.mkdir()
        program.symlink_to(BINARY)
        self.seen(place / "derive").write_text(script)
        env = {**self.lade.env, "PATH": f"{program.parent}:{os.environ['PATH']}"}
        done = subprocess.run([*self.lade.prefix, "sh", "-c", 'cd "$0" && exec sh derive "$@"', place, self.ref, "mine"], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([one["kind"] for one in self.lade.json("snapshots", "ls")], ["committed", "committed"])
        self.assertEqual((self.lade.json("leases", "ls"), self.mounted()), ([], []))
        self.lade.ok("images", "unpack", "mine", "--to", self.scratch / "flat")
        self.assertEqual((self.scratch / "flat/motd").read_text(), "hello\n")
        return done.stdout

    def test_the_example_of_images(self):
        self.example("lade-images.1")
        (made,) = [one for one in self.lade.json("images", "ls") if one["name"].endswith("/mine:latest")]
        config = self.document(self.document(made["target"]["digest"])["config"]["digest"])
        self.assertEqual(config["config"]["Cmd"], ["cat", "/motd"])

    def test_the_example_of_snapshots(self):
        self.assertIn("motd\n", self.example("lade-snapshots.1"))

    def test_a_snapshot_by_its_directory(self):
        self.pull()
        place = self.directory("m2")
        self.lade.ok("images", "mount", "--rw", self.ref, place)
        inside = lambda *words: self.sh('cd "$1"; shift; exec "$@"', self.scratch, BINARY, "--root", self.lade.root, *words, check=False)
        result = inside("images", "commit", "m2", "new")
        self.assertEqual(result.returncode, 0, result.stderr)
        # A snapshot of that very key comes first.
        self.change("m2", "", "echo own > own")
        self.lade.ok("images", "unmount", place)
        self.assertEqual(json.loads(inside("images", "commit", "--json", "m2", "own").stdout)["base"], None)

    def test_an_image_is_no_snapshot(self):
        chain = self.pull()
        self.fails(self.lade.run("snapshots", "prepare", "w", self.ref), 3, "snapshot " + self.ref + " not found", self.ref + " is unpacked to " + chain)
        self.lade.ok("images", "rm", self.ref)
        self.lade.ok("images", "pull", "--no-unpack", self.ref)
        self.fails(self.lade.run("snapshots", "view", "w", self.ref), 3, "images unpack", chain)
        self.fails(self.lade.run("snapshots", "prepare", "w", "nosuch"), 3, "nosuch")
