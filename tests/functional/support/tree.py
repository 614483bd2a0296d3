"""What a directory tree is, in every respect that an image can say something about."""

import hashlib
import os
import pickle
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager


def describe(root):
    """Path -> facts, for everything below root and for root itself ('.')."""
    root = os.fsencode(root)
    tree, links = {}, {}

    def add(path, name):
        st = os.lstat(path)
        facts = {
            "type": stat.S_IFMT(st.st_mode),
            "mode": oct(stat.S_IMODE(st.st_mode)),
            "owner": (st.st_uid, st.st_gid),
            "mtime": st.st_mtime_ns,
            "xattrs": {
                a: os.getxattr(path, a, follow_symlinks=False)
                for a in os.listxattr(path, follow_symlinks=False)
                if not a.startswith("trusted.overlay.")
            },
        }
        if stat.S_ISREG(st.st_mode):
            facts["size"] = st.st_size
            with open(path, "rb") as file:
                facts["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
        elif stat.S_ISLNK(st.st_mode):
            facts["target"] = os.readlink(path)
        elif stat.S_ISCHR(st.st_mode) or stat.S_ISBLK(st.st_mode):
            facts["device"] = (os.major(st.st_rdev), os.minor(st.st_rdev))
        if not stat.S_ISDIR(st.st_mode) and st.st_nlink > 1:
            links.setdefault(st.st_ino, []).append(name)
        tree[name] = facts

    add(root, b".")
    for directory, directories, files in os.walk(root):
        for name in directories + files:
            path = os.path.join(directory, name)
            add(path, os.path.relpath(path, root))
    # A link count may count names that lie hidden in a lower layer.
    for group in links.values():
        for name in group:
            if len(group) > 1:
                tree[name]["linked"] = sorted(group)
    return tree


def differences(one, other, ignore=(), skip=()):
    """Lines that say what differs; facts named in `ignore` are left out, and names in `skip`."""
    lines = []
    for name in sorted(set(one) | set(other)):
        if name in skip:
            continue
        a, b = one.get(name), other.get(name)
        if a is None or b is None:
            lines.append(f"{os.fsdecode(name)}: only in the {'second' if a is None else 'first'}")
            continue
        for fact in sorted(set(a) | set(b)):
            if fact not in ignore and a.get(fact) != b.get(fact):
                lines.append(f"{os.fsdecode(name)}: {fact}: {a.get(fact)} / {b.get(fact)}")
    return lines


@contextmanager
def stacked(paths):
    """Mounts overlay layers (top first) read-only and gives the directory."""
    if len(paths) == 1:
        yield paths[0]
        return
    point = tempfile.mkdtemp(prefix="lade-mount-")
    subprocess.run(["mount", "-t", "overlay", "overlay", "-o", "ro,index=off,lowerdir=" + ":".join(paths), point], check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", point], check=True)
        os.rmdir(point)


def mounted(lade, key, snapshotter):
    """describe() of an active snapshot or a view, by mount(8) with what `snapshots mounts` prints, where nobody else sees it."""
    point = tempfile.mkdtemp(prefix="lade-mount-")
    try:
        commands = lade.ok("snapshots", "--snapshotter", snapshotter, "mounts", point, key).out
        script = f"set -e\n{commands}exec {sys.executable} {__file__} {point}"
        done = subprocess.run(["unshare", "--mount", "--propagation", "private", "sh", "-c", script], check=True, stdout=subprocess.PIPE)
        return pickle.loads(done.stdout)
    finally:
        os.rmdir(point)


if __name__ == "__main__":
    sys.stdout.buffer.write(pickle.dumps(describe(sys.argv[1])))
