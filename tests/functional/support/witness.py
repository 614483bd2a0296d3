"""What images are, told by their bytes alone: whatever has them, every blob is hashed, every layer decoded."""

import gzip
import json
import subprocess
import tarfile
import urllib.error
import urllib.request
from dataclasses import dataclass

from support.images import digest


def compression(data):
    """By what the blob looks like."""
    return "gzip" if data[:2] == b"\x1f\x8b" else "zstd" if data[:4] == b"\x28\xb5\x2f\xfd" else "plain"


def decode(data):
    """A layer's tar."""
    how = compression(data)
    if how == "zstd":
        return subprocess.run(["zstd", "-dqc"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return gzip.decompress(data) if how == "gzip" else data


@dataclass
class Facts:
    """`images`: config digest -> diff IDs, of the decoded layers. `roots`: digests of what names stand for, `blobs`: of all that
    belongs to them; `compressions`: of layers. None where a form keeps nothing of it, or nobody tells."""

    images: dict
    roots: set | None = None
    blobs: set | None = None
    compressions: set | None = None

    def differences(self, other):
        """What of it is not so in the other one, as far as both tell."""
        found = []
        if set(self.images) != set(other.images):
            found.append(f"configs {sorted(self.images)}, not {sorted(other.images)}")
        elif self.images != other.images:
            found.append(f"diff IDs {self.images}, not {other.images}")
        for what in ("roots", "blobs", "compressions"):
            mine, theirs = getattr(self, what), getattr(other, what)
            if mine is not None and theirs is not None and mine != theirs:
                found.append(f"{what}: {sorted(mine - theirs)} more, {sorted(theirs - mine)} less")
        return found


def facts(read, roots):
    """Of all that these digests lead to; `read` gives the bytes that something has under a digest."""
    images, blobs, compressions, pending = {}, set(), set(), list(roots)

    def blob(name):
        data = read(name)
        assert digest(data) == name, f"{name} has other bytes"
        blobs.add(name)
        return data

    while pending:
        document = json.loads(blob(pending.pop()))
        if "manifests" in document:
            pending += [one["digest"] for one in document["manifests"]]
            continue
        layers = [blob(one["digest"]) for one in document["layers"]]
        compressions.update(map(compression, layers))
        diff_ids = [digest(decode(layer)) for layer in layers]
        config = document["config"]["digest"]
        assert json.loads(blob(config))["rootfs"]["diff_ids"] == diff_ids, f"{config} has other diff IDs than its layers"
        images[config] = diff_ids
    return Facts(images, set(roots), blobs, compressions)


def of_image(image):
    """Of an Image in memory."""
    documents = {name: text for name, (_, text) in image.documents.items()}
    return facts(lambda name: documents.get(name) or image.blobs[name], [image.root])


def of_store(lade, *names):
    """Of these images of a store, from its files; of all of them, when none is named."""
    roots = {one["name"]: one["target"]["digest"] for one in lade.json("images", "ls")}
    wanted = {roots[name] for name in names} if names else set(roots.values())
    return facts(lambda name: (lade.root / "content/blobs" / name.replace(":", "/")).read_bytes(), wanted)


def of_layout(path):
    roots = {one["digest"] for one in json.loads((path / "index.json").read_text())["manifests"]}
    return facts(lambda name: (path / "blobs" / name.replace(":", "/")).read_bytes(), roots)


def of_archive(path):
    """Of an OCI layout in a tar."""
    with tarfile.open(path) as tar:
        members = {one.name.removeprefix("./"): one for one in tar.getmembers() if one.isfile()}
        read = lambda name: tar.extractfile(members[name]).read()
        roots = {one["digest"] for one in json.loads(read("index.json"))["manifests"]}
        return facts(lambda name: read("blobs/" + name.replace(":", "/")), roots)


def of_docker_archive(path):
    """What such an archive tells: no manifests, and plain layers under names of any kind."""
    with tarfile.open(path) as tar:
        read = lambda name: tar.extractfile(name).read()
        return Facts({digest(read(one["Config"])): [digest(decode(read(layer))) for layer in one["Layers"]] for one in json.loads(read("manifest.json"))})


def of_directory(path):
    """Of skopeo's form `dir:`."""
    root = (path / "manifest.json").read_bytes()
    held = {digest(root): path / "manifest.json"}
    for file in path.iterdir():
        held.setdefault("sha256:" + file.name.removesuffix(".manifest.json"), file)
    return facts(lambda name: held[name].read_bytes(), [digest(root)])


def of_registry(ref):
    """Of HOST/NAME:TAG on a registry that wants no credentials."""
    host, _, rest = ref.partition("/")
    name, _, tag = rest.rpartition(":")
    accept = ", ".join(f"application/vnd.{kind}+json" for kind in ("oci.image.index.v1", "oci.image.manifest.v1", "docker.distribution.manifest.list.v2", "docker.distribution.manifest.v2"))

    def get(path):
        with urllib.request.urlopen(urllib.request.Request(f"http://{host}/v2/{name}/{path}", headers={"Accept": accept}), timeout=30) as reply:
            return reply.read()

    def read(wanted):
        try:
            return get(f"manifests/{wanted}")
        except urllib.error.HTTPError:
            return get(f"blobs/{wanted}")

    return facts(read, [digest(get(f"manifests/{tag}"))])
