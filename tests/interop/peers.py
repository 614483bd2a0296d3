"""The tools of the interoperability table: how each writes every form that it has, and reads lade's."""

import json
import subprocess

from sources import DOCKER, INNER, NAME, Absent, refused, squeezed
from support import tree, witness
from support.program import Lade
from support.tools import Containerd, Podman, Tool
from support.witness import Facts

NO_GZIP = "skopeo 1.9 and podman 4.3 do not read what is gzip'd as a docker archive, their own neither; what is zstd'd they do"


class Theirs:
    """A tool, with a place of its own for each cell. write(form): (what it has written, flags for lade, the facts of that);
    read(form): (the facts it tells, those that are to be)."""

    def __init__(self, ground, registry):
        self.ground, self.registry = ground, registry

    def source(self, name):
        return self.ground.place / f"{name}-layout"

    def remote(self):
        self.ground.count += 1
        return f"{self.registry.host}/{type(self).__name__.lower()}-{self.ground.count}:1"

    def pushed(self, form):
        ref = self.remote()
        self.ground.lade.ok("images", "push", ref, "app:1")
        return ref, self.ground.made["app"]


class Skopeo(Theirs):
    name = "skopeo"
    writing = "skopeo makes no eStargz: it hands on one that lade made"

    def copy(self, *args):
        return Tool(self.ground.place).run("skopeo", "copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false", *args)

    def write(self, form):
        out = self.ground.new() / "out.tar"
        app = f"oci:{self.source('app')}:1"
        if form in ("layout", *INNER):
            flags = {"zstd-layers": ["--dest-compress-format", "zstd"], "plain-layers": ["--dest-oci-accept-uncompressed-layers"], "index": ["--all"]}.get(form, [])
            name = {"plain-layers": "plain", "estargz": "estargz", "index": "multi"}.get(form, "app")
            self.copy(*flags, f"oci:{self.source(name)}:1", f"oci:{out}:1")
            return out, ["--base-name", "app"], witness.of_layout(out)
        if form in ("tar", "gzip", "zstd"):
            self.copy(app, f"oci-archive:{out}:1")
            return squeezed(out, form), ["--base-name", "app"], witness.of_archive(out)
        if form == "dir":
            self.copy(app, f"dir:{out}")
            return out, ["--index-name", "app:1"], witness.of_directory(out)
        if form == "docker-several":
            self.copy(app, f"docker-archive:{out}:app:1")
            refused("skopeo adds nothing to an archive", lambda: self.copy(f"oci:{self.source('other')}:1", f"docker-archive:{out}:other:1"))
        if form in DOCKER:
            self.copy(app, f"docker-archive:{out}:app:1")
            return docker_form(form, out)
        if form == "registry":
            ref = self.remote()
            self.copy(app, f"docker://{ref}")
            return ref, [], witness.of_registry(ref)
        raise Absent("it writes one or the other" if form == "both" else "nobody else writes deltas")

    def read(self, form):
        place, want = self.pushed(form) if form == "registry" else self.ground.exported(form, as_directory=True)
        found = Facts({})
        for source in transports(form, place):
            out = self.ground.new() / "dir"
            copy = lambda source=source, out=out: self.copy("--all", source, f"dir:{out}")
            if form == "docker-gzip":
                refused(NO_GZIP, copy)
            copy()
            told = witness.of_directory(out)
            # What is in no docker archive it makes by itself.
            kept = Facts(told.images) if source.startswith("docker-archive:") else told
            found.images.update(kept.images)
            found.roots, found.blobs, found.compressions = kept.roots, kept.blobs, kept.compressions
        return found, want


def transports(form, place):
    """As containers-transports(5) has them."""
    if form == "registry":
        return [f"docker://{place}"]
    if form == "docker-several":
        return [f"docker-archive:{place}:app:1", f"docker-archive:{place}:other:1"]
    if form in DOCKER:
        return [f"docker-archive:{place}"]
    if form == "both":
        return [f"docker-archive:{place}", f"oci-archive:{place}:1"]
    return [f"oci:{place}:1" if place.is_dir() else f"oci-archive:{place}:1"]


def docker_form(form, path):
    """(What to import, flags, facts) of a docker archive that skopeo or podman has written."""
    told = witness.of_docker_archive(path)
    if form == "repositories":
        # What docker before 1.10 reads of it.
        subprocess.run(["tar", "--delete", "-f", path, "manifest.json"], check=True)
    return squeezed(path, form), [], told


class PodmanTool(Theirs):
    name = "podman"
    reading = "podman keeps layers unpacked: of what it reads config, diff IDs and the manifest's digest are compared"

    def write(self, form):
        place = self.ground.new()
        out = place / "out.tar"
        podman = Podman(place / "podman")
        try:
            wanted = ["app", "other"] if form == "docker-several" else ["app"]
            for name in wanted:
                podman.podman("tag", podman.podman("pull", "-q", f"oci:{self.source(name)}:1").strip(), f"{NAME}{name}:1")
            if form in ("layout", "tar", "gzip", "zstd"):
                podman.podman("save", "-q", "--format", "oci-dir" if form == "layout" else "oci-archive", "-o", out, f"{NAME}app:1")
                told = witness.of_layout(out) if form == "layout" else witness.of_archive(out)
                return squeezed(out, form), [], told
            if form in DOCKER:
                podman.podman("save", "-q", "--format", "docker-archive", "--multi-image-archive" if len(wanted) > 1 else "-q", "-o", out, *(f"{NAME}{name}:1" for name in wanted))
                return docker_form(form, out)
            if form == "dir":
                podman.podman("push", "-q", f"{NAME}app:1", f"dir:{out}")
                return out, ["--index-name", "app:1"], witness.of_directory(out)
            if form == "zstd-layers":
                podman.podman("push", "-q", "--compression-format", "zstd", f"{NAME}app:1", f"oci:{out}:1")
                return out, ["--base-name", "app"], witness.of_layout(out)
            if form == "index":
                podman.podman("manifest", "create", "list")
                podman.podman("manifest", "add", "--all", "list", f"oci:{self.source('multi')}:1")
                podman.podman("manifest", "push", "--all", "list", f"oci:{out}:1")
                return out, ["--base-name", "app"], witness.of_layout(out)
            if form == "registry":
                ref = self.remote()
                podman.podman("push", "-q", "--tls-verify=false", f"{NAME}app:1", ref)
                return ref, [], witness.of_registry(ref)
        finally:
            podman.close()
        raise Absent({"plain-layers": "podman compresses whatever it writes into a layout", "estargz": "podman does not make it, and compresses anew what it has", "both": "it writes one or the other"}.get(form, "nobody else writes deltas"))

    def read(self, form):
        path, want = self.pushed(form) if form == "registry" else self.ground.exported(form, as_directory=True)
        podman = Podman(self.ground.new() / "podman")
        try:
            if form == "registry" or path.is_dir():
                podman.podman("pull", "-q", "--tls-verify=false", *transports(form, path))
            else:
                load = lambda: podman.podman("load", "-q", "-i", path)
                if form == "docker-gzip":
                    refused(NO_GZIP, load)
                load()
            told = [podman.inspect(one["Id"]) for one in json.loads(podman.podman("images", "--format", "json"))]
        finally:
            podman.close()
        found = Facts({"sha256:" + one["Id"]: one["RootFS"]["Layers"] for one in told})
        if form == "index":
            # It takes this machine's of them.
            return found, Facts(self.ground.made["app"].images)
        if form not in (*DOCKER, "both"):
            found.roots = {one["Digest"] for one in told}
        return found, want


class Umoci(Theirs):
    name = "umoci"
    writing = "umoci makes an image of its own: its digests are compared with what Python reads in its layout"
    reading = "umoci reads in place: the manifest that it says it took, and its tree beside lade's, are compared"
    alone = "umoci knows layout directories alone"

    def write(self, form):
        if form not in ("layout", *INNER, "delta"):
            raise Absent(self.alone)
        if form != "layout":
            raise Absent("nobody else writes deltas" if form == "delta" else "umoci makes gzip'd layers of one image alone")
        place = self.ground.new()
        run, layout, bundle = Tool(place).run, place / "out", place / "bundle"
        run("umoci", "init", "--layout", layout)
        run("umoci", "new", "--image", f"{layout}:1")
        run("umoci", "config", "--image", f"{layout}:1", "--os", "linux", "--architecture", "amd64")
        run("umoci", "unpack", "--image", f"{layout}:1", bundle)
        for text in ("one", "two"):
            (bundle / "rootfs" / text).write_text(text)
            (bundle / "rootfs" / "one").write_text(text)
            run("umoci", "repack", "--refresh-bundle", "--image", f"{layout}:1", bundle)
        run("umoci", "gc", "--layout", layout)
        return layout, ["--base-name", "app"], witness.of_layout(layout)

    def read(self, form):
        if form not in ("layout", *INNER, "delta"):
            raise Absent(self.alone)
        place, want = self.ground.exported(form, as_directory=True)
        bundle = self.ground.new() / "bundle"
        unpack = lambda: Tool(self.ground.place).run("umoci", "unpack", "--image", f"{place}:1", bundle)
        if form == "zstd-layers":
            refused("umoci (0.4.7) knows no zstd", unpack)
        if form == "index":
            refused("umoci wants a tag to be one image: an index is ambiguous to it", unpack)
        unpack()
        # It verifies diff IDs by itself; what it took is what it says, and the tree is the image's.
        (taken,) = json.loads((bundle / "umoci.json").read_text())["from_descriptor_path"]["descriptor_walk"]
        name = {"layout": "app", "delta": "newer"}.get(form) or INNER[form]
        expected = self.ground.tree_of(f"{name}:1")
        different = tree.differences(tree.describe(bundle / "rootfs"), expected, ignore=("mtime",))
        assert not different, f"another tree: {different}"
        found = witness.of_layout(place)
        assert found.roots == {taken["digest"]}
        return found, want


class Ctr(Theirs):
    name = "ctr"
    writing = "ctr (1.6) makes neither zstd nor eStargz: it hands on what it was given"

    def packed(self, name):
        out = self.ground.new() / "in.tar"
        subprocess.run(["tar", "-C", self.source(name), "-cf", out, "."], check=True)
        return out

    def write(self, form):
        if form in DOCKER or form in ("layout", "delta", "dir"):
            raise Absent("nobody else writes deltas" if form == "delta" else "ctr writes tars alone" if form == "layout" else "ctr writes OCI layouts alone, with docker's manifest.json in them")
        out = self.ground.new() / "out.tar"
        with Containerd(self.ground.new()) as daemon:
            name = {"zstd-layers": "zstd", "estargz": "estargz", "index": "multi"}.get(form, "app")
            ref = f"{NAME}{name}:1"
            everything = ["--all-platforms"] if form == "index" else []
            daemon.ctr("images", "import", "--no-unpack", *everything, "--base-name", ref.removesuffix(":1"), self.packed(name))
            if form == "plain-layers":
                daemon.ctr("images", "convert", "--uncompress", ref, ref + "-plain")
                ref += "-plain"
            if form == "registry":
                to = self.remote()
                daemon.ctr("images", "push", "--plain-http", to, ref)
                return to, [], witness.of_registry(to)
            daemon.ctr("images", "export", *everything, *([] if form == "both" else ["--skip-manifest-json"]), out, ref)
        return squeezed(out, form), [], witness.of_archive(out)

    def read(self, form):
        if form == "layout":
            raise Absent("ctr reads tars alone")
        path, want = self.pushed(form) if form == "registry" else self.ground.exported(form, as_directory=False)
        with Containerd(self.ground.new()) as daemon:
            if form == "registry":
                daemon.ctr("images", "pull", "--plain-http", path)
            else:
                if form == "delta":
                    daemon.ctr("images", "import", self.packed("app"))
                # For this machine it unpacks what it imports, and so looks at the diff IDs.
                take = lambda: daemon.ctr("images", "import", *(["--all-platforms", "--no-unpack"] if form == "index" else []), path)
                if path.suffix in (".gzip", ".zstd"):
                    refused("ctr (1.6) reads archives that are not compressed", take)
                take()
            roots = {digest for name, digest in daemon.targets().items() if form != "delta" or "newer" in name}
            found = witness.facts(daemon.content, roots)
        return (Facts(found.images) if form in DOCKER else found), want


class Itself(Theirs):
    name = "lade"

    def write(self, form):
        raise Absent("the other table has it")

    def read(self, form):
        path, want = self.pushed(form) if form == "registry" else self.ground.exported(form, as_directory=False)
        other = Lade(self.ground.new() / "store")
        if form == "delta":
            other.ok("images", "import", "--base-name", "app", self.source("app"))
        found = self.taken(other, form, path, [])
        return (Facts(found.images) if form in DOCKER else found), want

    def taken(self, lade, form, path, flags):
        """The facts of what lade has of it; it unpacks what is for this machine."""
        before = set(lade.ok("images", "ls", "-q").out.split()) if lade.root.exists() else set()
        if form == "registry":
            lade.ok("images", "pull", path)
        else:
            lade.ok("images", "import", *(["--all-platforms"] if form == "index" else []), *flags, path)
        return witness.of_store(lade, *(set(lade.ok("images", "ls", "-q").out.split()) - before))
