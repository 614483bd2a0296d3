"""There and back: what is imported and exported again is the same to the byte; and a delta, which is no image by itself."""

import os
import shutil
import subprocess

from support import tree, witness
from support.archives import docker_entries, layout_entries, tar
from support.images import Image, Layer, debian_layout, index_of
from support.invariants import violations
from support.program import Case, Lade, need_root, need_tools
from support.tools import Containerd, Podman, Tool


class RoundTrip(Case):
    def setUp(self):
        super().setUp()
        need_root()
        self.stores = 0
        self.layers = [layer.bytes() for layer in (Layer().dir("./").dir("d").file("d/a", os.urandom(300_000)), Layer().whiteout("d/a").file("d/b", "text"), Layer().file("late", "l" * 10_000))]
        self.image = Image(self.layers)

    def store(self):
        """An empty one: whatever it has then came with an archive."""
        self.stores += 1
        return Lade(self.scratch / f"store-{self.stores}")

    def take(self, lade, path, *flags):
        return lade.json("images", "import", "--no-unpack", path, *flags)

    def names(self, lade):
        return lade.ok("images", "ls", "-q").out.split()

    def pipe(self, source, target, export, take):
        """From store to store, through standard output and standard input."""
        with subprocess.Popen(source.command("images", "export", "--progress", "none", *export, "-", *self.names(source)), env=source.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as writer:
            done = subprocess.run(target.command("images", "import", *take, "-"), env=target.env, stdin=writer.stdout, capture_output=True, text=True)
        self.assertEqual((writer.returncode, done.returncode), (0, 0), done.stderr)

    def contents(self, path):
        return {str(one.relative_to(path)): one.read_bytes() if one.is_file() else None for one in path.rglob("*")}

    def check(self, path, *flags, export=(), forms=("tar", "directory", "docker"), kept=True):
        """Import, export, import, export of what is at `path`. `kept`: it has a manifest, which is to be the same."""
        whole = ["--all-platforms"] if "--all-platforms" in flags else []
        first = self.store()
        self.take(first, path, *flags)
        facts = witness.of_store(first)
        if kept:
            theirs = witness.of_layout(path) if path.is_dir() else witness.of_archive(path)
            self.assertEqual(facts.differences(theirs), [])
        for form in forms:
            options = [*export, *(["--format", "docker"] if form == "docker" else [])]
            with self.subTest(path=path.name, flags=flags, form=form):
                outs = []
                lade = first
                # Once by files, and once more of what came out.
                for turn in range(3):
                    out = self.scratch / f"{path.name}-{form}-{self.stores}-{turn}"
                    lade.ok("images", "export", "--progress", "none", *options, f"{out}/" if form == "directory" else out, *self.names(lade))
                    outs.append(out)
                    lade = self.store()
                    self.take(lade, out, *whole)
                if form == "directory":
                    for out in outs[1:]:
                        self.assertEqual(self.contents(out), self.contents(outs[0]))
                else:
                    # By pipes, too.
                    piped = self.store()
                    self.pipe(first, piped, options, whole)
                    outs.append(self.scratch / f"{outs[0].name}-piped")
                    with open(outs[-1], "wb") as file:
                        subprocess.run(piped.command("images", "export", "--progress", "none", *options, "-", *self.names(piped)), env=piped.env, stdin=subprocess.DEVNULL, stdout=file, check=True)
                    for out in outs[1:]:
                        subprocess.run(["cmp", outs[0], out], check=True)
                found = witness.of_store(lade)
                # docker's form keeps no manifest, and no compression.
                self.assertEqual(found.images if form == "docker" else found, facts.images if form == "docker" else facts)
        return facts

    def test_our_own(self):
        path = self.image.write_layout(self.scratch / "layout", "1")
        self.check(path, "--base-name", "app")
        for kind, compression in (("oci", "zstd"), ("oci", "plain"), ("docker", "gzip"), ("docker", "plain")):
            image = Image(self.layers, kind=kind, compression=compression)
            self.check(image.write_layout(self.scratch / f"{kind}-{compression}", "1"), "--base-name", "app", forms=["tar", "docker"])

    def test_several_images(self):
        other = Image([self.layers[0], Layer().file("other", "other").bytes()])
        path = self.scratch / "several"
        path.write_bytes(tar(layout_entries({"docker.io/library/a:1": self.image, "docker.io/library/a:2": self.image, "ghcr.io/x/other:9": other})))
        self.assertEqual(len(self.check(path).roots), 2)

    def test_docker_archives(self):
        plain, other = (Image(layers, kind="docker", compression="plain") for layers in (self.layers, self.layers[1:]))
        path = self.scratch / "docker"
        path.write_bytes(tar(docker_entries([(plain, ["app:1", "app:2"]), (other, ["host:5000/other:1"])])))
        self.check(path, kept=False)

    def test_an_index_whole_and_in_part(self):
        parts = {name: Image([*self.layers[:2], Layer().file("who", name).bytes()], architecture=name) for name in ("amd64", "arm64", "s390x")}
        path = index_of(list(parts.values())).write_layout(self.scratch / "index", "1")
        facts = self.check(path, "--base-name", "app", "--all-platforms", export=["--all-platforms"], forms=["tar", "directory"])
        self.assertEqual(len(facts.images), 3)
        # One of them, as an image of its own.
        whole = self.store()
        self.take(whole, path, "--base-name", "app", "--all-platforms")
        one = self.scratch / "one"
        whole.ok("images", "export", "--progress", "none", "--platform", "linux/arm64", one, "app:1")
        alone = self.store()
        self.take(alone, one, "--platform", "linux/arm64")
        self.assertEqual(witness.of_store(alone), witness.of_image(parts["arm64"]))
        # Also from a store that never had the rest.
        part = self.store()
        self.take(part, path, "--base-name", "app", "--platform", "linux/arm64")
        for lade, flags in ((alone, []), (alone, ["--platform", "linux/arm64"]), (part, ["--platform", "linux/arm64"])):
            lade.ok("images", "export", "--progress", "none", *flags, self.scratch / "again", "app:1")
            subprocess.run(["cmp", one, self.scratch / "again"], check=True)
        # Two of them: an index, with those.
        two = ["--platform", "linux/arm64", "--platform", "linux/s390x"]
        whole.ok("images", "export", "--progress", "none", *two, self.scratch / "two", "app:1")
        both = self.store()
        self.take(both, self.scratch / "two", "--all-platforms")
        self.assertEqual(set(witness.of_store(both).images), {parts[name].config["digest"] for name in ("arm64", "s390x")})
        both.ok("images", "export", "--progress", "none", self.scratch / "two-again", "app:1")
        subprocess.run(["cmp", self.scratch / "two", self.scratch / "two-again"], check=True)

    def test_skopeo(self):
        need_tools("skopeo")
        layout = self.image.write_layout(self.scratch / "layout", "1")
        for kind in ("oci", "oci-archive", "docker-archive"):
            out = self.scratch / kind
            Tool(self.scratch).run("skopeo", "copy", "--quiet", f"oci:{layout}:1", f"{kind}:{out}:" + ("app:1" if kind == "docker-archive" else "1"))
            kept = kind != "docker-archive"
            facts = self.check(out, *(["--base-name", "app"] if kept else []), kept=kept)
            self.assertEqual(facts.images, witness.of_image(self.image).images)
            if kept:
                self.assertEqual(facts, witness.of_image(self.image))

    def test_umoci(self):
        need_tools("umoci")
        self.check(debian_layout(), "--base-name", "os", forms=["tar"])

    def test_podman(self):
        need_tools("podman")
        podman = Podman(self.scratch / "podman")
        self.addCleanup(podman.close)
        podman.podman("tag", podman.podman("pull", "-q", f"oci:{self.image.write_layout(self.scratch / 'layout', '1')}:1").strip(), "docker.io/library/app:1")
        for kind in ("oci-dir", "oci-archive", "docker-archive"):
            podman.podman("save", "-q", "--format", kind, "-o", self.scratch / kind, "docker.io/library/app:1")
            self.assertEqual(self.check(self.scratch / kind, kept=kind != "docker-archive").images, witness.of_image(self.image).images)

    def test_ctr(self):
        need_tools("ctr", "containerd")
        index = index_of([self.image, Image(self.layers[1:], architecture="arm64")])
        path = self.scratch / "in.tar"
        path.write_bytes(tar(layout_entries({"docker.io/library/app:1": index})))
        with Containerd(self.scratch / "containerd") as daemon:
            daemon.ctr("images", "import", "--no-unpack", "--all-platforms", path)
            daemon.ctr("images", "export", "--all-platforms", self.scratch / "ctr", "docker.io/library/app:1")
        self.assertEqual(self.check(self.scratch / "ctr", "--all-platforms", export=["--all-platforms"], forms=["tar", "directory"]), witness.of_image(index))


class Deltas(Case):
    """What one side has is not sent again; where it is not there after all nothing comes of the rest."""

    def setUp(self):
        super().setUp()
        need_root()
        base = [layer.bytes() for layer in (Layer().dir("./").file("old", os.urandom(200_000)), Layer().dir("d").file("d/f", "1"))]
        self.old, self.new = Image(base), Image([*base, Layer().whiteout("old").file("d/new", "n" * 1000).bytes()])
        for name, image in (("app:1", self.old), ("app:2", self.new)):
            self.lade.ok("images", "import", "--no-unpack", "--base-name", "app", image.write_layout(self.scratch / name, name[4:]))
        self.here = Lade(self.scratch / "here")
        self.here.ok("images", "import", "--base-name", "app", self.scratch / "app:1")
        self.lacking = {one["digest"] for one in self.old.layers}

    def deltas(self):
        """Both ways to say what the other side has, each as a file, as a stream and as a directory."""
        have = self.scratch / "have"
        have.write_text(self.here.ok("content", "ls", "-q").out)
        for number, flags in enumerate((["--since", "app:1"], ["--have", have])):
            archive, layout = self.scratch / f"delta-{number}.tar", self.scratch / f"delta-{number}"
            self.lade.ok("images", "export", "--progress", "none", *flags, archive, "app:2")
            self.lade.ok("images", "export", "--progress", "none", *flags, f"{layout}/", "app:2")
            yield archive, None
            yield "-", archive
            yield layout, None

    def take(self, lade, path, stdin, *flags):
        command = lade.command("images", "import", "--progress", "none", *flags, path)
        with open(stdin or os.devnull, "rb") as data:
            return subprocess.run(command, env=lade.env, stdin=data, capture_output=True, text=True)

    def test_an_empty_store_is_told_what_is_missing(self):
        for number, (path, stdin) in enumerate(self.deltas()):
            for flags in ([], ["--no-unpack"]):
                with self.subTest(path=path, flags=flags):
                    empty = Lade(self.scratch / f"empty-{number}{''.join(flags)}")
                    done = self.take(empty, path, stdin, *flags)
                    self.assertEqual(done.returncode, 3, done.stderr)
                    (line,) = [one for one in done.stderr.splitlines() if one.startswith("lade: ") and not one.startswith("lade: warning: ")]
                    for name in self.lacking:
                        self.assertIn(name, line)
                    for name in {self.new.config["digest"], self.new.layers[2]["digest"]}:
                        self.assertNotIn(name, line)
                    self.assertEqual(done.stdout, "")
                    self.assertEqual(empty.json("images", "ls"), [])
                    self.assertEqual(empty.json("leases", "ls"), [])
                    self.assertEqual(empty.json("snapshots", "ls"), [])
                    self.assertEqual(empty.ingests(), [])
                    # What came may serve the next attempt; a collection takes it.
                    empty.ok("gc")
                    self.assertEqual(empty.json("content", "ls"), [])
                    self.assertEqual([one for one in (empty.root / "content/blobs").rglob("*") if one.is_file()], [])
                    self.assertEqual(os.listdir(empty.root / "trash"), [])
                    self.assertEqual(violations(empty.root, collected=True), [])

    def test_a_store_with_the_base_has_the_image(self):
        expected = None
        for number, (path, stdin) in enumerate(self.deltas()):
            with self.subTest(path=path, stdin=stdin):
                there = Lade(self.scratch / f"there-{number}")
                there.ok("images", "import", "--base-name", "app", self.scratch / "app:1")
                done = self.take(there, path, stdin)
                self.assertEqual(done.returncode, 0, done.stderr)
                # Not even the layers' rows go when the base does.
                there.ok("images", "rm", "app:1")
                there.ok("gc")
                (row,) = there.json("images", "check")
                self.assertEqual((row["name"], row["status"]), ("docker.io/library/app:2", "complete"))
                self.assertEqual(witness.of_store(there), witness.of_image(self.new))
                there.ok("images", "unpack", "app:2", "--to", self.scratch / "tree")
                found = tree.describe(self.scratch / "tree")
                expected = expected or self.whole_tree()
                self.assertEqual(tree.differences(found, expected), [])
                self.assertEqual(violations(there.root, collected=True), [])
                shutil.rmtree(self.scratch / "tree")

    def whole_tree(self):
        self.lade.ok("images", "unpack", "app:2", "--to", self.scratch / "whole")
        return tree.describe(self.scratch / "whole")

    def test_one_layer_of_the_base_that_is_gone_is_the_one_that_is_named(self):
        (archive, _), *_ = self.deltas()
        gone = self.old.layers[0]["digest"]
        self.here.ok("content", "rm", gone)
        done = self.take(self.here, archive, None, "--no-unpack")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn(gone, done.stderr)
        self.assertNotIn(self.old.layers[1]["digest"], done.stderr)
        self.assertEqual([one["name"] for one in self.here.json("images", "ls")], ["docker.io/library/app:1"])

    def test_a_delta_of_a_delta(self):
        """Whoever has the second image by way of a delta is sent the third one in the same way."""
        newest = Image([*self.new_layers(), Layer().file("newest", "x").bytes()])
        self.lade.ok("images", "import", "--no-unpack", "--base-name", "app", newest.write_layout(self.scratch / "app:3", "3"))
        for since, name in (("app:1", "app:2"), ("app:2", "app:3")):
            out = self.scratch / f"{name}.tar"
            told = self.lade.json("images", "export", "--progress", "none", "--since", since, out, name)
            self.assertEqual(told["blobs"], 3)
            self.assertEqual(self.take(self.here, out, None).returncode, 0)
        self.assertEqual(witness.of_store(self.here, "docker.io/library/app:3"), witness.of_image(newest))
        for row in self.here.json("images", "check"):
            self.assertEqual(row["status"], "complete")

    def new_layers(self):
        return [witness.decode(self.new.blobs[one["digest"]]) for one in self.new.layers]
