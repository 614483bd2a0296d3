"""`images pull` against a stock registry, with images made by other tools, compared with what they unpack."""

import json
import os
import stat
import subprocess
import tarfile
import threading
import time
import unittest
from pathlib import Path

from support import images, tree
from support.broken import RegistryCase
from support.images import Image, Layer, index_of
from support.program import Case, SANITIZED, need_root, need_tools
from support.registry import StockRegistry
from support.tools import Containerd


def layered():
    """Layers with everything that the rules of unpacking speak of, as well-behaved tools write them."""
    base = Layer()
    base.dir("./", mode=0o751)
    base.dir("etc/").file("etc/passwd", "root\n", mode=0o640).file("etc/keep", "kept").file("etc/gone", "x")
    base.dir("usr/").dir("usr/lib/", mode=0o2755, gid=50).file("usr/lib/a", "a", mtime=1_600_000_000.123456789)
    base.symlink("lib", "usr/lib").link("usr/lib/b", "usr/lib/a")
    base.dir("opaque/").file("opaque/old", "old").dir("opaque/sub/").file("opaque/sub/old", "old")
    base.dir("recreated/").file("recreated/old", "old")
    base.dir("todelete/").file("todelete/f", "f")
    base.dir("implied/", mode=0o700, uid=7, gid=8, mtime=1_500_000_000).file("implied/old", "old")
    base.file("becomesdir", "file").dir("becomesfile/").file("becomesfile/x", "x")
    base.add("fifo", tarfile.FIFOTYPE, mode=0o600)
    base.add("null", tarfile.CHRTYPE, mode=0o666, major=1, minor=3)
    base.file("suid", "s", mode=0o4755, uid=1, gid=2)
    base.dir("sticky/", mode=0o1777)
    base.file("cafe\u0301", "nfd").file("caf\u00e9", "nfc")
    base.file("n" * 200 + "/" + "m" * 150, "long name")
    base.file("xattr", "x", pax={"SCHILY.xattr.user.note": "value"})
    # cap_net_bind_service: a change of owner takes capabilities away, so they come after it.
    base.file("capable", "c", uid=3, mode=0o755, pax={"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x04" + "\x00" * 14})
    base.file("owned", "o", uid=4_000_000, gid=3_000_000)
    second = Layer()
    second.dir("etc/").file("etc/passwd", "root2\n", mode=0o600).whiteout("etc/gone")
    second.dir("opaque/").opaque("opaque").file("opaque/new", "new")
    second.whiteout("recreated").dir("recreated/").file("recreated/new", "new")
    second.whiteout("todelete")
    second.file("implied/new", "new")
    second.dir("becomesdir/").file("becomesdir/f", "f").file("becomesfile", "now a file")
    third = Layer()
    third.dir("etc/").file("etc/third", "3").symlink("etc/link", "third", mtime=1_600_000_001.5)
    third.dir("opaque/").file("opaque/newer", "newer")
    return [base, second, third]


class PullFromAStockRegistry(Case):
    @classmethod
    def setUpClass(cls):
        need_tools("skopeo", "umoci")
        cls.registry = StockRegistry().start()

    @classmethod
    def tearDownClass(cls):
        cls.registry.stop()

    def overlay_tree(self, top):
        with tree.stacked(self.lade.chain(top)) as root:
            return tree.describe(root)

    def top(self, snapshotter):
        snapshots = self.lade.json("snapshots", "--snapshotter", snapshotter, "ls")
        parents = {s["parent"] for s in snapshots}
        (top,) = [s["key"] for s in snapshots if s["key"] not in parents]
        return top

    def assert_same_everywhere(self, ref, want, ignore=()):
        """Overlay chain, native and --to DIR are the tree `want`."""
        pulled = self.lade.json("images", "pull", ref)
        self.assertEqual(tree.differences(self.overlay_tree(pulled["chain_ids"][0]), want, ignore), [], "overlayfs")
        self.lade.ok("images", "unpack", "--snapshotter", "native", ref)
        native = self.lade.chain(self.top("native"), "native")[0]
        self.assertEqual(tree.differences(tree.describe(native), want, ignore), [], "native")
        self.lade.ok("images", "unpack", ref, "--to", self.scratch / "flat")
        self.assertEqual(tree.differences(tree.describe(self.scratch / "flat"), want, ignore), [], "--to")

    def test_a_debian_image_is_what_umoci_makes_of_it(self):
        need_root()
        layout = images.debian_layout()
        want = tree.describe(images.umoci_unpack(layout, "debian", self.scratch / "bundle"))
        ref = self.registry.push(layout, "debian", "debian:1")
        # The image has no entry for its root: there umoci has the directory it made itself.
        want.pop(b".")
        pulled = self.lade.json("images", "pull", ref)
        got = self.overlay_tree(pulled["chain_ids"][0])
        self.assertEqual(tree.differences(got, want, skip={b"."}), [])
        self.lade.ok("images", "unpack", ref, "--to", self.scratch / "flat")
        self.assertEqual(tree.differences(tree.describe(self.scratch / "flat"), want, skip={b"."}), [])
        self.lade.ok("images", "unpack", "--snapshotter", "native", ref)
        native = self.lade.chain(self.top("native"), "native")[0]
        self.assertEqual(tree.differences(tree.describe(native), want, skip={b"."}), [])

    def test_a_debian_image_is_what_containerd_makes_of_it(self):
        need_root()
        need_tools("containerd", "ctr")
        ref = self.registry.push(images.debian_layout(), "strict", "debian:2")
        started = time.time_ns()
        point = self.scratch / "mnt"
        point.mkdir()
        with Containerd(self.scratch / "containerd") as daemon:
            daemon.ctr("images", "pull", "--plain-http", ref)
            daemon.ctr("images", "mount", ref, point)
            try:
                want = tree.describe(point)
            finally:
                subprocess.run(["umount", str(point)], check=True)
        pulled = self.lade.json("images", "pull", ref)
        got = self.overlay_tree(pulled["chain_ids"][0])
        # A directory that a layer only passes through: containerd leaves it the time of unpacking, lade and umoci the
        # lower layer's.
        for name, facts in want.items():
            if stat.S_ISDIR(facts["type"]) and facts["mtime"] >= started:
                facts["mtime"] = got[name]["mtime"]
        self.assertEqual(tree.differences(got, want, skip={b"."}), [])

    def test_small_layers_with_every_rule_are_what_umoci_makes_of_them(self):
        need_root()
        layout = Image(layered()).write_layout(self.scratch / "layout")
        want = tree.describe(images.umoci_unpack(layout, "t", self.scratch / "bundle"))
        ref = self.registry.push(layout, "t", "small:1")
        # Times of directories without an entry of their own: umoci leaves the time of unpacking.
        made = os.fsencode("n" * 200)
        want[made]["mtime"] = 0
        want[b"."]["mtime"] = Layer.TIME * 10**9
        # A hard link's entry says the metadata of what it links to, as containerd has it; umoci keeps the first one's.
        for name in (b"usr/lib/a", b"usr/lib/b"):
            want[name]["mtime"] = Layer.TIME * 10**9
        self.assert_same_everywhere(ref, want)

    def test_docker_schema_2_gives_the_same_tree(self):
        need_root()
        layout = Image(layered()).write_layout(self.scratch / "layout")
        oci = self.registry.push(layout, "t", "kinds:oci")
        docker = self.registry.push(layout, "t", "kinds:docker", "--format", "v2s2")
        first = self.lade.json("images", "pull", oci)
        second = self.lade.json("images", "pull", docker)
        self.assertEqual(second["target"]["mediaType"], images.DOCKER + "distribution.manifest.v2+json")
        self.assertEqual(first["chain_ids"], second["chain_ids"])

    def test_labels_say_what_refers_to_what(self):
        need_root()
        image = Image(layered())
        ref = self.registry.push(image.write_layout(self.scratch / "layout"), "t", "team/labels:1")
        pulled = self.lade.json("images", "pull", "--label", "mine=1", ref)
        blobs = {b["digest"]: b["labels"] for b in self.lade.json("content", "ls")}
        manifest = blobs[pulled["target"]["digest"]]
        self.assertEqual(manifest["containerd.io/gc.ref.content.config"], image.config["digest"])
        for i, layer in enumerate(image.layers):
            self.assertEqual(manifest[f"containerd.io/gc.ref.content.l.{i}"], layer["digest"])
            config = json.loads(image.blobs[image.config["digest"]])
            self.assertEqual(blobs[layer["digest"]]["containerd.io/uncompressed"], config["rootfs"]["diff_ids"][i])
        self.assertEqual(blobs[image.config["digest"]]["containerd.io/gc.ref.snapshot.overlayfs"], pulled["chain_ids"][0])
        for labels in blobs.values():
            self.assertEqual(labels["containerd.io/distribution.source.127.0.0.1"], "team/labels")
        (row,) = self.lade.json("images", "ls")
        self.assertEqual(row["labels"], {"mine": "1"})
        # A second pull keeps what the user set.
        self.lade.ok("images", "pull", "--label", "more=2", ref)
        self.assertEqual(self.lade.json("images", "ls")[0]["labels"], {"mine": "1", "more": "2"})


class PullByRules(RegistryCase):
    """Against a registry in this process, so that every request can be counted."""

    def test_gzip_zstd_and_plain_layers_give_the_same_chain(self):
        need_root()
        need_tools("zstd")
        tars = [layer.bytes() for layer in layered()]
        chains = set()
        for compression in ("gzip", "zstd", "plain"):
            ref = self.registry.add(Image(tars, compression=compression), compression)
            chains.add(tuple(self.lade.json("images", "pull", ref)["chain_ids"]))
        self.assertEqual(len(chains), 1)

    def test_a_layer_of_several_gzip_members_is_one_stream(self):
        need_root()
        tar = Layer().file("f", "x" * 100_000).bytes()
        blob = b"".join(images.compress(tar[i : i + 20_000], "gzip") for i in range(0, len(tar), 20_000))

        def change(config, descriptors):
            descriptors[0].update(digest=images.digest(blob), size=len(blob))

        image = Image([tar], change=change)
        image.blobs[images.digest(blob)] = blob
        pulled = self.lade.json("images", "pull", self.registry.add(image))
        with tree.stacked(self.lade.chain(pulled["chain_ids"][0])) as root:
            self.assertEqual(tree.describe(root)[b"f"]["size"], 100_000)

    def test_a_second_pull_asks_once_and_fetches_nothing(self):
        need_root()
        ref = self.registry.add(Image(layered()))
        self.lade.ok("images", "pull", ref)
        self.registry.requests.clear()
        self.lade.ok("images", "pull", ref)
        self.assertEqual([(m, p) for m, p, _ in self.registry.requests], [("HEAD", "/v2/image/manifests/latest")])

    def test_every_blob_is_fetched_once_by_any_number_of_processes(self):
        need_root()
        self.registry.pause = 0.01
        image = Image(layered() + [Layer().file("big", os.urandom(2_000_000))])
        ref = self.registry.add(image)
        pulls = [self.lade.start("images", "pull", "--progress", "none", ref) for _ in range(4 if SANITIZED else 16)]
        for pull in pulls:
            _, err = pull.communicate(timeout=300)
            self.assertEqual(pull.returncode, 0, err)
        for digest in image.blobs:
            self.assertEqual(self.registry.count("GET", digest), 1, digest)
        self.assertEqual(self.lade.ingests(), [])
        kinds = {s["kind"] for s in self.lade.json("snapshots", "ls")}
        self.assertEqual(kinds, {"committed"})

    def test_layers_that_another_image_brought_are_not_fetched_again(self):
        need_root()
        base, other = layered()[0].bytes(), Layer().file("other").bytes()
        self.lade.ok("images", "pull", self.registry.add(Image([base]), "one"))
        self.registry.requests.clear()
        image = Image([base, other])
        self.lade.ok("images", "pull", self.registry.add(image, "two"))
        self.assertEqual(self.registry.count("GET", image.layers[0]["digest"]), 0)
        self.assertEqual(self.registry.count("GET", image.layers[1]["digest"]), 1)

    def test_another_namespace_takes_over_blobs_without_fetching(self):
        need_root()
        image = Image(layered())
        ref = self.registry.add(image)
        self.lade.ok("images", "pull", ref)
        self.registry.requests.clear()
        self.lade.ok("-n", "other", "images", "pull", ref)
        self.assertEqual(self.registry.count("GET", "/"), 0)
        self.assertEqual(len(self.lade.json("-n", "other", "content", "ls")), 2 + len(image.layers))
        self.assertEqual(self.lade.run("images", "ls", "-q", env={"CONTAINERD_NAMESPACE": "third"}).out, "")

    def several_platforms(self):
        amd64 = Image([Layer().file("which", "amd64")])
        arm64 = Image([Layer().file("which", "arm64")], architecture="arm64", variant="v8")
        arm7 = Image([Layer().file("which", "arm")], architecture="arm", variant="v7")
        return amd64, arm64, arm7

    def test_platforms_are_chosen_before_a_layer_is_fetched(self):
        need_root()
        amd64, arm64, arm7 = self.several_platforms()
        ref = self.registry.add(index_of([amd64, arm64, arm7]))
        pulled = self.lade.json("images", "pull", "--platform", "linux/arm64", "--platform", "linux/arm/v7", ref)
        self.assertEqual(len(pulled["chain_ids"]), 2)
        self.assertEqual(self.registry.count("GET", amd64.layers[0]["digest"]), 0)
        self.assertEqual(self.registry.count("GET", arm64.layers[0]["digest"]), 1)
        self.assertEqual(self.registry.count("GET", arm7.layers[0]["digest"]), 1)
        self.lade.ok("images", "unpack", ref, "--platform", "linux/arm64", "--to", self.scratch / "flat")
        self.assertEqual((self.scratch / "flat/which").read_text(), "arm64")

    def test_a_platform_that_was_not_pulled_is_named(self):
        ref = self.registry.add(index_of(self.several_platforms()))
        self.lade.ok("images", "pull", "--no-unpack", "--platform", "linux/amd64", ref)
        result = self.lade.run("images", "unpack", ref, "--progress", "none", "--platform", "arm64", "--to", self.scratch / "flat")
        self.fails(result, 3, ref, "linux/arm64 was not pulled")
        self.assertFalse((self.scratch / "flat").exists())

    def test_all_platforms_are_content_without_snapshots(self):
        every = self.several_platforms()
        ref = self.registry.add(index_of(every))
        self.lade.ok("images", "pull", "--all-platforms", ref)
        self.assertEqual(len(self.lade.json("content", "ls")), 1 + 3 * 3)
        self.assertEqual(self.lade.json("snapshots", "ls"), [])

    def test_a_platform_that_is_not_there_names_those_that_are(self):
        ref = self.registry.add(index_of(self.several_platforms()))
        self.fails(self.lade.run("images", "pull", "--platform", "linux/s390x", ref), 3, "linux/s390x", "linux/amd64", "linux/arm64", "linux/arm/v7")

    def test_another_platform_is_not_good_enough(self):
        ref = self.registry.add(index_of([Image([Layer().file("which", "386")], architecture="386")]))
        self.fails(self.lade.run("images", "pull", "--platform", "linux/amd64", ref), 3, "linux/amd64", "linux/386")

    def test_a_manifest_for_another_platform_is_taken_with_a_word(self):
        ref = self.registry.add(self.several_platforms()[1])
        result = self.lade.ok("images", "pull", "--no-unpack", "--platform", "linux/amd64", ref)
        self.assertIn("is for linux/arm64, not linux/amd64", result.err)
        self.assertNotIn("is for", self.lade.ok("images", "pull", "--no-unpack", "--platform", "linux/arm64", ref).err)

    def test_no_more_downloads_at_once_than_allowed(self):
        image = Image([Layer().file(str(i), os.urandom(2000)) for i in range(6)])
        ref = self.registry.add(image)
        layers = {layer["digest"] for layer in image.layers}
        lock, at_once, most = threading.Lock(), 0, 0

        def fault(handler, path):
            nonlocal at_once, most
            if path.rsplit("/", 1)[1] not in layers or handler.command != "GET":
                return None
            with lock:
                at_once += 1
                most = max(most, at_once)
            time.sleep(0.1)
            with lock:
                at_once -= 1
            return None

        self.registry.fault = fault
        self.lade.ok("images", "pull", "--no-unpack", "--max-concurrent-downloads", "2", ref)
        self.assertEqual(most, 2)

    def test_attestations_are_no_platform(self):
        amd64, arm64, _ = self.several_platforms()
        whole = index_of([amd64, arm64])
        media_type, text = whole.documents[whole.root]
        index = json.loads(text)
        for child in index["manifests"]:
            child["platform"] = {"os": "linux", "architecture": "amd64"}
        index["manifests"][0]["annotations"] = {"vnd.docker.reference.type": "attestation-manifest"}
        whole.root = whole.document(index, media_type)
        ref = self.registry.add(whole)
        self.lade.ok("images", "pull", "--no-unpack", ref)
        self.assertEqual(self.registry.count("GET", amd64.layers[0]["digest"]), 0)

    def test_an_image_without_layers_is_an_empty_root(self):
        need_root()
        pulled = self.lade.json("images", "pull", self.registry.add(Image([])))
        (path,) = self.lade.chain(pulled["chain_ids"][0])
        self.assertEqual(os.listdir(path), [])

    def test_no_unpack_leaves_no_snapshots_and_unpack_makes_them_later(self):
        need_root()
        ref = self.registry.add(Image(layered()))
        self.lade.ok("images", "pull", "--no-unpack", ref)
        self.assertEqual(self.lade.json("snapshots", "ls"), [])
        chain = self.lade.json("images", "unpack", ref)["chain_id"]
        self.assertEqual(len(self.lade.chain(chain)), 3)
        self.assertEqual(self.lade.ok("images", "unpack", ref, "--print-chainid").out, f"image chain ID: {chain}\n")

    def test_print_chainid_and_quiet_say_that_and_nothing_else(self):
        need_root()
        ref = self.registry.add(Image(layered()))
        result = self.lade.ok("images", "pull", "--print-chainid", "--progress", "none", ref)
        self.assertRegex(result.out, r"\Aimage chain ID: sha256:[0-9a-f]{64}\n\Z")
        self.assertEqual(result.err, "")
        result = self.lade.ok("images", "pull", "-q", ref)
        self.assertEqual((result.out, result.err), (ref + "\n", ""))

    def test_a_reference_by_digest(self):
        need_root()
        image = Image(layered())
        ref = self.registry.add(image).replace(":latest", "@" + image.root)
        self.assertEqual(self.lade.json("images", "pull", ref)["target"]["digest"], image.root)

    def test_links_into_lower_layers_and_paths_through_their_links(self):
        """What only the whole stack can answer: the tree is the same in every form."""
        need_root()
        base = Layer().dir("d/").file("d/target", "data", mode=0o600).symlink("s", "d").dir("gone/").file("gone/f")
        link = Layer().link("d/hard", "d/target").whiteout("gone")
        through = Layer().file("s/new", "through the link")
        ref = self.registry.add(Image([base, link, through]))
        pulled = self.lade.json("images", "pull", ref)
        self.lade.ok("images", "unpack", ref, "--to", self.scratch / "flat")
        flat = tree.describe(self.scratch / "flat")
        self.assertEqual(flat[b"d/hard"]["linked"], [b"d/hard", b"d/target"])
        self.assertEqual(flat[b"s"]["target"], b"d")
        self.assertIn(b"d/new", flat)
        self.assertNotIn(b"gone", flat)
        with tree.stacked(self.lade.chain(pulled["chain_ids"][0])) as root:
            self.assertEqual(tree.differences(tree.describe(root), flat), [])

    def test_a_layer_that_needs_those_below_leaves_the_root_as_they_have_it(self):
        need_root()
        base = Layer()
        base.dir("./", mode=0o1751, uid=3, gid=4, mtime=1_500_000_000.25, pax={"SCHILY.xattr.user.note": "of the root"})
        base.dir("d/").file("d/target", "data").file("gone").dir("replaced/").file("replaced/old")
        link = Layer().link("hard", "d/target").whiteout("gone").dir("replaced/").opaque("replaced").file("d/new")
        image = Image([base, link])
        ref = self.registry.add(image)
        top = self.lade.json("images", "pull", ref)["chain_ids"][0]
        trees = {}
        with tree.stacked(self.lade.chain(top)) as root:
            trees["overlayfs"] = tree.describe(root)
        upper = Path(self.lade.chain(top)[0])
        for path in (upper, *upper.rglob("*")):
            kept = {name for name in os.listxattr(path, follow_symlinks=False) if name.startswith("trusted.overlay.")}
            self.assertLessEqual(kept, {"trusted.overlay.opaque"}, path)
        self.assertEqual(sorted(os.listdir(upper.parent)), ["fs", "work"])
        self.assertEqual(os.listdir(upper.parent / "work"), [])
        self.lade.ok("images", "unpack", "--snapshotter", "native", ref)
        trees["native"] = tree.describe(self.lade.chain(top, "native")[0])
        self.lade.ok("images", "unpack", ref, "--to", self.scratch / "flat")
        trees["--to"] = tree.describe(self.scratch / "flat")
        need_tools("umoci")
        layout = image.write_layout(self.scratch / "layout")
        want = tree.describe(images.umoci_unpack(layout, "t", self.scratch / "bundle"))
        self.assertEqual(want[b"."]["xattrs"], {"user.note": b"of the root"})
        self.assertEqual(want[b"."]["mtime"], 1_500_000_000_250_000_000)
        for form, found in trees.items():
            self.assertEqual(tree.differences(found, want), [], form)

    def test_whiteouts_concern_lower_layers_whatever_the_order(self):
        need_root()
        base = Layer()
        for name in ("a", "b", "c", "d"):
            base.dir(f"{name}/").file(f"{name}/old").dir(f"{name}/sub/").file(f"{name}/sub/old")
        base.file("e", "old")
        top = Layer()
        top.file("a/sub/new").opaque("a")                      # marker after its siblings
        top.whiteout("b").file("b/new")                        # removed and passed through
        top.dir("c/").file("c/new").whiteout("c")              # whiteout after the new directory
        top.dir("d/").opaque("d").dir("d/sub/").file("d/sub/new")
        top.file("e", "new").whiteout("e")                     # whiteout after the new file
        ref = self.registry.add(Image([base, top]))
        pulled = self.lade.json("images", "pull", ref)
        self.lade.ok("images", "unpack", ref, "--to", self.scratch / "flat")
        flat = tree.describe(self.scratch / "flat")
        self.assertEqual(
            sorted(os.fsdecode(n) for n in flat if n != b"."),
            ["a", "a/sub", "a/sub/new", "b", "b/new", "c", "c/new", "d", "d/sub", "d/sub/new", "e"],
        )
        self.assertEqual(flat[b"e"]["size"], 3)
        with tree.stacked(self.lade.chain(pulled["chain_ids"][0])) as root:
            self.assertEqual(tree.differences(tree.describe(root), flat), [])

    def test_an_opaque_root_hides_everything_below(self):
        need_root()
        base = Layer().file("old", "old").dir("d/").file("d/old")
        ref = self.registry.add(Image([base, Layer().opaque("").file("new"), Layer().file("newer")]))
        self.lade.ok("images", "pull", "--no-unpack", ref)
        self.lade.ok("images", "unpack", ref, "--to", self.scratch / "flat")
        self.assertEqual(sorted(os.listdir(self.scratch / "flat")), ["new", "newer"])


if __name__ == "__main__":
    unittest.main()
