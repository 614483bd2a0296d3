"""images import of what other programs write, and of what they write from what they read: the same config, the same layers."""

import json

from support import tree
from support.images import Image, Layer, debian_layout, index_of, umoci_unpack
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
