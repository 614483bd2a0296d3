"""The program under test, run as a user would run it."""

import json
import os
import secrets
import subprocess
import tempfile
import shutil
import unittest
from dataclasses import dataclass
from pathlib import Path

from support.measuring import cost

BINARY = Path(os.environ.get("LADE", "build/src/lade")).resolve()
SANITIZED = os.environ.get("LADE_SANITIZED") == "1"
TIMEOUT = 300 if SANITIZED else 120


@dataclass
class Result:
    code: int
    out: str
    err: str

    def json(self):
        return json.loads(self.out)


class Lade:
    """One store. Every call is a process of its own."""

    def __init__(self, root, **env):
        self.root = Path(root)
        keep = {k: v for k, v in os.environ.items() if k.endswith("_OPTIONS") or k in ("PATH", "TMPDIR")}
        # Nobody's credentials but the test's own.
        self.env = {**keep, "HOME": str(self.root.parent), "XDG_RUNTIME_DIR": str(self.root.parent / "run"), "LADE_ROOT": str(self.root), **env}

    def command(self, *args):
        return [str(BINARY), *map(str, args)]

    def run(self, *args, env=None, prefix=(), timeout=TIMEOUT, **more):
        done = subprocess.run(
            [*prefix, *self.command(*args)],
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=timeout,
            **more,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def measured(self, *args, **more):
        """As run(), and the most memory that it had, in MiB."""
        out, err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        with out, err:
            spent = cost(self.command(*args), env=self.env, stdout=out, stderr=err, **more)
            texts = [(file.seek(0), file.read().decode(errors="surrogateescape"))[1] for file in (out, err)]
        return Result(spent.code, *texts), spent.peak_mib

    def start(self, *args, **more):
        return subprocess.Popen(
            self.command(*args),
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def ok(self, *args, **more):
        result = self.run(*args, **more)
        if result.code != 0:
            raise AssertionError(f"lade {' '.join(map(str, args))}: exit {result.code}\n{result.err}")
        return result

    def json(self, *args, **more):
        return self.ok(*args, "--json", **more).json()

    def ingests(self):
        """What lies in the ingest folder on disk, whoever owns it."""
        folder = self.root / "content" / "ingest"
        return sorted(os.listdir(folder)) if folder.exists() else []

    def chain_infos(self, top, snapshotter="overlayfs"):
        """A chain of snapshots, top first."""
        infos = []
        while top:
            infos.append(self.json("snapshots", "--snapshotter", snapshotter, "info", top))
            top = infos[-1]["parent"]
        return infos

    def chain(self, top, snapshotter="overlayfs"):
        """The directories of a chain of snapshots, top first."""
        return [info["path"] for info in self.chain_infos(top, snapshotter)]


class Case(unittest.TestCase):
    """A test with a scratch directory and a store of its own; kept on failure when LADE_TEST_KEEP is set."""

    maxDiff = None

    def setUp(self):
        # Hexadecimal: podman takes the name for a part of a reference, which may have no "-_".
        self.scratch = Path(tempfile.gettempdir()) / f"lade-test-{secrets.token_hex(6)}"
        self.scratch.mkdir(mode=0o700)
        self.lade = Lade(self.scratch / "store")
        if not os.environ.get("LADE_TEST_KEEP"):
            self.addCleanup(shutil.rmtree, self.scratch, ignore_errors=True)

    def fails(self, result, code, *words):
        """The command failed with this code and one line that names object and cause."""
        self.assertEqual(result.code, code, result.err)
        lines = [line for line in result.err.splitlines() if line.startswith("lade: ") and not line.startswith("lade: warning: ")]
        self.assertEqual(len(lines), 1, result.err)
        for word in words:
            self.assertIn(word, lines[0])


def need_root():
    if os.geteuid() != 0:
        raise unittest.SkipTest("needs root")


def need_tools(*names):
    for name in names:
        if shutil.which(name) is None:
            raise unittest.SkipTest(f"{name} is not installed")
