"""A mount namespace for a test: what it leaves mounted is gone with it, and the machine never sees it."""

import os
import re
import subprocess
from pathlib import Path

from support.broken import RegistryCase
from support.program import Lade, need_root, need_tools


class Inside(Lade):
    """Every command runs in the namespace of the process `holder`."""

    def __init__(self, root, holder, **env):
        super().__init__(root, **env)
        self.prefix = ["nsenter", f"--mount=/proc/{holder}/ns/mnt", "--"]

    def command(self, *args):
        return [*self.prefix, *super().command(*args)]


class MountCase(RegistryCase):
    def setUp(self):
        super().setUp()
        need_root()
        need_tools("unshare", "nsenter", "mount", "umount")
        holder = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-c", "echo ready; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

        def stop():
            holder.stdin.close()
            holder.stdout.close()
            holder.wait()

        self.addCleanup(stop)
        self.assertEqual(holder.stdout.readline(), b"ready\n")
        self.holder = holder.pid
        self.lade = Inside(self.lade.root, holder.pid)

    def sh(self, script, *args, check=True):
        """Runs a script in the namespace."""
        return subprocess.run(
            [*self.lade.prefix, "sh", "-ec", script, "sh", *map(str, args)],
            check=check,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            stdin=subprocess.DEVNULL,
        )

    def seen(self, path):
        """The path as the namespace has it."""
        return Path(f"/proc/{self.holder}/root") / str(path).lstrip("/")

    def mounted(self):
        """What is mounted at or below the scratch directory: points, in the order of mounting."""
        table = Path(f"/proc/{self.holder}/mountinfo").read_bytes()
        points = [re.sub(rb"\\([0-7]{3})", lambda octal: bytes([int(octal[1], 8)]), line.split()[4]) for line in table.splitlines()]
        return [os.fsdecode(point) for point in points if point.startswith(os.fsencode(self.scratch))]

    def directory(self, name="target"):
        path = self.scratch / name
        path.mkdir()
        return path
