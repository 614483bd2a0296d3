"""What an eStargz layer must be, from its specification alone (containerd/stargz-snapshotter, docs/estargz.md)."""

import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
import zlib

OWN = ("stargz.index.json", ".prefetch.landmark", ".no.prefetch.landmark")
TYPES = {
    tarfile.REGTYPE: "reg", tarfile.DIRTYPE: "dir", tarfile.SYMTYPE: "symlink", tarfile.LNKTYPE: "hardlink",
    tarfile.CHRTYPE: "char", tarfile.BLKTYPE: "block", tarfile.FIFOTYPE: "fifo",
}


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def members(blob):
    """Offset in the blob -> (offset in the tar, bytes) of each gzip member."""
    found, at, tar_at = {}, 0, 0
    while at < len(blob):
        assert blob[at : at + 3] == b"\x1f\x8b\x08", f"no gzip header at {at}"
        decoder, pieces, end = zlib.decompressobj(31), [], at
        while not decoder.eof:
            assert end < len(blob), f"the member at {at} is cut short"
            pieces.append(decoder.decompress(blob[end : end + 4096]))
            end = min(end + 4096, len(blob)) - len(decoder.unused_data)
        found[at] = (tar_at, b"".join(pieces))
        tar_at += len(found[at][1])
        at = end
    return found


def toc_offset(blob):
    """By the 51 bytes of the footer."""
    footer = blob[-51:]
    assert footer[:4] == b"\x1f\x8b\x08\x04", footer
    assert footer[10:16] == b"\x1a\x00SG\x16\x00", footer
    text = re.fullmatch(rb"([0-9a-f]{16})STARGZ", footer[16:38])
    assert text, footer
    assert footer[38:43] == b"\x01\x00\x00\xff\xff" and footer[43:] == bytes(8), footer
    assert gzip.decompress(footer) == b""
    return int(text.group(1), 16)


def check(blob, annotations):
    """Every rule of the specification, or an AssertionError. Returns (TOC entries, tar, names of the prioritized files)."""
    parts = members(blob)
    offset = toc_offset(blob)
    # By a program that knows of gzip alone; Python's copies the rest of the blob for each member.
    plain = subprocess.run(["gzip", "-dc"], input=blob, capture_output=True, check=True).stdout
    assert len(plain) == int(annotations["io.containers.estargz.uncompressed-size"])
    tar = tarfile.open(fileobj=io.BytesIO(plain), errors="surrogateescape")
    infos = tar.getmembers()

    # The TOC: the last entry, alone in its member with the end of the archive.
    last = infos[-1]
    assert last.name == "stargz.index.json" and last.isreg()
    assert offset in parts, "no member begins where the footer says"
    tar_at, member = parts[offset]
    assert tar_at == last.offset, "the TOC's member does not begin with its header"
    assert tar_at + len(member) == len(plain)
    text = tar.extractfile(last).read()
    assert sha256(text) == annotations["containerd.io/snapshot/stargz/toc.digest"]
    toc = json.loads(text)
    assert toc["version"] == 1

    # Each entry is there, in order, and each chunk behind the file it is of.
    entries, at = toc["entries"], 0
    starts = {0, offset, len(blob) - 51}
    for info in infos[:-1]:
        entry = entries[at]
        at += 1
        name = info.name + ("/" if info.isdir() else "")
        assert entry["name"] == name, (entry, name)
        assert entry["type"] == TYPES[info.type], entry
        assert (entry["mode"], entry["uid"], entry["gid"]) == (info.mode, info.uid, info.gid), entry
        if info.issym() or info.islnk():
            assert entry["linkName"] == info.linkname
        if info.ischr() or info.isblk():
            assert (entry["devMajor"], entry["devMinor"]) == (info.devmajor, info.devminor)
        xattrs = {key.removeprefix("SCHILY.xattr."): value for key, value in info.pax_headers.items() if key.startswith("SCHILY.xattr.")}
        assert set(entry.get("xattrs", {})) == set(xattrs), entry
        if info.mtime:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", entry["modtime"]), entry
        if not info.isreg() or info.size == 0:
            assert "offset" not in entry and "chunkDigest" not in entry, entry
            continue
        data = plain[info.offset_data : info.offset_data + info.size]
        assert entry["size"] == info.size and entry["digest"] == sha256(data), entry
        done = 0
        while True:
            assert entry.get("chunkOffset", 0) == done, entry
            size = entry["chunkSize"] or info.size - done
            piece = data[done : done + size]
            assert len(piece) == size and entry["chunkDigest"] == sha256(piece), entry
            begin, member = parts[entry["offset"]]
            assert begin == info.offset_data + done, "the member does not begin with the chunk"
            assert member[:size] == piece
            starts.add(entry["offset"])
            done += size
            if done == info.size:
                assert entry["chunkSize"] == 0
                break
            entry = entries[at]
            at += 1
            assert entry["type"] == "chunk" and entry["name"] == name, entry
    assert at == len(entries), entries[at:]
    assert set(parts) == starts, "gzip headers where none may be"

    # The landmark, and what stands before it.
    marks = [i for i, info in enumerate(infos) if info.name in OWN[1:]]
    assert len(marks) == 1
    (mark,) = marks
    assert infos[mark].isreg() and tar.extractfile(infos[mark]).read() == b"\x0f"
    first = [info.name for info in infos[:mark]]
    assert (infos[mark].name == ".prefetch.landmark") == bool(first)
    return entries, plain, first
