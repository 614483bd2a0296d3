"""images export: what is in an archive or a layout, what is left out, and that there is all of it or nothing."""

import hashlib
import io
import json
import os
import pty
import random
import signal
import subprocess
import tarfile
import time

from support.broken import RegistryCase
from support.images import DOCKER, OCI, Image, Layer, artifact, digest, index_of
from support.mounting import Inside, MountCase
from support.program import SANITIZED, Lade

NAME, REF, SUBJECT = "io.containerd.image.name", "org.opencontainers.image.ref.name", "io.containerd.manifest.subject"


def noise(size, name="noise"):
    return Layer().file(name, os.urandom(size))


def path_of(name):
    return "blobs/" + name.replace(":", "/")


class Archive:
    """A tar as Python reads it, its entries in order; every blob is what its name says."""

    def __init__(self, data):
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as tar:
            self.entries = tar.getmembers()
            self.files = {one.name: tar.extractfile(one).read() for one in self.entries if one.isfile()}
        for name, text in self.files.items():
            if name.startswith("blobs/sha256/"):
                assert hashlib.sha256(text).hexdigest() == name.split("/")[2], name

    def names(self):
        return [one.name for one in self.entries]

    def json(self, name):
        return json.loads(self.files[name])

    def blobs(self):
        return {name.replace("blobs/", "").replace("/", ":") for name in self.files if name.startswith("blobs/")}

    def index(self):
        return self.json("index.json")["manifests"]

    def images(self):
        return {one["annotations"][NAME]: one["digest"] for one in self.index()}


class Exporting(RegistryCase):
    def pulled(self, image, tag="latest", *flags, name=None):
        """An image in the store; its name there."""
        ref = self.registry.add(image, tag)
        self.lade.ok("images", "pull", "--no-unpack", "--progress", "none", *flags, ref)
        if name:
            self.lade.ok("images", "tag", ref, name)
            self.lade.ok("images", "rm", ref)
        return name or ref

    def export(self, *args, **more):
        return self.lade.run("images", "export", "--progress", "none", *args, **more)

    def exported(self, *args, out="out.tar"):
        """The archive, exported to a file; what was said is in self.said."""
        self.said = self.lade.ok("images", "export", "--progress", "none", self.scratch / out, *args)
        return Archive((self.scratch / out).read_bytes())

    def exported_bytes(self, *args, lade=None):
        lade = lade or self.lade
        done = subprocess.run(lade.command("images", "export", "--progress", "none", "-", *args), env=lade.env, stdin=subprocess.DEVNULL, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def damage(self, name):
        path = self.lade.root / "content" / path_of(name)
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.chmod(0o644)
        path.write_bytes(data)

    def directory(self, name="place"):
        path = self.scratch / name
        path.mkdir()
        return path


class Form(Exporting):
    def test_what_is_in_it(self):
        image = Image([Layer().file("f", "text"), noise(3000)])
        name = self.pulled(image, name="docker.io/library/thing:1")
        archive = self.exported("thing:1")
        self.assertEqual(self.said.out, f"{name}@{image.root}\n")
        blobs = [path_of(image.root), path_of(image.config["digest"]), *sorted(path_of(one["digest"]) for one in image.layers)]
        # Whoever reads from the front knows what is to come.
        self.assertEqual(archive.names(), ["oci-layout", "index.json", "manifest.json", "blobs", "blobs/sha256", *blobs])
        for entry in archive.entries:
            self.assertEqual((entry.uid, entry.gid, entry.uname, entry.gname, entry.mtime), (0, 0, "", "", 0))
            self.assertEqual(entry.mode, 0o755 if entry.isdir() else 0o644 if entry.name in ("index.json", "manifest.json") else 0o444)
        self.assertEqual(archive.files["oci-layout"], b'{"imageLayoutVersion":"1.0.0"}')
        self.assertEqual(archive.json("index.json"), {
            "schemaVersion": 2, "mediaType": OCI + "index.v1+json",
            "manifests": [{"mediaType": OCI + "manifest.v1+json", "digest": image.root, "size": len(image.documents[image.root][1]), "annotations": {NAME: name, REF: "1"}}],
        })
        self.assertEqual(archive.json("manifest.json"), [{"Config": path_of(image.config["digest"]), "RepoTags": ["thing:1"], "Layers": [path_of(one["digest"]) for one in image.layers]}])
        self.assertNotIn("manifest.json", self.exported("--skip-manifest-json", "thing:1").names())

    def test_the_same_bytes_whatever_the_order_the_way_and_the_store(self):
        images = [Image([noise(2000), Layer().file("f", str(i))], kind=kind) for i, kind in enumerate(("oci", "docker", "oci"))]
        refs = [self.pulled(image, f"t{i}") for i, image in enumerate(images)]
        self.exported(*refs)
        whole = (self.scratch / "out.tar").read_bytes()
        self.exported(refs[2], refs[0], refs[1], refs[0], out="again.tar")
        self.assertEqual((self.scratch / "again.tar").read_bytes(), whole)
        self.assertEqual(self.exported_bytes(*reversed(refs)), whole)
        other = Lade(self.scratch / "other")
        for ref in reversed(refs):
            other.ok("images", "pull", "--progress", "none", "--snapshotter", "native", "--no-unpack", ref)
        self.assertEqual(self.exported_bytes(*refs, lade=other), whole)
        self.assertEqual(len(whole) % 512, 0)
        self.assertTrue(whole.endswith(bytes(1024)))

    def test_several_images_and_several_tags(self):
        base = noise(2000)
        one, two = Image([base, Layer().file("f", "1")]), Image([base, Layer().file("f", "2")])
        self.pulled(one, name="docker.io/library/one:1")
        self.pulled(two, name="docker.io/me/two:2")
        for name in ("docker.io/library/one:latest", "ghcr.io/a/b:9", f"docker.io/library/one@{one.root}"):
            self.lade.ok("images", "tag", "one:1", name)
        archive = self.exported("me/two:2", "ghcr.io/a/b:9", "one:1", "one", f"docker.io/library/one@{one.root}", "one:1")
        self.assertEqual(len(archive.names()), len(set(archive.names())))
        self.assertEqual([(i["digest"], i["annotations"][NAME], i["annotations"][REF]) for i in archive.index()], [
            (one.root, "docker.io/library/one:1", "1"), (one.root, "docker.io/library/one:latest", "latest"),
            (one.root, f"docker.io/library/one@{one.root}", f"docker.io/library/one@{one.root}"),
            (two.root, "docker.io/me/two:2", "2"), (one.root, "ghcr.io/a/b:9", "9"),
        ])
        tags = {one["Config"]: one["RepoTags"] for one in archive.json("manifest.json")}
        self.assertEqual(tags, {path_of(one.config["digest"]): ["one:1", "one:latest", "ghcr.io/a/b:9"], path_of(two.config["digest"]): ["me/two:2"]})
        # By ID, too, and whatever of an archive scripts want to know.
        told = self.lade.json("images", "export", "--progress", "none", self.scratch / "id.tar", two.root[:20])
        self.assertEqual([(i["name"], i["target"]["digest"]) for i in told["images"]], [("docker.io/me/two:2", two.root)])
        self.assertEqual((told["blobs"], told["left_out"], told["size"]), (4, 0, sum(map(len, [*two.blobs.values(), two.documents[two.root][1]]))))

    def test_dockers_own_form(self):
        layers = [Layer().file("f", "text").bytes(), noise(3000).bytes()]
        for kind, compression in (("oci", "gzip"), ("oci", "zstd"), ("docker", "gzip"), ("docker", "plain")):
            with self.subTest(kind=kind, compression=compression):
                image = Image(layers, kind=kind, compression=compression)
                self.pulled(image, name=f"docker.io/library/{compression}:{kind}")
                archive = self.exported("--format", "docker", f"{compression}:{kind}")
                config = image.config["digest"].split(":")[1] + ".json"
                tars = [digest(layer).split(":")[1] + ".tar" for layer in layers]
                self.assertEqual(archive.names(), ["manifest.json", config, *sorted(tars)])
                self.assertEqual(archive.json("manifest.json"), [{"Config": config, "RepoTags": [f"docker.io/library/{compression}:{kind}"], "Layers": tars}])
                self.assertEqual(archive.files[config], image.blobs[image.config["digest"]])
                self.assertEqual([archive.files[name] for name in tars], layers)
                self.assertEqual(self.exported_bytes("--format", "docker", f"{compression}:{kind}"), (self.scratch / "out.tar").read_bytes())
        for flags in (["--all-platforms"], ["--platform", "linux/amd64", "--platform", "linux/arm64"], ["--keep-missing"], ["--since", "gzip:oci"]):
            self.fails(self.export("--format", "docker", *flags, self.scratch / "no.tar", "gzip:oci"), 2, "--format docker")
        self.fails(self.export("--format", "docker", f"{self.scratch}/no/", "gzip:oci"), 2, "--format docker")
        self.assertFalse((self.scratch / "no").exists() or (self.scratch / "no.tar").exists())

    def test_layers_that_are_not_to_be_distributed(self):
        foreign = DOCKER + "image.rootfs.foreign.diff.tar.gzip"
        image = Image([noise(100), noise(200)], kind="docker", change=lambda config, layers: layers[0].update(mediaType=foreign))
        ref = self.pulled(image)
        self.assertIn(image.layers[0]["digest"], self.exported(ref).blobs())
        archive = self.exported("--skip-non-distributable", ref)
        self.assertEqual(archive.blobs(), {image.root, image.config["digest"], image.layers[1]["digest"]})
        # docker would look for all that it names.
        self.assertNotIn("manifest.json", archive.names())

    def test_referrers(self):
        image = Image([noise(1000)])
        self.registry.referrers_page = 10
        ref = self.registry.add(image)
        signed = artifact(image.descriptor(), "application/vnd.example.signature", annotations={"who": "me"})
        signed.platform = {}
        of_signed = artifact(signed.descriptor(), "application/vnd.example.sbom", b"sbom")
        for one in (signed, of_signed):
            self.registry.blobs.update(one.blobs)
            self.registry.manifests.update(one.documents)
        self.lade.ok("images", "pull", "--no-unpack", "--with-referrers", "--progress", "none", ref)
        self.assertEqual(len(self.exported(ref).index()), 1)
        archive = self.exported("--with-referrers", ref)
        listed = {one["digest"]: one for one in archive.index()}
        self.assertEqual(set(listed), {image.root, signed.root, of_signed.root})
        self.assertEqual(listed[signed.root]["annotations"], {"who": "me", SUBJECT: image.root})
        self.assertEqual(listed[of_signed.root]["annotations"], {SUBJECT: signed.root})
        self.assertEqual(listed[of_signed.root]["artifactType"], "application/vnd.example.sbom")
        self.assertLessEqual({*signed.blobs, *of_signed.blobs}, archive.blobs())
        self.assertEqual(len(archive.json("manifest.json")), 1)


class Meanwhile(Exporting):
    """What is removed while an archive is read slowly is in it all the same."""

    def setUp(self):
        super().setUp()
        # More than pipes and buffers take.
        self.image = Image([noise(3_000_000, name) for name in "abcd"])
        self.ref = self.pulled(self.image)

    def slowly(self, *flags):
        process = subprocess.Popen(self.lade.command("images", "export", "--progress", "none", "-", *flags, self.ref), env=self.lade.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with process:
            data = process.stdout.read(1000)
            self.lade.ok("images", "rm", self.ref)
            self.lade.ok("gc")
            left = self.lade.json("content", "ls")
            data += process.stdout.read()
            said = process.stderr.read().decode()
        return process.returncode, said, data, left

    def test_an_image_is_removed(self):
        whole = self.exported_bytes(self.ref)
        code, said, data, left = self.slowly()
        self.assertEqual((code, said), (0, ""))
        self.assertEqual(left, [])
        self.assertEqual(data, whole)

    def test_an_image_is_removed_that_becomes_docker_s(self):
        whole = self.exported_bytes("--format", "docker", self.ref)
        code, said, data, left = self.slowly("--format", "docker")
        self.assertEqual((code, said, left), (0, "", []))
        self.assertEqual(data, whole)

    def test_more_blobs_than_a_process_may_open(self):
        ref = self.pulled(Image([noise(1000, f"noise-{i}") for i in range(100)]), "many")
        whole = self.exported_bytes(ref)
        done = subprocess.run(["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", *self.lade.command("images", "export", "--progress", "none", "-", ref)], env=self.lade.env, capture_output=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, whole)


class Parts(Exporting):
    """Indexes of which not all is wanted, or not all is there."""

    def setUp(self):
        super().setUp()
        self.one = {name: Image([Layer().file("f", name), noise(500)], architecture=name) for name in ("amd64", "arm64", "s390x")}
        self.whole = index_of(list(self.one.values()))

    def all_of(self, *names):
        return {name for image in names for name in (*self.one[image].blobs, self.one[image].root)}

    def test_all_of_it(self):
        ref = self.pulled(self.whole, "1", "--all-platforms")
        for flags in ([], ["--all-platforms"]):
            archive = self.exported(*flags, ref)
            self.assertEqual(archive.images(), {ref: self.whole.root})
            self.assertEqual(archive.blobs(), {self.whole.root, *self.all_of(*self.one)})
            self.assertEqual(self.said.err, "")
            # Of an index docker gets the image that this machine runs.
            self.assertEqual([one["Config"] for one in archive.json("manifest.json")], [path_of(self.one["amd64"].config["digest"])])

    def test_platforms(self):
        ref = self.pulled(self.whole, "1", "--all-platforms")
        archive = self.exported("--platform", "linux/arm64", ref)
        self.assertEqual((archive.images(), archive.blobs()), ({ref: self.one["arm64"].root}, self.all_of("arm64")))
        self.assertEqual([one["Config"] for one in archive.json("manifest.json")], [path_of(self.one["arm64"].config["digest"])])
        archive = self.exported("--platform", "linux/s390x", "--platform", "linux/arm64", ref)
        (root,) = archive.images().values()
        self.assertEqual([one["digest"] for one in archive.json(path_of(root))["manifests"]], [self.one["arm64"].root, self.one["s390x"].root])
        self.assertEqual(archive.blobs(), {root, *self.all_of("arm64", "s390x")})
        self.assertIn(f"{root} in place of {self.whole.root}", self.said.err)
        # As ctr does it: the index as it is, one image of it.
        archive = self.exported("--platform", "linux/s390x", "--keep-missing", ref)
        self.assertEqual((archive.images(), archive.blobs()), ({ref: self.whole.root}, {self.whole.root, *self.all_of("s390x")}))
        self.fails(self.export("--platform", "linux/riscv64", self.scratch / "no.tar", ref), 3, "linux/riscv64", "linux/arm64")
        self.assertFalse((self.scratch / "no.tar").exists())
        self.assertEqual(Archive(self.exported_bytes("--format", "docker", "--platform", "linux/arm64", ref)).json("manifest.json")[0]["Config"], self.one["arm64"].config["digest"][7:] + ".json")

    def test_what_is_here(self):
        ref = self.pulled(self.whole, "1", "--platform", "linux/arm64", "--platform", "linux/s390x")
        archive = self.exported(ref)
        (root,) = archive.images().values()
        self.assertEqual([one["digest"] for one in archive.json(path_of(root))["manifests"]], [self.one["arm64"].root, self.one["s390x"].root])
        self.assertEqual(archive.blobs(), {root, *self.all_of("arm64", "s390x")})
        for words in ("linux/amd64", self.one["amd64"].root, f"{root} in place of {self.whole.root}"):
            self.assertIn(words, self.said.err)
        archive = self.exported("--keep-missing", ref)
        self.assertEqual((archive.images(), archive.blobs()), ({ref: self.whole.root}, {self.whole.root, *self.all_of("arm64", "s390x")}))
        self.assertIn("linux/amd64", self.said.err)
        self.assertNotIn("in place of", self.said.err)
        self.fails(self.export("--all-platforms", self.scratch / "no.tar", ref), 5, ref, "linux/amd64", self.one["amd64"].root, "images pull --all-platforms", "--platform exports")
        self.fails(self.export("--platform", "linux/amd64", self.scratch / "no.tar", ref), 3, self.one["amd64"].root)
        self.assertFalse((self.scratch / "no.tar").exists())
        # docker's form has one image, and neither of these is this machine's.
        self.fails(self.export("--format", "docker", self.scratch / "no.tar", ref), 3, "linux/amd64", "linux/arm64", "linux/s390x")

    def test_the_only_one_here_serves_docker(self):
        ref = self.pulled(self.whole, "1", "--platform", "linux/s390x")
        self.assertEqual(self.exported("--format", "docker", ref).json("manifest.json")[0]["Config"], self.one["s390x"].config["digest"][7:] + ".json")
        self.assertEqual(self.said.err, "")

    def test_a_layer_that_is_missing(self):
        ref = self.pulled(self.whole, "1", "--platform", "linux/arm64", "--platform", "linux/s390x")
        lost = self.one["arm64"].layers[1]["digest"]
        self.lade.ok("content", "rm", lost)
        archive = self.exported(ref)
        (root,) = archive.images().values()
        self.assertEqual(archive.blobs(), {root, *self.all_of("s390x")})
        self.assertIn(lost, self.said.err)
        self.fails(self.export("--platform", "linux/arm64", self.scratch / "no.tar", ref), 5, lost, ref)
        self.fails(self.export("--platform", "linux/arm64", "--keep-missing", self.scratch / "no.tar", ref), 5, lost, ref)
        self.fails(self.export("--format", "docker", "--platform", "linux/arm64", self.scratch / "no.tar", ref), 5, lost, ref)
        self.lade.ok("content", "rm", self.one["s390x"].layers[0]["digest"])
        for flags in ([], ["--keep-missing"], ["--format", "docker"]):
            self.fails(self.export(*flags, self.scratch / "no.tar", ref), 5, ref, "missing", "images pull")
        self.assertFalse((self.scratch / "no.tar").exists())


class Deltas(Exporting):
    def setUp(self):
        super().setUp()
        base, shared = noise(3000), noise(2000)
        self.old = Image([base, shared, Layer().file("f", "old")])
        self.new = Image([base, shared, Layer().file("f", "new")])
        self.refs = [self.pulled(self.old, "old"), self.pulled(self.new, "new")]
        self.delta = {self.new.root, self.new.config["digest"], self.new.layers[2]["digest"]}

    def test_since_an_image(self):
        archive = self.exported("--since", self.refs[0], self.refs[1])
        self.assertEqual((archive.images(), archive.blobs()), ({self.refs[1]: self.new.root}, self.delta))
        # Nobody can make an image of it alone.
        self.assertNotIn("manifest.json", archive.names())
        told = self.lade.json("images", "export", "--progress", "none", "--since", self.refs[0], self.scratch / "told.tar", self.refs[1])
        self.assertEqual((told["blobs"], told["left_out"]), (3, 2))
        # What says what there should be is always there.
        archive = self.exported("--since", self.refs[1], self.refs[1])
        self.assertEqual((archive.images(), archive.blobs()), ({self.refs[1]: self.new.root}, {self.new.root}))
        self.fails(self.export("--since", "nothing", self.scratch / "no.tar", self.refs[1]), 3, "nothing")
        for layer in self.old.layers:
            self.lade.ok("content", "rm", layer["digest"])
        self.fails(self.export("--since", self.refs[0], self.scratch / "no.tar", self.refs[0]), 5, self.refs[0])

    def test_what_the_other_side_lists(self):
        other = Lade(self.scratch / "other")
        other.ok("images", "pull", "--no-unpack", "--progress", "none", self.refs[0])
        have = self.scratch / "have"
        have.write_text(other.ok("content", "ls", "-q").out)
        self.assertEqual(self.exported("--have", have, self.refs[1]).blobs(), self.delta)
        out = self.scratch / "piped.tar"
        with open(have, "rb") as listed:
            done = subprocess.run(self.lade.command("images", "export", "--progress", "none", "--have", "-", out, self.refs[1]), env=self.lade.env, stdin=listed, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(out.read_bytes(), (self.scratch / "out.tar").read_bytes())
        have.write_text(f"\n{self.new.layers[0]['digest']}\n\nsha256:123\n")
        self.fails(self.export("--have", have, self.scratch / "no.tar", self.refs[1]), 2, "have", "line 4", "sha256:123")
        have.write_text("x" * 100_000)
        self.fails(self.export("--have", have, self.scratch / "no.tar", self.refs[1]), 2, "line 1")
        self.fails(self.export("--have", self.scratch / "absent", self.scratch / "no.tar", self.refs[1]), 3, "absent")
        self.assertFalse((self.scratch / "no.tar").exists())


class Directory(Exporting):
    def layout(self, path):
        """Name -> digest, all blobs checked."""
        for blob in (path / "blobs/sha256").iterdir():
            self.assertEqual(hashlib.sha256(blob.read_bytes()).hexdigest(), blob.name)
        self.assertEqual(json.loads((path / "oci-layout").read_text()), {"imageLayoutVersion": "1.0.0"})
        return {one["annotations"].get(NAME, one["annotations"][REF]): one["digest"] for one in json.loads((path / "index.json").read_text())["manifests"]}

    def test_a_new_one_and_more_into_it(self):
        base = noise(2000)
        one, two = Image([base, Layer().file("f", "1")]), Image([base, Layer().file("f", "2")])
        names = [self.pulled(one, name="docker.io/library/one:1"), self.pulled(two, name="docker.io/library/two:2")]
        path = self.scratch / "made" / "here"
        self.assertEqual(self.lade.ok("images", "export", "--progress", "none", f"{path}/", "one:1").out, f"{names[0]}@{one.root}\n")
        self.assertEqual(self.layout(path), {names[0]: one.root})
        before = {blob.name: blob.stat().st_ino for blob in (path / "blobs/sha256").iterdir()}
        self.lade.ok("images", "export", "--progress", "none", path, "two:2")
        self.assertEqual(self.layout(path), {names[0]: one.root, names[1]: two.root})
        # What was there is not written again.
        after = {blob.name: blob.stat().st_ino for blob in (path / "blobs/sha256").iterdir()}
        self.assertEqual({name: after[name] for name in before}, before)
        self.assertEqual([one["RepoTags"] for one in json.loads((path / "manifest.json").read_text())], [["one:1"], ["two:2"]])
        # A name is taken over.
        self.lade.ok("images", "tag", "--force", "two:2", "one:1")
        self.lade.ok("images", "export", "--progress", "none", path, "one:1")
        self.assertEqual(self.layout(path), {names[0]: two.root, names[1]: two.root})
        self.assertEqual([one["RepoTags"] for one in json.loads((path / "manifest.json").read_text())], [["two:2", "one:1"]])
        self.assertEqual(sorted(one.name for one in path.iterdir()), ["blobs", "index.json", "manifest.json", "oci-layout"])
        # It is no longer what manifest.json says, also where nobody wants that written.
        self.lade.ok("images", "export", "--progress", "none", "--skip-manifest-json", path, "one:1")
        self.assertEqual([one["RepoTags"] for one in json.loads((path / "manifest.json").read_text())], [["two:2"]])

    def test_somebody_elses(self):
        path = self.directory()
        theirs = Image([noise(100)])
        theirs.write_layout(path / "layout", "1")
        ours = Image([noise(100)])
        self.pulled(ours, name="docker.io/library/ours:2")
        self.lade.ok("images", "export", "--progress", "none", path / "layout", "ours:2")
        self.assertEqual(self.layout(path / "layout"), {"1": theirs.root, "docker.io/library/ours:2": ours.root})
        # Whoever reads it asks for the tag alone.
        self.lade.ok("images", "tag", "ours:2", "ours:1")
        self.lade.ok("images", "export", "--progress", "none", path / "layout", "ours:1")
        self.assertEqual(self.layout(path / "layout"), {"docker.io/library/ours:1": ours.root, "docker.io/library/ours:2": ours.root})

    def test_what_is_no_layout(self):
        ref = self.pulled(Image([noise(100)]))
        path = self.directory()
        (path / "file").write_text("mine")
        self.fails(self.export(path, ref), 5, "place", "neither empty nor an OCI image layout")
        self.assertEqual([one.name for one in path.iterdir()], ["file"])
        self.fails(self.export(f"{path}/file/", ref), 5, "no directory")
        (path / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}')
        self.fails(self.export(path, ref), 1, "2.0.0")
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        (path / "index.json").write_text("[]")
        self.fails(self.export(path, ref), 2, "index.json")
        self.assertEqual((path / "index.json").read_text(), "[]")
        outside = self.directory("outside")
        (path / "index.json").unlink()
        os.mkfifo(path / "index.json")
        self.fails(self.export(path, ref), 5, "index.json", "is no file")
        (path / "index.json").unlink()
        os.symlink(outside, path / "blobs")
        self.assertNotEqual(self.export(path, ref).code, 0)
        self.assertEqual(list(outside.iterdir()), [])

    def test_damage(self):
        image, good = Image([noise(200_000), noise(100)]), Image([noise(300)])
        ref, other = self.pulled(image), self.pulled(good, "good")
        lost = image.layers[0]["digest"]
        self.damage(lost)
        # Nothing is left of what was not there, or was empty.
        self.fails(self.export(f"{self.scratch}/new/", ref), 8, lost)
        self.assertFalse((self.scratch / "new").exists())
        empty = self.directory("empty")
        self.fails(self.export(empty, ref), 8, lost)
        self.assertEqual(list(empty.iterdir()), [])
        # A layout is what it was.
        self.lade.ok("images", "export", "--progress", "none", empty, other)
        before = (empty / "index.json").read_bytes()
        self.fails(self.export(empty, ref), 8, lost)
        self.assertEqual((empty / "index.json").read_bytes(), before)
        self.assertEqual(self.layout(empty), {other: good.root})
        # Damage in the layout is mended by whoever brings the blob again.
        blob = empty / path_of(good.layers[0]["digest"])
        blob.chmod(0o644)
        blob.write_bytes(b"x" * blob.stat().st_size)
        self.lade.ok("images", "export", "--progress", "none", empty, other)
        self.layout(empty)

    def test_two_at_once(self):
        images = [Image([noise(50_000), Layer().file("f", str(i))]) for i in range(4)]
        refs = [self.pulled(image, f"t{i}") for i, image in enumerate(images)]
        path = self.scratch / "shared"
        running = [self.lade.start("images", "export", "--progress", "none", f"{path}/", ref) for ref in refs]
        for process in running:
            _, err = process.communicate()
            self.assertEqual(process.returncode, 0, err)
        self.assertEqual(self.layout(path), {ref: image.root for ref, image in zip(refs, images)})


class Failures(Exporting):
    def setUp(self):
        super().setUp()
        self.image = Image([noise(300_000), noise(100)])
        self.ref = self.pulled(self.image)
        self.place = self.directory()
        self.out = self.place / "out.tar"

    def nothing(self):
        self.assertEqual(list(self.place.iterdir()), [])

    def test_damage_leaves_no_archive(self):
        lost = self.image.layers[0]["digest"]
        self.damage(lost)
        self.fails(self.export(self.out, self.ref), 8, lost, "layer")
        self.nothing()
        self.out.write_text("what was there")
        self.fails(self.export(self.out, self.ref), 8, lost)
        self.fails(self.export("--format", "docker", self.out, self.ref), 8, lost)
        self.fails(self.export("-", self.ref, prefix=("sh", "-c", '"$@" > /dev/null', "sh")), 8, lost)
        path = self.lade.root / "content" / path_of(lost)
        path.write_bytes(path.read_bytes()[:-1])
        self.fails(self.export(self.out, self.ref), 8, lost)
        path.unlink()
        self.fails(self.export(self.out, self.ref), 8, lost)
        self.assertEqual([(one.name, one.read_text()) for one in self.place.iterdir()], [("out.tar", "what was there")])

    def test_a_damaged_document(self):
        self.damage(self.image.root)
        self.fails(self.export(self.out, self.ref), 8, self.image.root)
        self.nothing()

    def test_names(self):
        self.fails(self.export(self.out, "nothing"), 3, "nothing")
        self.fails(self.export(self.out, self.ref, "nothing"), 3, "nothing")
        self.fails(self.export(self.out), 2, "image")
        self.fails(self.export(self.place / "no" / "out.tar", self.ref), 3, "no")
        self.fails(Lade(self.scratch / "none").run("images", "export", self.out, self.ref), 3, "does not exist")
        self.fails(self.export("/dev/null", self.ref), 5, "/dev/null", "standard output")
        self.fails(self.export("--platform", "linux/amd64", "--all-platforms", self.out, self.ref), 2, "--platform")
        self.nothing()

    def test_a_file_in_the_place_of_another(self):
        self.out.write_text("old")
        link = self.place / "link.tar"
        link.symlink_to("out.tar")
        self.lade.ok("images", "export", "--progress", "none", link, self.ref, prefix=("sh", "-c", 'umask 027; exec "$@"', "sh"))
        self.assertTrue(link.is_symlink())
        self.assertEqual(Archive(self.out.read_bytes()).images(), {self.ref: self.image.root})
        self.assertEqual(self.out.stat().st_mode & 0o7777, 0o640)
        self.assertEqual(sorted(one.name for one in self.place.iterdir()), ["link.tar", "out.tar"])

    def test_standard_output_is_the_archive(self):
        for flags in ([], ["--progress", "plain"], ["--progress", "json"], ["-q"]):
            done = subprocess.run(self.lade.command("images", "export", *flags, "-", self.ref), env=self.lade.env, stdin=subprocess.DEVNULL, capture_output=True)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(Archive(done.stdout).images(), {self.ref: self.image.root})
            self.assertEqual(b"exported" in done.stderr, flags in ([], ["--progress", "plain"]))
        self.fails(self.lade.run("images", "export", "--json", "-", self.ref), 2, "--json")
        self.fails(self.export("-", self.ref, prefix=("sh", "-c", '"$@" > /dev/full', "sh")), 9, "standard output")
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        done = subprocess.run(self.lade.command("images", "export", "-", self.ref), env=self.lade.env, stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.PIPE, text=True)
        os.close(slave)
        self.assertEqual(done.returncode, 2)
        self.assertIn("terminal", done.stderr)

    def test_a_reader_that_goes(self):
        process = subprocess.Popen(self.lade.command("images", "export", "--progress", "none", "-", self.ref), env=self.lade.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdout.buffer.read(10)
        process.stdout.close()
        # As of cat and all the others: shells call it 141.
        self.assertEqual(process.stderr.read(), "")
        process.stderr.close()
        self.assertEqual(process.wait(), -signal.SIGPIPE)

    def test_a_signal_while_nobody_reads(self):
        process = subprocess.Popen(self.lade.command("images", "export", "--progress", "none", "-", self.ref), env=self.lade.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        process.stdout.read(1000)
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(), -signal.SIGINT)

    def test_killed_at_any_moment(self):
        big = Image([noise(3_000_000, str(i)) for i in range(4)], compression="plain")
        ref = self.pulled(big, "big")
        whole = self.exported_bytes(ref)
        self.out.write_text("what was there")
        for number in range(6 if SANITIZED else 12):
            process = self.lade.start("images", "export", "--progress", "none", self.out, ref)
            time.sleep(random.random() * (0.6 if SANITIZED else 0.05))
            process.kill()
            process.communicate()
            # There is the old one or the new one.
            self.assertIn(self.out.read_bytes(), (b"what was there", whole))
        process = self.lade.start("images", "export", "--progress", "none", f"{self.place}/layout/", ref)
        time.sleep(0.02)
        process.kill()
        process.communicate()
        # And whoever tries again is not held up by what a killed one left.
        self.lade.ok("images", "export", "--progress", "none", f"{self.place}/layout/", ref)
        self.lade.ok("images", "export", "--progress", "none", self.out, ref)
        self.assertEqual(self.out.read_bytes(), whole)


class Disks(MountCase):
    def disk(self, size):
        path = self.directory(f"disk-{size}")
        self.sh('mount -t tmpfs -o "size=$2" none "$1"', path, size)
        return path

    def test_a_full_disk_has_no_archive(self):
        disk = self.disk("4m")
        ref = self.registry.add(Image([noise(3_000_000), noise(3_000_000)], compression="plain"))
        self.lade.ok("images", "pull", "--no-unpack", "--progress", "none", ref)
        for form in ([], ["--format", "docker"]):
            self.fails(self.lade.run("images", "export", "--progress", "none", *form, disk / "out.tar", ref), 9, "out.tar", "No space left")
            self.assertEqual(list(self.seen(disk).iterdir()), [])
        self.fails(self.lade.run("images", "export", "--progress", "none", f"{disk}/layout/", ref), 9, "layout", "No space left")
        self.assertEqual(list(self.seen(disk).iterdir()), [])
        (self.seen(disk) / "out.tar").write_text("what was there")
        self.fails(self.lade.run("images", "export", "--progress", "none", disk / "out.tar", ref), 9, "out.tar")
        self.assertEqual((self.seen(disk) / "out.tar").read_text(), "what was there")

    def test_from_a_store_that_cannot_be_written_to(self):
        disk = self.disk("16m")
        self.lade = Inside(disk / "store", self.holder)
        image = Image([noise(1000)])
        ref = self.registry.add(image)
        self.lade.ok("images", "pull", "--no-unpack", "--progress", "none", ref)
        self.sh('mount -o remount,ro "$1"', disk)
        self.lade.ok("images", "export", "--progress", "none", self.scratch / "out.tar", ref)
        self.assertEqual(Archive((self.scratch / "out.tar").read_bytes()).images(), {ref: image.root})
        self.fails(self.lade.run("images", "export", "--progress", "none", disk / "out.tar", ref), 7, "out.tar", "Read-only")
