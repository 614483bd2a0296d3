"""What a command costs: time, and memory at its peak.

A process begins with the peak of whom it was forked from. So one that is as small as Python can be stands between this one and
the command: what is told below its own 5 MiB is that process's, all above is the command's.
"""

import os
import subprocess
import sys
from dataclasses import dataclass

BETWEEN = """
import os, sys, time
report = int(sys.argv[1])
os.set_inheritable(report, False)
begin = time.monotonic()
child = os.fork()
if child == 0:
    try:
        os.execvp(sys.argv[2], sys.argv[2:])
    finally:
        os._exit(127)
_, status, usage = os.wait4(child, 0)
wall = time.monotonic() - begin
os.write(report, f"{os.waitstatus_to_exitcode(status)} {wall} {usage.ru_utime + usage.ru_stime} {usage.ru_maxrss / 1024}".encode())
"""


@dataclass
class Cost:
    """Seconds, and MiB; of the command together with the processes that it waited for, the largest of which has the peak."""

    wall: float = 0.0
    cpu: float = 0.0
    peak_mib: float = 0.0
    code: int = 0

    def __add__(self, other):
        return Cost(self.wall + other.wall, self.cpu + other.cpu, max(self.peak_mib, other.peak_mib), self.code or other.code)


def cost(command, **more):
    """Runs one command to its end; `more` is for subprocess.run."""
    read, write = os.pipe()
    try:
        subprocess.run([sys.executable, "-I", "-S", "-c", BETWEEN, str(write), *map(str, command)], pass_fds=[write], check=True, **{"stdin": subprocess.DEVNULL, **more})
        os.close(write)
        write = -1
        with os.fdopen(read, closefd=False) as told:
            code, wall, cpu, peak = told.read().split()
    finally:
        os.close(read)
        if write >= 0:
            os.close(write)
    return Cost(float(wall), float(cpu), float(peak), int(code))
