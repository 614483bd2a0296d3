"""The images of the interoperability table, and what lade makes of each form of them."""

import os
import shutil
import subprocess
import tarfile

from support import tree, witness
from support.images import Image, Layer, index_of
from support.program import Lade
from support.witness import Facts

DOCKER = ("docker", "docker-several", "docker-gzip", "docker-zstd", "repositories")
# Those that are a matter of the layers or the tree come in the container that a tool knows.
# The image that each is tried with.
INNER = {"zstd-layers": "zstd", "plain-layers": "plain", "estargz": "estargz", "index": "multi"}
NAME = "docker.io/library/"


class Absent(Exception):
    """There is no such form; the words are the footnote's."""


def refused(reason, attempt):
    """What a tool does not know is tried all the same: one day it may."""
    try:
        attempt()
    except AssertionError:
        raise Absent(reason) from None
    raise AssertionError("it works: this is no '-' any more")


def squeezed(path, form):
    """The archive as the form's name says: in gzip, in zstd or as it is."""
    how = form.rpartition("-")[2]
    if how not in ("gzip", "zstd"):
        return path
    out = path.with_suffix(f".{how}")
    with open(out, "wb") as file:
        subprocess.run([how, "-c", path], stdout=file, check=True)
    return out


class Ground:
    """The images: as layouts that Python wrote, and in a store of lade's, with their facts."""

    def __init__(self, place):
        self.place = place
        self.count = 0
        base = [Layer().dir("./").dir("etc").file("etc/name", "app").file("etc/old", "x" * 5000), Layer().whiteout("etc/old").file("etc/new", "new" * 1000)]
        layers = [layer.bytes() for layer in base]
        more = Layer().file("etc/later", os.urandom(3000)).bytes()
        app = Image(layers)
        self.images = {
            "app": app,
            "newer": Image([*layers, more]),
            "other": Image([Layer().dir("./").file("other", "other")]),
            "zstd": Image(layers, compression="zstd"),
            "plain": Image(layers, compression="plain"),
            "multi": index_of([app, Image([Layer().dir("./").file("arm", "arm")], architecture="arm64")]),
        }
        self.lade = Lade(place / "store")
        for name, image in self.images.items():
            if name in ("zstd", "plain"):
                continue  # lade makes its own
            self.lade.ok("images", "import", "--no-unpack", "--all-platforms", "--base-name", name, image.write_layout(place / f"{name}-layout", "1"))
        for name, flag in {"zstd": "--zstd", "plain": "--uncompress", "estargz": "--estargz"}.items():
            self.lade.ok("images", "convert", flag, "app:1", f"{name}:1")
            if name in self.images:
                self.images[name].write_layout(place / f"{name}-layout", "1")
        self.lade.ok("images", "export", f"{place}/estargz-layout/", "estargz:1")
        self.facts = {name: witness.of_image(image) for name, image in self.images.items()}
        self.made = {name: witness.of_store(self.lade, f"{NAME}{name}:1") for name in (*self.images, "estargz")}
        for name in ("app", "newer", "other", "multi"):
            assert not self.made[name].differences(self.facts[name])
        for name in ("zstd", "plain"):
            assert (self.made[name].images, self.made[name].compressions) == (self.facts["app"].images, {name})
        self.wanted_tree = self.tree_of("app:1")

    def tree_of(self, name):
        self.lade.ok("images", "unpack", "--to", self.place / "tree", name)
        described = tree.describe(self.place / "tree")
        shutil.rmtree(self.place / "tree")
        return described

    def new(self):
        """A directory for one cell."""
        self.count += 1
        path = self.place / f"cell-{self.count}"
        path.mkdir()
        return path

    def export(self, *args):
        self.lade.ok("images", "export", "--progress", "none", *args)

    def exported(self, form, as_directory):
        """What lade makes of a form, in the container wished for where that is open; (its place, the facts of it)."""
        place = self.new()
        tar, directory = place / "out.tar", place / "out"
        if form in INNER:
            name = INNER[form]
            self.export(f"{directory}/" if as_directory else tar, f"{name}:1")
            return (directory if as_directory else tar), self.made[name]
        if form == "layout":
            self.export(f"{directory}/", "app:1")
            return directory, self.made["app"]
        if form == "delta":
            # For a directory with the base in it, as tar unpacks it there.
            self.export("--since", "app:1", tar, "newer:1")
            if not as_directory:
                return tar, self.made["newer"]
            self.export(f"{directory}/", "app:1")
            with tarfile.open(tar) as archive:
                archive.extractall(directory)
            return directory, self.made["newer"]
        if form in DOCKER:
            if form == "repositories":
                raise Absent("nobody but docker before 1.10 needs it: lade does not write it")
            names = ["app:1", "other:1"] if form == "docker-several" else ["app:1"]
            self.export("--format", "docker", tar, *names)
            images = {config: ids for name in names for config, ids in self.made[name.split(":")[0]].images.items()}
            assert witness.of_docker_archive(tar).images == images
            return squeezed(tar, form), Facts(images)
        self.export(*([] if form == "both" else ["--skip-manifest-json"]), tar, "app:1")
        assert not witness.of_archive(tar).differences(self.made["app"])
        return squeezed(tar, form), self.made["app"]
