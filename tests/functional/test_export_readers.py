"""What images export makes is read by the tools that people have, and is the same image to them."""

import json

from support.images import Image, Layer, digest, index_of, umoci_unpack
from support.program import need_root, need_tools
from support.tools import Containerd, Podman, Tool
from support.tree import describe
from test_export import Exporting, noise

KINDS = (("oci", "gzip"), ("oci", "zstd"), ("docker", "gzip"), ("docker", "plain"))


class Readers(Exporting):
    def setUp(self):
        super().setUp()
        layers = [Layer().dir("d").file("d/f", "text").symlink("l", "d/f"), noise(5000), Layer().whiteout("d/f").file("d/g", "new")]
        self.layers = [layer.bytes() for layer in layers]
        self.images = {compression: Image(self.layers, kind=kind, compression=compression) for kind, compression in KINDS if kind == "oci"}
        self.images.update({f"docker-{compression}": Image(self.layers, kind=kind, compression=compression) for kind, compression in KINDS if kind == "docker"})
        self.names = {tag: self.pulled(image, name=f"docker.io/library/thing:{tag}") for tag, image in self.images.items()}
        self.diff_ids = [digest(layer) for layer in self.layers]

    def tool(self, *command, **more):
        return Tool(self.scratch).run(*command, **more)

    def config_of(self, tag):
        return self.images[tag].config["digest"]

    def check_config(self, text, tag):
        """The config byte for byte, and so the diff IDs."""
        self.assertEqual(digest(text.encode()), self.config_of(tag))
        self.assertEqual(json.loads(text)["rootfs"]["diff_ids"], self.diff_ids)

    def test_skopeo(self):
        need_tools("skopeo")
        out, layout = self.scratch / "all.tar", self.scratch / "layout"
        self.exported(*self.names.values(), out="all.tar")
        self.lade.ok("images", "export", "--progress", "none", f"{layout}/", *self.names.values())
        for tag, image in self.images.items():
            with self.subTest(tag):
                # In a layout it knows only manifests of OCI's own type.
                for source in (f"oci-archive:{out}:{tag}", f"oci:{layout}:{tag}") if image.kind == "oci" else ():
                    self.assertEqual(digest(self.tool("skopeo", "inspect", "--raw", source).encode()), image.root)
                    self.check_config(self.tool("skopeo", "inspect", "--config", "--raw", source), tag)
                    copied = self.scratch / f"dir-{tag}-{source.split(':')[0]}"
                    self.tool("skopeo", "copy", "--quiet", source, f"dir:{copied}")
                    for layer in image.layers:
                        self.assertEqual(digest((copied / layer["digest"].split(":")[1]).read_bytes()), layer["digest"])
                # The same file as docker has it, and docker's own form.
                own = self.scratch / f"{tag}.tar"
                self.exported("--format", "docker", f"thing:{tag}", out=own.name)
                for source in (f"docker-archive:{out}:thing:{tag}", f"docker-archive:{own}:thing:{tag}", f"docker-archive:{own}"):
                    self.check_config(self.tool("skopeo", "inspect", "--config", "--raw", source), tag)
                    self.tool("skopeo", "copy", "--quiet", source, f"oci:{self.scratch}/back:{tag}")
                    self.assertEqual(json.loads(self.tool("skopeo", "inspect", "--config", "--raw", f"oci:{self.scratch}/back:{tag}"))["rootfs"]["diff_ids"], self.diff_ids)

    def test_skopeo_adds_to_our_layout_and_we_to_its(self):
        need_tools("skopeo")
        layout = self.scratch / "layout"
        self.lade.ok("images", "export", "--progress", "none", f"{layout}/", "thing:gzip")
        self.tool("skopeo", "copy", "--quiet", f"oci:{layout}:gzip", f"oci:{layout}:theirs")
        self.lade.ok("images", "export", "--progress", "none", layout, "thing:zstd")
        for tag, source in (("gzip", "gzip"), ("gzip", "theirs"), ("zstd", "zstd")):
            self.check_config(self.tool("skopeo", "inspect", "--config", "--raw", f"oci:{layout}:{source}"), tag)

    def test_an_index(self):
        need_tools("skopeo")
        parts = [Image(self.layers, architecture=name) for name in ("amd64", "arm64")]
        whole = index_of(parts)
        self.pulled(whole, "whole", "--all-platforms", name="docker.io/library/multi:1")
        self.exported("multi:1")
        source = f"oci-archive:{self.scratch}/out.tar:1"
        self.assertEqual(digest(self.tool("skopeo", "inspect", "--raw", source).encode()), whole.root)
        self.tool("skopeo", "copy", "--quiet", "--all", source, f"dir:{self.scratch}/copied")
        self.assertEqual(digest((self.scratch / "copied/manifest.json").read_bytes()), whole.root)
        self.assertEqual(digest(self.tool("skopeo", "inspect", "--config", "--raw", f"docker-archive:{self.scratch}/out.tar:multi:1").encode()), parts[0].config["digest"])

    def test_umoci(self):
        need_root()
        need_tools("umoci")
        layout = self.scratch / "layout"
        self.lade.ok("images", "export", "--progress", "none", f"{layout}/", "thing:gzip")
        rootfs = umoci_unpack(layout, "gzip", self.scratch / "bundle")
        ours = self.scratch / "ours"
        self.lade.ok("images", "unpack", "--to", ours, "thing:gzip")
        self.assertEqual(describe(rootfs), describe(ours))

    def test_podman(self):
        need_root()
        need_tools("podman")
        podman = Podman(self.scratch / "podman")
        self.addCleanup(podman.close)

        def check(tag):
            told = podman.inspect(f"docker.io/library/thing:{tag}")
            self.assertEqual(("sha256:" + told["Id"], told["RootFS"]["Layers"]), (self.config_of(tag), self.diff_ids))
            podman.podman("rmi", "-af")

        for tag in self.images:
            with self.subTest(tag):
                self.exported(f"thing:{tag}")
                podman.podman("load", "-q", "-i", self.scratch / "out.tar")
                check(tag)
        self.exported("--format", "docker", "thing:gzip", "thing:docker-plain")
        podman.podman("load", "-q", "-i", self.scratch / "out.tar")
        check("gzip")

    def test_ctr(self):
        need_root()
        need_tools("containerd", "ctr")
        daemon = Containerd(self.scratch / "containerd")
        self.addCleanup(daemon.close)
        for flags in ([], ["--skip-manifest-json"]):
            self.exported(*flags, *self.names.values())
            daemon.ctr("images", "import", "--no-unpack", self.scratch / "out.tar")
            self.assertEqual(daemon.targets(), {self.names[tag]: image.root for tag, image in self.images.items()})
            for tag, image in self.images.items():
                self.check_config(daemon.ctr("content", "get", self.config_of(tag)), tag)
                for layer in image.layers:
                    daemon.ctr("content", "get", layer["digest"])
            daemon.ctr("images", "rm", "--sync", *self.names.values())
        # An index of which one part is there, as ctr itself exports it, and docker's form.
        whole = index_of([Image(self.layers, architecture=name) for name in ("amd64", "arm64")])
        multi = self.pulled(whole, "multi", name="docker.io/library/multi:1")
        for flags in ([], ["--keep-missing"], ["--format", "docker"]):
            with self.subTest(flags):
                self.exported(*flags, multi)
                daemon.ctr("images", "import", "--no-unpack", self.scratch / "out.tar")
                self.assertIn("linux/amd64", daemon.ctr("images", "ls", f"name=={multi}"))
                daemon.ctr("images", "rm", "--sync", multi)
