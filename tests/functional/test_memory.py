"""Memory does not grow with images: one file of hundreds of MiB, and a hundred thousand small ones, each way in and out."""

import os
import subprocess
import unittest

from support.images import Image, Layer, many_files
from support.measuring import cost
from support.program import SANITIZED, Case, Lade, need_root, need_tools
from support.registry import StockRegistry

BOUND = 64  # MiB
SIZE = 256 << 20
QUIET = ("--progress", "none")


class Memory(Case):
    def setUp(self):
        if SANITIZED:
            raise unittest.SkipTest("what is freed stays in memory")
        super().setUp()
        need_root()
        need_tools("zstd")
        self.peaks = {}
        self.stores = 0
        self.addCleanup(lambda: print(f"        MiB: {self.peaks}"))

    def add(self, name, layer):
        """An image with this one layer, as a plain tar, in the store as NAME:1."""
        layout = Image([layer], compression="plain").write_layout(self.scratch / name, "1")
        self.lade.ok("images", "import", "--no-unpack", "--base-name", name, layout)

    def bounded(self, what, *args, lade=None, source=None, to_pipe=False):
        """Runs `lade images ...`, with a file through a pipe for its standard input, or with its output into one."""
        lade = lade or self.lade
        command = lade.command("images", *args)
        if source or to_pipe:
            command = ["bash", "-o", "pipefail", "-c", ('cat "$0" | ' if source else "") + '"$@"' + (" | cat" if to_pipe else ""), source or "bash", *command]
        said = self.scratch / "said"
        with open(said, "wb") as err:
            result = cost(command, env=lade.env, stdout=subprocess.DEVNULL, stderr=err)
        self.assertEqual(result.code, 0, f"{what}: {said.read_text()}")
        self.peaks[what] = round(result.peak_mib)
        # Those beside it are smaller than any lade.
        self.assertGreater(result.peak_mib, 6, what)
        self.assertLess(result.peak_mib, BOUND, what)

    def taken(self, what, *args, source=None):
        """An import into an empty store, which goes again."""
        self.stores += 1
        lade = Lade(self.scratch / f"store-{self.stores}")
        self.bounded(what, "import", *QUIET, *args, lade=lade, source=source)
        subprocess.run(["rm", "-rf", lade.root], check=True)

    def test_a_large_file(self):
        # Some of it cannot be compressed.
        noise = os.urandom(SIZE // 8)
        self.add("plain", Layer().file("large", noise + bytes(SIZE - len(noise))).bytes())
        for name, flags in {"zstd": ["--zstd"], "estargz": ["--estargz"], "estargz, in chunks of 64 KiB": ["--estargz", "--estargz-chunk-size", "64KiB"], "gzip": ["--gzip"]}.items():
            self.bounded(f"convert to {name}", "convert", *QUIET, *flags, "plain:1", "zipped:1")
        self.bounded("convert from gzip", "convert", *QUIET, "--uncompress", "zipped:1", "again:1")
        tar, docker = self.scratch / "oci.tar", self.scratch / "docker.tar"
        self.bounded("export", "export", *QUIET, tar, "plain:1", "zipped:1")
        self.bounded("export to a pipe", "export", *QUIET, "-", "plain:1", "zipped:1", to_pipe=True)
        self.bounded("export --format docker", "export", *QUIET, "--format", "docker", docker, "zipped:1")
        self.bounded("export to a directory", "export", *QUIET, f"{self.scratch}/layout/", "plain:1")
        subprocess.run(["zstd", "-q", "-1", tar, "-o", self.scratch / "oci.zst"], check=True)
        subprocess.run(["gzip", "-1", "-k", tar], check=True)
        self.taken("import", tar)
        self.taken("import of a directory", self.scratch / "layout")
        self.taken("import of a pipe", "-", source=tar)
        self.taken("import of a pipe, zstd'd", "--no-unpack", "-", source=self.scratch / "oci.zst")
        self.taken("import of a file, gzip'd", "--no-unpack", self.scratch / "oci.tar.gz")
        self.taken("import of a docker archive", docker)
        self.taken("import of a docker archive by a pipe", "-", source=docker)
        self.taken("import --compress-blobs", "--no-unpack", "--compress-blobs", docker)
        self.bounded("diff", "diff", "plain:1", "zipped:1")
        self.bounded("export-rootfs", "export-rootfs", "zipped:1", self.scratch / "flat.tar")
        self.bounded("export-rootfs to a pipe", "export-rootfs", "plain:1", "-", to_pipe=True)
        self.bounded("copy to another store", "copy", *QUIET, "--to-root", self.scratch / "copied", "plain:1")
        registry = StockRegistry().start()
        self.addCleanup(registry.stop)
        ref = f"{registry.host}/large:1"
        self.bounded("push", "push", *QUIET, ref, "plain:1")
        self.bounded("copy from a registry to it", "copy", *QUIET, ref, f"{registry.host}/copied:1")

    def test_many_small_files(self):
        """What they are, is the matter of those who look into layers."""
        self.add("plain", many_files(100_000))
        self.add("other", Layer().file("other", "other").bytes())
        self.bounded("convert to estargz", "convert", *QUIET, "--estargz", "plain:1", "lazy:1")
        self.bounded("convert from estargz", "convert", *QUIET, "--zstd", "lazy:1", "again:1")
        self.bounded("diff with the same files", "diff", "plain:1", "lazy:1")
        self.bounded("diff with nothing alike", "diff", "--json", "plain:1", "other:1")
        self.bounded("export-rootfs", "export-rootfs", "plain:1", self.scratch / "flat.tar")
        self.bounded("export-rootfs to a pipe", "export-rootfs", "plain:1", "-", to_pipe=True)
        tar = self.scratch / "oci.tar"
        self.bounded("export", "export", *QUIET, tar, "plain:1")
        self.taken("import of a pipe", "-", source=tar)
