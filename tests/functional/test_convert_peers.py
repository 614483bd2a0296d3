"""What images convert makes, on a registry: containerd, skopeo and podman pull it, and have the same layers."""

import json
import subprocess

from support import tree, witness
from support.estargz import OWN
from support.images import Image, Layer, digest, index_of
from support.program import Case, Lade, need_root, need_tools
from support.registry import StockRegistry
from support.tools import Containerd, Podman, Tool

FORMS = {"zst": "--zstd", "lazy": "--estargz", "plain": "--uncompress", "gz": "--gzip"}
# The same layers inside, whatever they are wrapped in; an eStargz has others.
SAME = ("zst", "plain", "gz")


def layers():
    lower = Layer().dir("./").dir("etc").file("etc/passwd", "root\n", mode=0o640, uid=3, gid=4).dir("d").file("d/gone", "x").file("d/large", bytes(range(256)) * 4000)
    lower.symlink("etc/link", "passwd").link("etc/hard", "etc/passwd").file("su", "s", mode=0o4755).dir("opaque").file("opaque/old", "old")
    # A directory without an entry of its own would have the time of unpacking, with all but lade and umoci.
    upper = Layer().dir("d").whiteout("d/gone").file("d/new", "new").opaque("opaque").dir("opaque").file("opaque/new", "new")
    return [lower, upper]


class Pulled(Case):
    def setUp(self):
        super().setUp()
        need_root()
        need_tools("skopeo", "zstd")
        self.registry = StockRegistry().start()
        self.addCleanup(self.registry.stop)
        # Of zstd gzip is a conversion, too, and zstd is none.
        self.image = Image(layers(), compression="zstd")
        self.docker = Image(layers(), kind="docker")
        for name, image in (("app", self.image), ("docker", self.docker)):
            self.lade.ok("images", "import", "--no-unpack", "--base-name", name, image.write_layout(self.scratch / name, "1"))

    def push_all(self):
        """Every form of both images, on the registry: `refs`, and their `facts`, by name; what their tree is to be."""
        self.facts, self.refs = {}, {}
        for source, image in (("app", self.image), ("docker", self.docker)):
            images = witness.of_image(image).images
            for form, flag in FORMS.items():
                name = f"{source}-{form}"
                self.refs[name] = f"{self.registry.host}/{name}:1"
                self.lade.ok("images", "convert", flag, f"{source}:1", self.refs[name])
                self.lade.ok("images", "push", self.refs[name])
                facts = self.facts[name] = witness.of_store(self.lade, self.refs[name])
                # What the registry has is what is here.
                self.assertEqual(witness.of_registry(self.refs[name]), facts)
                self.assertEqual(facts.images == images, form in SAME)
                self.assertEqual(facts.compressions, {{"zst": "zstd", "plain": "plain"}.get(form, "gzip")})
        self.lade.ok("images", "unpack", "app:1", "--to", self.scratch / "want")
        self.want = tree.describe(self.scratch / "want")

    def check_tree(self, described, name):
        for own in OWN:
            here = described.pop(own.encode(), None)
            self.assertEqual(here is not None, name.endswith("lazy") and own != ".prefetch.landmark", own)
        # The root directory's own time and mode are its mount's with some.
        self.assertEqual(tree.differences(described, self.want, skip={b"."}), [])

    def test_containerd_pulls_and_unpacks_it(self):
        need_tools("ctr", "containerd")
        self.push_all()
        point = self.scratch / "point"
        point.mkdir()
        for name, ref in self.refs.items():
            with self.subTest(name), Containerd(self.scratch / f"containerd-{name}") as daemon:
                daemon.ctr("images", "pull", "--plain-http", ref)
                facts = self.facts[name]
                (root,) = facts.roots
                self.assertEqual(daemon.targets(), {ref: root})
                self.assertEqual(witness.facts(daemon.content, [root]), facts)
                # It names snapshots after the diff IDs of what it has unpacked.
                ((lower, upper),) = facts.images.values()
                snapshots = {line.split()[0] for line in daemon.ctr("snapshots", "ls").splitlines()[1:]}
                self.assertEqual(snapshots, {lower, digest(f"{lower} {upper}".encode())})
                daemon.ctr("images", "mount", ref, point)
                try:
                    seen = tree.describe(point)
                finally:
                    daemon.ctr("images", "unmount", "--rm", point)
                self.check_tree(seen, name)

    def test_skopeo_reads_and_copies_it(self):
        self.push_all()
        tool = Tool(self.scratch)
        for name, ref in self.refs.items():
            with self.subTest(name):
                (root,) = self.facts[name].roots
                told = json.loads(tool.run("skopeo", "inspect", "--tls-verify=false", f"docker://{ref}"))
                self.assertEqual(told["Digest"], root)
                self.assertEqual((told["Architecture"], told["Os"], len(told["Layers"])), ("amd64", "linux", 2))
                copied = self.scratch / f"copied-{name}"
                tool.run("skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{ref}", f"dir:{copied}")
                self.assertEqual(witness.of_directory(copied), self.facts[name])

    def test_podman_pulls_it(self):
        need_tools("podman")
        self.push_all()
        for name, ref in self.refs.items():
            # Of one that has pulled the same config before, it tells the manifest of then.
            podman = Podman(self.scratch / f"podman-{name}")
            self.addCleanup(podman.close)
            with self.subTest(name):
                podman.podman("pull", "-q", "--tls-verify=false", ref)
                told = podman.inspect(ref)
                facts = self.facts[name]
                self.assertEqual(({"sha256:" + told["Id"]: told["RootFS"]["Layers"]}, {told["Digest"]}), (facts.images, facts.roots))
                self.check_tree(tree.describe(podman.podman("image", "mount", ref).strip()), name)
                podman.podman("image", "unmount", "-f", ref)

    def test_an_index(self):
        need_tools("ctr", "containerd")
        arm = Image([Layer().dir("./").file("arm", "arm")], architecture="arm64", compression="zstd")
        self.lade.ok("images", "import", "--no-unpack", "--all-platforms", "--base-name", "multi", index_of([self.image, arm]).write_layout(self.scratch / "multi", "1"))
        for form, flag in FORMS.items():
            ref = f"{self.registry.host}/multi-{form}:1"
            self.lade.ok("images", "convert", "--all-platforms", flag, "multi:1", ref)
            self.lade.ok("images", "push", ref)
            facts = witness.of_store(self.lade, ref)
            self.assertEqual(len(facts.images), 2)
            if form in SAME:
                self.assertEqual(facts.images, witness.of_image(index_of([self.image, arm])).images)
            with self.subTest(form), Containerd(self.scratch / f"containerd-{form}") as daemon:
                daemon.ctr("images", "pull", "--plain-http", "--all-platforms", ref)
                self.assertEqual(witness.facts(daemon.content, facts.roots), facts)
            # As it is on the registry another lade has it, all of it.
            other = Lade(self.scratch / f"other-{form}")
            other.ok("images", "pull", "--all-platforms", ref)
            self.assertEqual(witness.of_store(other), facts)


class Lies(Case):
    def test_what_it_makes_is_compared_with_what_was_said_by_them_too(self):
        """That containerd looks at diff IDs at all: it refuses a layer that has another one."""
        need_root()
        need_tools("ctr", "containerd")
        registry = StockRegistry().start()
        self.addCleanup(registry.stop)
        image = Image(layers(), change=lambda config, _: config["rootfs"]["diff_ids"].reverse())
        ref = registry.put("lie", image, "1")
        with Containerd(self.scratch / "containerd") as daemon:
            done = subprocess.run([*daemon.command, "images", "pull", "--plain-http", ref], capture_output=True, text=True)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("wrong diff id", done.stderr)
