"""Archives of images, written by Python's own tar: OCI layouts, and docker's of every age."""

import io
import json
import tarfile

from support.images import digest


def tar(entries):
    """A tar of (name, data) in that order; data may be a TarInfo, of a link say."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as out:
        for name, data in entries:
            info = data if isinstance(data, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.name = name
            info.size = 0 if data is info else len(data)
            out.addfile(info, None if data is info else io.BytesIO(data))
    # Python pads to 10 KiB.
    data = buffer.getvalue().rstrip(b"\0")
    return data + bytes(-len(data) % 512 + 1024)


def link(target, kind=tarfile.SYMTYPE):
    info = tarfile.TarInfo()
    info.type, info.linkname = kind, target
    return info


def blob_name(name):
    return "blobs/" + name.replace(":", "/")


def layout_entries(images, leave_out=(), index=None):
    """{name: image}; a name is an annotation: (key, value) or a tag."""
    blobs, manifests = {}, []
    for name, image in images.items():
        blobs.update(image.blobs)
        blobs.update({one: text for one, (_, text) in image.documents.items()})
        key, value = name if isinstance(name, tuple) else ("org.opencontainers.image.ref.name", name)
        manifests.append({**image.descriptor(), "annotations": {key: value} if value else {}})
    text = json.dumps(index or {"schemaVersion": 2, "manifests": manifests}).encode()
    entries = [(blob_name(one), data) for one, data in sorted(blobs.items()) if one not in leave_out]
    return [*entries, ("index.json", text), ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')]


def docker_entries(images, tags=None):
    """As skopeo writes it: of images with plain layers. {image: its tags} or a list of pairs."""
    entries, manifest = {}, []
    for image, names in images:
        layers = []
        for layer in image.layers:
            layers.append(layer["digest"].split(":")[1] + ".tar")
            entries[layers[-1]] = image.blobs[layer["digest"]]
        config = image.config["digest"].split(":")[1] + ".json"
        entries[config] = image.blobs[image.config["digest"]]
        manifest.append({"Config": config, "RepoTags": names, "Layers": layers})
    return [*entries.items(), ("manifest.json", json.dumps(manifest).encode())]


def old_docker_entries(image, name, tag):
    """As docker wrote it before 1.10: a folder for each layer, and `repositories`."""
    entries, parent = [], None
    config = json.loads(image.blobs[image.config["digest"]])
    for number, layer in enumerate(image.layers):
        id_ = digest(f"{name} {number}".encode()).split(":")[1]
        v1 = {"id": id_, "created": "2016-01-02T03:04:05Z", "os": config["os"], "architecture": config["architecture"], "container_config": {"Cmd": ["make", str(number)]}}
        if parent:
            v1["parent"] = parent
        if number == len(image.layers) - 1:
            v1["config"] = {"Env": ["OLD=1"], "Cmd": ["sh"]}
        entries += [(f"{id_}/VERSION", b"1.0"), (f"{id_}/json", json.dumps(v1).encode()), (f"{id_}/layer.tar", image.blobs[layer["digest"]])]
        parent = id_
    return [*entries, ("repositories", json.dumps({name: {tag: parent}}).encode())]
