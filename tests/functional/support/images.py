"""Images for the tests: real ones by mmdebstrap and umoci, small ones from tars that Python writes."""

import gzip
import fcntl
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

OCI = "application/vnd.oci.image."
DOCKER = "application/vnd.docker."
LAYER_TYPES = {
    ("oci", "gzip"): OCI + "layer.v1.tar+gzip",
    ("oci", "zstd"): OCI + "layer.v1.tar+zstd",
    ("oci", "plain"): OCI + "layer.v1.tar",
    ("docker", "gzip"): DOCKER + "image.rootfs.diff.tar.gzip",
    ("docker", "plain"): DOCKER + "image.rootfs.diff.tar",
}


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def compress(data, how):
    if how == "gzip":
        return gzip.compress(data, 6, mtime=0)
    if how == "zstd":
        return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


def bomb(start, size):
    """`start` and `size` bytes of zeros behind it, by the 64 MiB, in next to no bytes: zstd's frames in a row are one stream."""
    step = 64 << 20
    return compress(start, "zstd") + compress(bytes(step), "zstd") * (size // step)


class Layer:
    """A tar under construction. Owners are root's, times fixed, unless given."""

    TIME = 1_600_000_000

    def __init__(self):
        self.buffer = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.buffer, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape")

    def add(self, name, type_=tarfile.REGTYPE, data=b"", mode=0o644, link="", uid=0, gid=0, mtime=TIME, major=0, minor=0, pax=None):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.linkname = type_, mode, link
        info.uid, info.gid, info.mtime = uid, gid, mtime
        info.devmajor, info.devminor = major, minor
        info.size = len(data)
        info.pax_headers = pax or {}
        self.tar.addfile(info, io.BytesIO(data) if data else None)
        return self

    def file(self, name, data=b"", **more):
        return self.add(name, data=data if isinstance(data, bytes) else data.encode(), **more)

    def dir(self, name, mode=0o755, **more):
        return self.add(name, tarfile.DIRTYPE, mode=mode, **more)

    def symlink(self, name, target, **more):
        return self.add(name, tarfile.SYMTYPE, link=target, mode=0o777, **more)

    def link(self, name, target, **more):
        return self.add(name, tarfile.LNKTYPE, link=target, **more)

    def whiteout(self, name):
        directory, base = os.path.split(name)
        return self.file(os.path.join(directory, ".wh." + base))

    def opaque(self, directory):
        return self.file(os.path.join(directory, ".wh..wh..opq"))

    def bytes(self):
        self.tar.close()
        return self.buffer.getvalue()


def many_files(count):
    """A layer's tar of so many small files, a hundred in each directory; tarfile takes a minute for a million."""
    whole = io.BytesIO()

    def header(name, kind, size):
        info = tarfile.TarInfo(name)
        info.type, info.size, info.mtime, info.mode = kind, size, Layer.TIME, 0o755 if kind == tarfile.DIRTYPE else 0o644
        return info.tobuf(tarfile.USTAR_FORMAT)

    pattern = "usr/share/somewhere/{:05}/a-name-of-a-file-{:07}"
    # Headers differ in their names alone, and so in their sums.
    sample = header(pattern.format(0, 0), tarfile.REGTYPE, 10)
    name = pattern.format(0, 0).encode()
    before, behind, rest = int(sample[148:154], 8) - sum(name), sample[len(name) : 148], sample[156:]
    for number in range(count):
        if number % 100 == 0:
            whole.write(header(f"usr/share/somewhere/{number // 100:05}", tarfile.DIRTYPE, 0))
        name = pattern.format(number // 100, number).encode()
        whole.write(name + behind + b"%06o\0 " % (before + sum(name)) + rest + b"%010d" % number + bytes(502))
    return whole.getvalue() + bytes(1024)


class Image:
    """An image in memory: `blobs` by digest, `documents` (manifests, indexes) with their types, `root`."""

    def __init__(self, layers, kind="oci", compression="gzip", architecture="amd64", variant=None, change=None):
        self.blobs, self.documents = {}, {}
        tars = [layer if isinstance(layer, bytes) else layer.bytes() for layer in layers]
        config = {"os": "linux", "architecture": architecture, "rootfs": {"type": "layers", "diff_ids": [digest(t) for t in tars]}, "config": {}}
        if variant:
            config["variant"] = variant
        descriptors = []
        for tar in tars:
            blob = compress(tar, compression)
            descriptors.append(self.blob(blob, LAYER_TYPES[kind, compression]))
        self.layers = descriptors
        if change:
            change(config, descriptors)
        config_type = OCI + "config.v1+json" if kind == "oci" else DOCKER + "container.image.v1+json"
        manifest_type = OCI + "manifest.v1+json" if kind == "oci" else DOCKER + "distribution.manifest.v2+json"
        self.config = self.blob(json.dumps(config).encode(), config_type)
        self.manifest = {"schemaVersion": 2, "mediaType": manifest_type, "config": self.config, "layers": descriptors}
        self.root = self.document(self.manifest, manifest_type)
        self.platform = {k: config[k] for k in ("os", "architecture", "variant") if k in config}
        self.kind = kind

    def blob(self, data, media_type):
        self.blobs[digest(data)] = data
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    def document(self, value, media_type):
        text = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.documents[digest(text)] = (media_type, text)
        return digest(text)

    def descriptor(self):
        media_type, text = self.documents[self.root]
        return {"mediaType": media_type, "digest": self.root, "size": len(text), "platform": self.platform}

    def write_layout(self, path, tag="t"):
        """An OCI layout that umoci and skopeo read."""
        path = Path(path)
        (path / "blobs/sha256").mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        for name, data in [*self.blobs.items(), *((d, text) for d, (_, text) in self.documents.items())]:
            (path / "blobs/sha256" / name.split(":")[1]).write_bytes(data)
        descriptor = {**self.descriptor(), "annotations": {"org.opencontainers.image.ref.name": tag}}
        (path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [descriptor]}))
        return path


def bomb_image(start, blob, diff_id=None, kind="oci"):
    """An image whose only layer is the bomb `blob`, and by its config the tar `start` or what has `diff_id`."""
    layer = {"mediaType": OCI + "layer.v1.tar+zstd" if kind == "oci" else DOCKER + "image.rootfs.diff.tar.zstd", "digest": digest(blob), "size": len(blob)}

    def change(config, descriptors):
        descriptors[0] = layer
        config["rootfs"]["diff_ids"] = [diff_id or digest(start)]

    image = Image([start], kind=kind, change=change)
    image.blobs[layer["digest"]] = blob
    return image


def index_of(images, kind="oci"):
    """One image object whose root is an index over the others."""
    whole = Image([], kind=kind)
    whole.blobs, whole.documents = {}, {}
    for image in images:
        whole.blobs.update(image.blobs)
        whole.documents.update(image.documents)
    media_type = OCI + "index.v1+json" if kind == "oci" else DOCKER + "distribution.manifest.list.v2+json"
    whole.root = whole.document({"schemaVersion": 2, "mediaType": media_type, "manifests": [i.descriptor() for i in images]}, media_type)
    return whole


def artifact(subject, artifact_type, data=b"data", annotations=None):
    """What refers to `subject`, a descriptor or None, as ORAS and others make it: the empty config, and one blob."""
    whole = Image([])
    whole.blobs, whole.documents = {}, {}
    manifest = {
        "schemaVersion": 2, "mediaType": OCI + "manifest.v1+json", "artifactType": artifact_type,
        "config": whole.blob(b"{}", "application/vnd.oci.empty.v1+json"),
        "layers": [whole.blob(data, "application/octet-stream")],
        "annotations": annotations or {},
    }
    if subject:
        manifest["subject"] = {key: subject[key] for key in ("mediaType", "digest", "size")}
    whole.manifest, whole.artifact_type = manifest, artifact_type
    whole.root = whole.document(manifest, manifest["mediaType"])
    whole.platform = {}
    return whole


def referrers_index(artifacts):
    """The index of the tag that lists them where a registry has no referrers API: its tag's text."""
    entries = []
    for one in artifacts:
        media_type, text = one.documents[one.root]
        entries.append({"mediaType": media_type, "digest": one.root, "size": len(text), "artifactType": one.artifact_type, "annotations": one.manifest["annotations"]})
    return json.dumps({"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "manifests": entries}).encode()


def umoci_unpack(layout, tag, into):
    """What umoci makes of the image; returns its root file system."""
    subprocess.run(["umoci", "unpack", "--image", f"{layout}:{tag}", str(into)], check=True, capture_output=True, stdin=subprocess.DEVNULL)
    return Path(into) / "rootfs"


def debian_layout():
    """An OCI layout, made once and kept in LADE_TEST_CACHE. LAYOUT:strict is a Debian root file system and a second
    layer of real changes; LAYOUT:debian has a third layer in which a directory becomes a file, written as umoci does:
    with whiteouts below that file, which containerd refuses."""
    for tool in ("mmdebstrap", "umoci"):
        if shutil.which(tool) is None:
            raise unittest.SkipTest(f"{tool} is not installed")
    if os.geteuid() != 0:
        raise unittest.SkipTest("needs root")
    cache = Path(os.environ.get("LADE_TEST_CACHE") or tempfile.gettempdir() + "/lade-test-cache")
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return make_debian_layout(cache / "debian-layers")


def make_debian_layout(layout):
    if (layout / "complete").exists():
        return layout
    shutil.rmtree(layout, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix="lade-debian-") as scratch:
        bundle, rootfs = f"{scratch}/bundle", Path(f"{scratch}/bundle/rootfs")

        def run(*command):
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        run("mmdebstrap", "--quiet", "--variant=minbase", "bookworm", f"{scratch}/base.tar")
        run("umoci", "init", "--layout", str(layout))
        run("umoci", "new", "--image", f"{layout}:debian")
        run("umoci", "config", "--image", f"{layout}:debian", "--os", "linux", "--architecture", "amd64")
        run("umoci", "unpack", "--image", f"{layout}:debian", bundle)
        run("tar", "-xf", f"{scratch}/base.tar", "-C", str(rootfs), "--exclude=./dev/*")
        run("umoci", "repack", "--refresh-bundle", "--image", f"{layout}:debian", bundle)
        (rootfs / "etc/motd").write_text("changed\n")
        (rootfs / "etc/issue").unlink()
        shutil.rmtree(rootfs / "usr/share/doc")
        (rootfs / "etc/debian_version").unlink()
        (rootfs / "etc/debian_version").mkdir()
        (rootfs / "etc/debian_version/file").write_text("a directory where a file was\n")
        shutil.rmtree(rootfs / "etc/skel")
        (rootfs / "etc/skel").mkdir()
        (rootfs / "etc/skel/new").write_text("recreated\n")
        os.link(rootfs / "etc/motd", rootfs / "root/motd-link")
        os.symlink("../etc/motd", rootfs / "root/motd-symlink")
        (rootfs / "usr/bin/set-id").write_text("x")
        os.chmod(rootfs / "usr/bin/set-id", 0o6755)
        os.chown(rootfs / "usr/bin/set-id", 12, 34)
        os.chmod(rootfs / "usr/bin/set-id", 0o6755)
        os.setxattr(rootfs / "etc/motd", "user.note", b"value")
        os.mknod(rootfs / "dev/thing", 0o20640, os.makedev(1, 7))
        os.mkfifo(rootfs / "root/pipe")
        run("umoci", "repack", "--refresh-bundle", "--image", f"{layout}:strict", bundle)
        shutil.rmtree(rootfs / "usr/share/man")
        (rootfs / "usr/share/man").write_text("a file where a directory was\n")
        run("umoci", "repack", "--image", f"{layout}:debian", bundle)
    (layout / "complete").touch()
    return layout
