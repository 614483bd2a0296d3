"""What the benchmarks share: measuring a command, containerd as a peer, and an empty file system of its own."""

import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "functional"))

from support.measuring import Cost, cost  # noqa: E402
from support.tools import Containerd  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


def measure(command, env=None) -> Cost:
    """Runs one command to its end; its children count with it. The benchmark ends when it fails."""
    with tempfile.TemporaryFile() as said:
        result = cost(command, stdout=said, stderr=said, env={**os.environ, **(env or {})})
        if result.code != 0:
            said.seek(0)
            sys.exit(f"{' '.join(map(str, command))}: exit {result.code}\n{said.read().decode(errors='replace')}")
    return result


class Daemon(Containerd):
    """Its costs count with those of the command that is measured."""

    def measure(self, command):
        before = self.cpu()
        result = measure(command)
        result.cpu += self.cpu() - before
        result.peak_mib = max(result.peak_mib, self.peak())
        return result

    def cpu(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / TICKS

    def peak(self):
        (line,) = [line for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024


def add_places(parser):
    """The flags that say where: on which file systems, and on which directory these are made."""
    parser.add_argument("--on", action="append", choices=["tmpfs", "ext4"], help="default: both")
    parser.add_argument("--scratch", default="/dev/shm", help="a directory on tmpfs with room for 8 GiB")


@contextmanager
def places(options):
    """Each file system asked for by name, and a directory in which mounted() makes it anew."""
    if os.geteuid() != 0:
        sys.exit("needs root: for mounts, and because the peers do")
    with tempfile.TemporaryDirectory(prefix="lade-bench-", dir=options.scratch, ignore_cleanup_errors=True) as scratch:
        os.environ["TMPDIR"] = tempfile.tempdir = scratch
        yield options.on or ["tmpfs", "ext4"], Path(scratch)


@contextmanager
def mounted(kind, scratch):
    """An empty file system, gone afterwards."""
    with tempfile.TemporaryDirectory(dir=scratch) as around:
        point = Path(around) / kind
        point.mkdir()
        if kind == "tmpfs":
            command = ["mount", "-t", "tmpfs", "-o", "size=8g", "tmpfs", point]
        else:
            image = Path(around) / f"{kind}.img"
            with open(image, "wb") as file:
                file.truncate(8 << 30)
            subprocess.run([f"mkfs.{kind}", "-q", *(["-F"] if kind == "ext4" else []), image], check=True)
            command = ["mount", "-o", "loop", image, point]
        subprocess.run(command, check=True)
        try:
            yield point
        finally:
            subprocess.run(["umount", "--lazy", point], check=True)
