"""What a person, a log and a script see of a pull."""

import fcntl
import json
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import termios
import time
import unittest

from support.broken import RegistryCase
from support.images import Image, Layer
from support.program import TIMEOUT, need_root, need_tools


class Screen:
    """Just enough of a terminal to tell what is on it and what went into its history: lines, wrapping, scrolling,
    cursor up, erase to the end of the line, erase below. As in tmux, erasing the whole screen keeps it as history."""

    def __init__(self, width, height):
        self.width, self.height = width, height
        self.rows, self.x, self.y, self.wrapped = [[" "] * width for _ in range(height)], 0, 0, 0
        self.history = []

    def newline(self):
        self.y += 1
        if self.y == self.height:
            self.history.append("".join(self.rows.pop(0)).rstrip())
            self.rows.append([" "] * self.width)
            self.y -= 1

    def feed(self, text):
        for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|.", text, re.S):
            if token == "\n":
                self.newline()
            elif token == "\r":
                self.x = 0
            elif token.startswith("\x1b["):
                if token.endswith("A"):
                    self.y = max(0, self.y - int(token[2:-1] or 1))
                elif token == "\x1b[K":
                    self.rows[self.y][self.x :] = [" "] * (self.width - self.x)
                elif token == "\x1b[J":
                    if (self.x, self.y) == (0, 0):
                        self.history += self.text()
                    self.rows[self.y][self.x :] = [" "] * (self.width - self.x)
                    for row in range(self.y + 1, self.height):
                        self.rows[row] = [" "] * self.width
                else:
                    raise AssertionError(f"unknown sequence {token!r}")
            else:
                if self.x == self.width:
                    self.x = 0
                    self.wrapped += 1
                    self.newline()
                self.rows[self.y][self.x] = token
                self.x += 1

    def text(self):
        return ["".join(row).rstrip() for row in self.rows]


class Progress(RegistryCase):
    def setUp(self):
        super().setUp()
        need_root()
        self.image = Image([Layer().file(f"f{i}", os.urandom(200_000)) for i in range(16)])
        self.ref = self.registry.add(self.image)

    def at_a_terminal(self, width, height, interrupt=False):
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        process = subprocess.Popen(
            self.lade.command("images", "pull", self.ref), env={**self.lade.env, "TERM": "xterm"}, stdin=slave, stdout=slave, stderr=slave
        )
        os.close(slave)
        data, start = b"", time.monotonic()
        while time.monotonic() - start < TIMEOUT:
            if select.select([master], [], [], 0.1)[0]:
                try:
                    part = os.read(master, 65536)
                except OSError:
                    break
                if not part:
                    break
                data += part
                if interrupt and b"downloading" in data:
                    process.send_signal(signal.SIGINT)
                    interrupt = False
            elif process.poll() is not None:
                break
        os.close(master)
        return process.wait(), data.decode()

    def test_a_terminal_shows_lines_that_fit_and_are_redrawn(self):
        self.registry.pause = 0.02
        for width, height in ((80, 24), (40, 12), (200, 50)):
            with self.subTest(f"{width}x{height}"):
                self.lade.run("images", "rm", self.ref)
                code, text = self.at_a_terminal(width, height)
                self.assertEqual(code, 0, text)
                screen = Screen(width, height)
                first, _, last = text.rpartition("pulled ")
                screen.feed(first)
                self.assertEqual(screen.wrapped, 0, text)
                self.assertEqual(screen.history, [], "frames pile up in the history")
                frames = text.count("\x1b[J")
                self.assertGreater(frames, 0)
                self.assertIn("MiB/s", "\n".join(screen.text()))
                # Nothing of an older frame is left standing.
                self.assertEqual(sum("MiB/s" in line or "KiB/s" in line for line in screen.text()), 1, screen.text())

    def test_a_layer_has_one_line(self):
        self.registry.pause = 0.02
        code, text = self.at_a_terminal(80, 60)
        self.assertEqual(code, 0, text)
        screen = Screen(80, 60)
        screen.feed(text)
        for layer in self.image.layers:
            lines = [line for line in screen.text() if layer["digest"][7:19] in line]
            self.assertEqual(len(lines), 1, screen.text())
            self.assertIn(" extracted ", lines[0])

    def test_a_real_terminal_keeps_no_frames(self):
        need_tools("tmux")
        self.registry.pause = 0.2
        env = {**self.lade.env, "TERM": "screen", "CI": ""}
        tmux = lambda *args: subprocess.run(["tmux", "-S", str(self.scratch / "tmux"), *args], env=env, capture_output=True, text=True, check=True).stdout
        done = self.scratch / "done"
        pull = " ".join(map(shlex.quote, self.lade.command("images", "pull", self.ref)))
        tmux("-f", "/dev/null", "new-session", "-d", "-x", "40", "-y", "12", f"{pull}; echo $? > {done}; sleep 600")
        self.addCleanup(subprocess.run, ["tmux", "-S", str(self.scratch / "tmux"), "kill-server"], capture_output=True)
        time.sleep(0.5)
        for width, height in ((30, 12), (60, 10), (40, 12)):
            tmux("resize-window", "-x", str(width), "-y", str(height))
            time.sleep(0.3)
        deadline = time.monotonic() + TIMEOUT
        while not (done.exists() and done.read_text()) and time.monotonic() < deadline:
            time.sleep(0.05)
        screen = tmux("capture-pane", "-p", "-S", "-3000")
        self.assertEqual(done.read_text(), "0\n", screen)
        self.assertIn("pulled ", screen)
        # A window that shrinks may push a frame or two out at its top; redrawing pushes none.
        self.assertLess(len(screen.splitlines()), 3 * 12, screen)

    def test_the_cursor_is_there_whatever_ends_it(self):
        self.registry.pause = 0.1
        code, text = self.at_a_terminal(80, 24, interrupt=True)
        self.assertEqual(code, -signal.SIGINT)
        self.assertEqual(text.count("\x1b[?25l"), text.count("\x1b[?25h"))

    def test_a_log_gets_one_line_per_finished_step(self):
        result = self.lade.ok("images", "pull", self.ref)
        self.assertEqual(result.out, "")
        lines = result.err.splitlines()
        for layer in self.image.layers:
            self.assertEqual(sum(line.startswith(f"layer {layer['digest']} downloaded") for line in lines), 1)
            self.assertEqual(sum(line.startswith(f"unpack {layer['digest']} extracted") for line in lines), 1)
        self.assertEqual(len(lines), 1 + 2 + 2 * 16 + 1)
        self.assertNotIn("\x1b", result.err)

    def test_json_lines_for_scripts(self):
        result = self.lade.ok("images", "pull", "--progress", "json", self.ref)
        events = [json.loads(line) for line in result.err.splitlines()]
        self.assertEqual({e["event"] for e in events}, {"step"})
        self.assertEqual(sum(e["kind"] == "layer" and e["stage"] == "downloaded" for e in events), 16)

    def test_ci_means_plain_even_at_a_terminal(self):
        self.lade.env["CI"] = "true"
        code, text = self.at_a_terminal(80, 24)
        self.assertEqual(code, 0)
        self.assertNotIn("\x1b", text)


if __name__ == "__main__":
    unittest.main()
