"""Standard streams that nobody gave: what is opened next may not be taken for them."""

import os
import subprocess

from support.archives import layout_entries, tar
from support.images import Image, Layer
from support.program import Case


class Closed(Case):
    def closed(self, *args, streams):
        """Code, output and errors of a command without these."""
        done = subprocess.run(self.lade.command(*args), env=self.lade.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, preexec_fn=lambda: [os.close(one) for one in streams])
        return done.returncode, done.stdout, done.stderr

    def setUp(self):
        super().setUp()
        self.archive = self.scratch / "a.tar"
        self.archive.write_bytes(tar(layout_entries({"docker.io/library/a:1": Image([Layer().file("f", "x")])})))

    def test_each_of_them(self):
        said = "write standard output: Bad file descriptor\n"
        self.assertEqual(self.closed("images", "ls", "-q", streams=[1]), (0, "", ""))  # Nothing is said.
        self.assertEqual(self.closed("images", "import", "-", streams=[0]), (1, "", "lade: import standard input: read standard input: Bad file descriptor\n"))
        code, out, _ = self.closed("images", "import", "-q", self.archive, streams=[0, 2])
        self.assertEqual((code, out), (0, "docker.io/library/a:1\n"))
        for command in (["images", "ls"], ["images", "export", "-", "a:1"], ["content", "ls"], ["images", "--help"], ["version"]):
            code, _, err = self.closed(*command, streams=[1])
            self.assertEqual((code, err[-len(said):]), (1, said), command)
        code, _, err = self.closed("images", "export", "--have", "-", self.scratch / "o.tar", "a:1", streams=[0])
        self.assertEqual(code, 1, err)
        self.assertIn("Bad file descriptor", err)
        self.assertFalse((self.scratch / "o.tar").exists())

    def test_none_at_all(self):
        self.assertEqual(self.closed("images", "import", "-q", self.archive, streams=[0, 1, 2]), (1, "", ""))
        self.assertEqual([one["name"] for one in self.lade.json("images", "ls")], ["docker.io/library/a:1"])
        self.assertEqual(self.closed("images", "rm", "a:1", streams=[0, 1, 2])[0], 1)
        self.assertEqual(self.closed("gc", streams=[0, 1, 2])[0], 0)  # It has nothing to say.
        self.assertEqual((self.lade.json("images", "ls"), self.lade.json("content", "ls")), ([], []))
