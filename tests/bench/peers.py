"""What the benchmarks share: measuring a command, containerd as a peer, and an empty file system of its own."""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Cost:
    wall: float = 0.0
    cpu: float = 0.0
    peak_mib: float = 0.0

    def __add__(self, other):
        return Cost(self.wall + other.wall, self.cpu + other.cpu, max(self.peak_mib, other.peak_mib))


def measure(command, env=None):
    """Runs one command to its end; its children count with it."""
    with tempfile.TemporaryFile() as said:
        begin = time.monotonic()
        process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=said, stderr=said, env={**os.environ, **(env or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            said.seek(0)
            sys.exit(f"{' '.join(map(str, command))}: exit {process.returncode}\n{said.read().decode(errors='replace')}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


class Daemon:
    """containerd with everything below `place`; its costs count with those of the command that is measured."""

    def __init__(self, place):
        (place / "config.toml").write_text(
            f'version = 2\nroot = "{place}/root"\nstate = "{place}/state"\n'
            f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{place}/sock"\n'
        )
        self.process = subprocess.Popen(
            ["containerd", "-c", place / "config.toml"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.ctr = ["ctr", "-a", str(place / "sock")]
        while subprocess.run([*self.ctr, "version"], capture_output=True).returncode != 0:
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def measure(self, command):
        before = self.cpu()
        cost = measure(command)
        cost.cpu += self.cpu() - before
        cost.peak_mib = max(cost.peak_mib, self.peak())
        return cost

    def cpu(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / TICKS

    def peak(self):
        (line,) = [line for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) / 1024


@contextmanager
def mounted(kind, scratch):
    """An empty file system of its own, gone afterwards."""
    point = scratch / kind
    point.mkdir()
    if kind == "tmpfs":
        command = ["mount", "-t", "tmpfs", "-o", "size=8g", "tmpfs", point]
    else:
        image = scratch / f"{kind}.img"
        with open(image, "wb") as file:
            file.truncate(8 << 30)
        subprocess.run([f"mkfs.{kind}", "-q", *(["-F"] if kind == "ext4" else []), image], check=True)
        command = ["mount", "-o", "loop", image, point]
    subprocess.run(command, check=True)
    try:
        yield point
    finally:
        subprocess.run(["umount", "--lazy", point], check=True)
