"""images import of what other programs write, and of what they write from what they read: the same config, the same layers."""

import json
import subprocess

from support import tree
from support.images import Image, Layer, debian_layout, digest, index_of, umoci_unpack
from support.program import need_tools
from support.tools import Containerd, Podman, Tool
from test_import import ImportCase


class ImportTools(ImportCase):
    def setUp(self):
        super().setUp()
        need_tools("skopeo")
        self.layout = self.image.write_layout(self.scratch / "layout")
        self.config = json.loads(self.image.blobs[self.image.config["digest"]])

    def tool(self, *command):
        return Tool(self.scratch).run(*command)

    def check(self, path, name="docker.io/library/app:1", *flags):
        """Read as a file, and as a stream."""
        (image,) = self.take(path, *flags)
        self.assertEqual(image["name"], name)
        self.assertEqual(self.diff_ids(name), self.config["rootfs"]["diff_ids"])
        self.check_files(name)
        config = self.config_of(name)
        self.lade.ok("images", "rm", name)
        if path.is_file():
            done = self.stream(path.read_bytes(), *flags)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.config_of(name), config)
            self.check_files(name)
            self.lade.ok("images", "rm", name)
        self.assertEqual(self.lade.json("content", "ls"), [])
        return config

    def test_skopeo(self):
        for kind, flags in (("oci-archive", ["--base-name", "app"]), ("oci", ["--base-name", "app"]), ("docker-archive", [])):
            out = self.scratch / kind
            self.tool("skopeo", "copy", "--quiet", f"oci:{self.layout}:t", f"{kind}:{out}:" + ("app:1" if kind == "docker-archive" else "1"))
            self.assertEqual(self.check(out, "docker.io/library/app:1", *flags), self.image.config["digest"])

    def dir_tree(self, *flags, kind="t", layout=None):
        out = self.scratch / f"dir-{kind}"
        self.tool("skopeo", "copy", "--quiet", *flags, f"oci:{layout or self.layout}:t", f"dir:{out}")
        return out

    def test_skopeo_directories(self):
        for kind, flags in (("oci", []), ("docker", ["--format", "v2s2"])):
            out = self.dir_tree(*flags, kind=kind)
            root = digest((out / "manifest.json").read_bytes())
            self.assertEqual(self.check(out, "docker.io/library/app:1", "--index-name", "app:1"), self.image.config["digest"])
            self.assertEqual(self.check(out, "docker.io/library/app@" + root, "--base-name", "app", "--digests"), self.image.config["digest"])
            packed = self.scratch / f"{kind}.tar.gz"
            self.tool("tar", "-C", out, "-czf", packed, ".")
            self.check(packed, "docker.io/library/app:1", "--index-name", "app:1")
            (image,) = self.take(out, "--index-name", "app:1")
            self.assertEqual(image["target"]["digest"], root)
            self.lade.ok("images", "rm", "app:1")
        self.fails(self.lade.run("images", "import", out), 3, "no image in it has a name: give --digests or --index-name")
        self.assertEqual(self.lade.json("content", "ls"), [])

    def test_skopeo_directories_of_all_platforms(self):
        both = index_of([self.image, Image([Layer().file("arm", "arm")], architecture="arm64")])
        out = self.dir_tree("--all", kind="all", layout=both.write_layout(self.scratch / "both"))
        root = digest((out / "manifest.json").read_bytes())
        (image,) = self.take(out, "--index-name", "app:1")
        self.assertEqual((image["name"], image["target"]["digest"]), ("docker.io/library/app:1", root))
        self.check_files("app:1")
        have = len(self.lade.json("content", "ls"))
        self.take(out, "--index-name", "app:1", "--all-platforms")
        self.assertGreater(len(self.lade.json("content", "ls")), have)
        self.check_store()
        self.lade.ok("images", "rm", "app:1")
        (arm,) = [one for one in json.loads((out / "manifest.json").read_text())["manifests"] if one["platform"]["architecture"] == "arm64"]
        (out / (arm["digest"].split(":")[1] + ".manifest.json")).unlink()
        self.take(out, "--index-name", "app:1")
        self.fails(self.lade.run("images", "import", out, "--index-name", "app:2", "--all-platforms"), 3, "manifest " + arm["digest"])

    def test_skopeo_directories_that_are_broken(self):
        out = self.dir_tree()
        manifest = json.loads((out / "manifest.json").read_text())

        def refused(code, *words):
            self.fails(self.lade.run("images", "import", out, "--index-name", "app:1"), code, *words)
            done = subprocess.run(["sh", "-c", 'tar -C "$0" -c . | "$@"', out, *self.lade.command("images", "import", "--index-name", "app:1", "-")], env=self.lade.env, capture_output=True, text=True)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertEqual(self.names(), [])
            self.lade.ok("gc")
            self.assertEqual(self.lade.json("content", "ls"), [])
            self.check_store()

        for blob in (manifest["config"], manifest["layers"][0]):
            path = out / blob["digest"].split(":")[1]
            was = path.read_bytes()
            path.write_bytes(bytes([was[0] ^ 1]) + was[1:])
            refused(8, path.name)
            path.unlink()
            refused(3, blob["digest"])
            path.write_bytes(was)
        was = (out / "manifest.json").read_bytes()
        for text, code, words in ((b"{}", 2, "neither a manifest nor an index"), (b"[]", 2, "manifest.json"), (b"{", 2, "manifest.json"), (b" " * 9_000_000, 9, "manifest.json")):
            (out / "manifest.json").write_bytes(text)
            refused(code, words)
        (out / "manifest.json").unlink()
        refused(2, "without manifest.json")
        (out / "manifest.json").write_bytes(was)
        (out / "version").write_text("Directory Transport Version: 9.0\n")
        refused(1, "version 9.0")
        # Anything else of that name says nothing.
        (out / "version").write_text("1.0")
        refused(2, "manifest.json")
        (out / "version").write_bytes(bytes(1_000_000))
        refused(2, "manifest.json")

    def test_the_old_half_of_a_docker_archive(self):
        """skopeo writes what docker 1.9 reads, too: layers there are links."""
        out = self.scratch / "both.tar"
        self.tool("skopeo", "copy", "--quiet", f"oci:{self.layout}:t", f"docker-archive:{out}:app:1")
        self.tool("tar", "--delete", "-f", out, "manifest.json")
        self.check(out)

    def test_podman(self):
        need_tools("podman")
        podman = Podman(self.scratch / "podman")
        self.addCleanup(podman.close)
        podman.podman("pull", "-q", f"oci:{self.layout}:t")
        (found,) = json.loads(podman.podman("images", "--format", "json"))
        podman.podman("tag", found["Id"], "docker.io/library/app:1")
        for kind in ("docker-archive", "oci-archive", "oci-dir"):
            out = self.scratch / kind
            podman.podman("save", "-q", "--format", kind, "-o", out, "docker.io/library/app:1")
            self.assertEqual(self.check(out), self.image.config["digest"])
        podman.podman("save", "-q", "--format", "docker-archive", "--multi-image-archive", "-o", self.scratch / "multi", "docker.io/library/app:1")
        self.check(self.scratch / "multi")

    def test_umoci(self):
        need_tools("umoci")
        layout = debian_layout()
        images = self.take(layout, "--base-name", "os")
        self.assertEqual({image["name"].rpartition(":")[2] for image in images}, {"debian", "strict"})
        index = json.loads((layout / "index.json").read_text())
        digests = {one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in index["manifests"]}
        for image in images:
            self.assertEqual(image["target"]["digest"], digests[image["name"].rpartition(":")[2]])
        expected = umoci_unpack(layout, "strict", self.scratch / "bundle")
        self.lade.ok("images", "unpack", "os:strict", "--to", self.scratch / "tree")
        self.assertEqual(tree.differences(tree.describe(expected), tree.describe(self.scratch / "tree")), [])

    def test_ctr(self):
        """What ctr exports of an image for two platforms, and what it imports of the same archive."""
        need_tools("ctr", "containerd", "skopeo")
        daemon = Containerd(self.scratch / "containerd")
        self.addCleanup(daemon.close)
        archive = self.scratch / "docker.tar"
        self.tool("skopeo", "copy", "--quiet", f"oci:{self.layout}:t", f"docker-archive:{archive}:app:1")
        multi = index_of([self.image, Image([Layer().file("arm", "arm")], architecture="arm64")]).write_layout(self.scratch / "multi")
        self.tool("tar", "-C", multi, "-cf", self.scratch / "multi.tar", ".")
        daemon.ctr("images", "import", "--no-unpack", archive)
        daemon.ctr("images", "import", "--no-unpack", "--all-platforms", "--base-name", "docker.io/library/multi", self.scratch / "multi.tar")
        theirs = daemon.targets()
        (docker,) = self.take(archive)
        (other,) = self.take(self.scratch / "multi.tar", "--all-platforms", "--base-name", "docker.io/library/multi")
        self.assertEqual({one["name"]: one["target"]["digest"] for one in (docker, other)}, theirs)
        for name in self.names():
            self.lade.ok("images", "rm", name)
        daemon.ctr("images", "export", "--all-platforms", self.scratch / "out.tar", *theirs)
        images = self.take(self.scratch / "out.tar", "--all-platforms")
        self.assertEqual({one["name"]: one["target"]["digest"] for one in images}, theirs)
        done = self.stream((self.scratch / "out.tar").read_bytes(), "--all-platforms")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.check_files("multi:t")


del ImportCase
