"""Blobs that people make, edit and give up, and who gets a blob that somebody else has."""

import fcntl
import hashlib
import os
import pty
import select
import signal
import subprocess
import termios
import time
import unittest

from support.broken import RegistryCase
from support.images import Image, Layer, digest
from support.program import Case, Result, TIMEOUT


class Blobs(Case):
    def feed(self, data, *args, env=None):
        """The command with `data` as its standard input."""
        done = subprocess.run(self.lade.command(*args), input=data, env={**self.lade.env, **(env or {})}, capture_output=True, timeout=TIMEOUT)
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    def ingest(self, data, ref="r", *more):
        result = self.feed(data, "content", "ingest", ref, "--json", *more)
        self.assertEqual(result.code, 0, result.err)
        return result.json()

    def digests(self, *more):
        return self.lade.ok(*more, "content", "ls", "-q").out.split()

    def stored(self, name):
        return (self.lade.root / "content/blobs" / name.replace(":", "/")).read_bytes()


class Ingest(Blobs):
    def test_standard_input_becomes_a_blob_that_a_lease_holds(self):
        data = os.urandom(3_000_000)
        result = self.feed(data, "content", "ingest", "some/ref")
        self.assertEqual((result.code, result.out), (0, ""))
        (lease,) = self.lade.json("leases", "ls")
        self.assertIn(digest(data), result.err)
        self.assertIn(lease["id"], result.err)
        self.lade.ok("gc")
        self.assertEqual(self.digests(), [digest(data)])
        self.assertEqual(self.stored(digest(data)), data)
        self.assertEqual(self.lade.ingests(), [])
        self.lade.ok("leases", "rm", lease["id"])
        self.assertEqual(self.digests(), [])

    def test_a_lease_that_has_expired_or_goes_meanwhile_holds_nothing(self):
        self.lade.ok("--no-gc", "leases", "create", "--id", "late", "-x", "1ns")
        result = self.feed(b"x", "--no-gc", "content", "ingest", "r", "--lease", "late")
        self.fails(result, 5, "late", "expired")
        self.lade.ok("leases", "create", "--id", "short")
        pipe = subprocess.Popen(self.lade.command("content", "ingest", "r", "--lease", "short"), env=self.lade.env, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        while not self.lade.json("content", "active"):
            time.sleep(0.01)
        self.lade.ok("leases", "rm", "short")
        _, err = pipe.communicate(b"bytes", timeout=TIMEOUT)
        self.fails(Result(pipe.returncode, "", err.decode()), 3, "lease short not found")
        self.assertEqual(self.digests(), [])

    def test_more_than_announced_is_refused_before_it_fills_the_disk(self):
        with open("/dev/zero", "rb") as endless:
            done = subprocess.run(self.lade.command("content", "ingest", "r", "--expected-size", "10"), stdin=endless, env=self.lade.env, capture_output=True, timeout=TIMEOUT)
        self.fails(Result(done.returncode, "", done.stderr.decode()), 5, "more than the 10 bytes")
        self.assertLess(sum(one["offset"] for one in self.lade.json("content", "active")), 10_000_000)

    def test_a_lost_file_is_made_anew(self):
        made = self.ingest(b"precious")["digest"]
        (self.lade.root / "content/blobs" / made.replace(":", "/")).unlink()
        self.ingest(b"precious", "again", "--expected-digest", made)
        self.assertEqual(self.stored(made), b"precious")

    def test_no_lease_and_a_lease_of_ones_own(self):
        made = self.ingest(b"garbage", "r", "--no-lease")
        self.assertEqual(made, {"digest": digest(b"garbage"), "lease": None, "expires": None})
        self.assertEqual(self.lade.json("leases", "ls"), [])
        self.lade.ok("gc")
        self.assertEqual(self.digests(), [])
        self.lade.ok("leases", "create", "--id", "mine")
        self.assertEqual(self.ingest(b"kept", "r", "--lease", "mine")["lease"], "mine")
        self.assertEqual([lease["id"] for lease in self.lade.json("leases", "ls")], ["mine"])
        self.lade.ok("gc")
        self.assertEqual(self.digests(), [digest(b"kept")])
        self.lade.ok("leases", "rm", "mine")
        self.assertEqual(self.digests(), [])
        self.fails(self.feed(b"x", "content", "ingest", "r", "--lease", "none"), 3, "none")

    def test_labels(self):
        made = self.ingest(b"x", "r", "--label", "a=b", "--label", "containerd.io/gc.root=1", "--no-lease")
        self.lade.ok("gc")
        (blob,) = self.lade.json("content", "ls")
        self.assertEqual((blob["digest"], blob["labels"]), (made["digest"], {"a": "b", "containerd.io/gc.root": "1"}))
        # What is there already gets them, too.
        self.ingest(b"x", "other", "--label", "c=d")
        self.assertEqual(self.lade.json("content", "ls")[0]["labels"], {"a": "b", "containerd.io/gc.root": "1", "c": "d"})
        self.fails(self.feed(b"y", "content", "ingest", "r", "--label", "k=" + 4096 * "v"), 2, "label")

    def test_what_is_expected_is_checked(self):
        data = b"0123456789"
        for flags, word, kept in (
            (("--expected-size", "11"), "11", 10),
            (("--expected-digest", digest(b"other")), digest(b"other"), 10),
            (("--expected-digest", digest(data), "--expected-size", "9"), "9", 0),
        ):
            self.fails(self.feed(data, "content", "ingest", "r", *flags), 5, "ingest r", word)
            (left,) = self.lade.json("content", "active")
            self.assertEqual((left["ref"], left["offset"]), ("r", kept))
        for algorithm in ("sha256", "sha384", "sha512"):
            name = f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"
            self.assertEqual(self.ingest(data, "r", "--expected-digest", name, "--expected-size", "10")["digest"], name)
            self.assertEqual(self.stored(name), data)
        self.assertEqual(self.lade.ingests(), [])
        for flags in (("--expected-digest", "sha256:12"), ("--expected-digest", "nonsense"), ("--expected-size", "many")):
            self.fails(self.feed(data, "content", "ingest", "r", *flags), 2, flags[1])
        self.fails(self.feed(data, "content", "ingest", ""), 2, "ref")

    def test_a_blob_that_is_there_is_as_good_and_nothing_is_read(self):
        self.ingest(b"x")
        for name_space in ("default", "other"):
            reader, writer = os.pipe()  # nobody ever writes
            self.addCleanup(os.close, writer)
            done = subprocess.run(
                self.lade.command("-n", name_space, "content", "ingest", "r2", "--expected-digest", digest(b"x")),
                stdin=reader, env=self.lade.env, capture_output=True, timeout=TIMEOUT,
            )
            os.close(reader)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(self.digests("-n", name_space), [digest(b"x")])
        self.assertEqual(self.lade.ingests(), [])

    def start(self, ref="r"):
        return subprocess.Popen(self.lade.command("content", "ingest", ref), stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=self.lade.env)

    def wait_for(self, ref, offset):
        deadline = time.monotonic() + TIMEOUT
        while not any(i["ref"] == ref and i["offset"] >= offset for i in self.lade.json("content", "active")):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)

    def test_killed_and_gone_on_with(self):
        data = os.urandom(5_000_000)
        process = self.start()
        process.stdin.write(data[:3_000_000])
        process.stdin.flush()
        self.wait_for("r", 3_000_000)
        process.kill()
        process.communicate()
        self.lade.ok("gc")
        (left,) = self.lade.json("content", "active")
        self.assertEqual(left["offset"], 3_000_000)
        (folder,) = self.lade.ingests()
        before = os.stat(self.lade.root / "content/ingest" / folder / "data").st_ino
        made = self.ingest(data)
        self.assertEqual(made["digest"], digest(data))
        # The file of the first attempt became the blob.
        self.assertEqual(os.stat(self.lade.root / "content/blobs" / made["digest"].replace(":", "/")).st_ino, before)
        self.assertEqual(self.stored(made["digest"]), data)
        self.assertEqual(self.lade.ingests(), [])

    def test_bytes_of_another_attempt_are_not_trusted(self):
        data = os.urandom(2_000_000)
        for spoil in (
            lambda file: os.pwrite(file, b"\0\1\2\3", 1_500_000),
            lambda file: os.truncate(file, 10),
            lambda file: os.pwrite(file, b"much longer than it was", 2_000_000),
        ):
            process = self.start()
            process.stdin.write(data)
            process.stdin.flush()
            self.wait_for("r", len(data))
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(TIMEOUT), -signal.SIGTERM)
            process.communicate()
            (folder,) = self.lade.ingests()
            file = os.open(self.lade.root / "content/ingest" / folder / "data", os.O_RDWR)
            spoil(file)
            os.close(file)
            self.assertEqual(self.ingest(data, "r", "--no-lease")["digest"], digest(data))
            self.assertEqual(self.stored(digest(data)), data)
            self.lade.ok("gc")
            self.assertEqual(self.digests(), [])

    def test_two_writers_of_one_name_take_turns(self):
        first = self.start()
        first.stdin.write(b"first")
        first.stdin.flush()
        self.wait_for("r", 5)
        self.fails(self.lade.run("content", "abort", "r"), 6, "ingest r", f"process {first.pid}", "writing")
        second = self.start()
        second.stdin.write(b"second")
        second.stdin.close()
        first.stdin.close()
        for process in (first, second):
            error = process.stderr.read()
            process.stderr.close()
            self.assertEqual(process.wait(TIMEOUT), 0, error)
        self.assertEqual(sorted(self.digests()), sorted([digest(b"first"), digest(b"second")]))

    def test_abort(self):
        for ref in ("a", "b"):
            self.fails(self.feed(b"12345", "content", "ingest", ref, "--expected-size", "6"), 5, ref)
        result = self.lade.run("content", "abort", "none", "a", "b")
        self.fails(result, 3, "ingest none not found")
        self.assertEqual(result.out, "a\nb\n")
        self.assertEqual(self.lade.json("content", "active"), [])
        self.assertEqual(self.lade.ingests(), [])
        self.fails(self.lade.run("--root", self.scratch / "none", "content", "abort", "a"), 3, "does not exist")


class Edit(Blobs):
    def test_an_edited_blob_is_a_new_one(self):
        old = self.ingest(b"one two\n", "r", "--label", "a=b")["digest"]
        runtime = self.scratch / "run"
        runtime.mkdir()
        result = self.lade.ok("content", "edit", old, env={"EDITOR": "sed -i s/two/three/", "XDG_RUNTIME_DIR": str(runtime)})
        new = digest(b"one three\n")
        self.assertEqual(result.out, new + "\n")
        self.assertIn("lease", result.err)
        self.lade.ok("gc")
        self.assertEqual(sorted(self.digests()), sorted([old, new]))
        self.assertEqual((self.stored(old), self.stored(new)), (b"one two\n", b"one three\n"))
        self.assertEqual(os.listdir(runtime), [])
        made = self.lade.json("content", "edit", old, "--editor", "f() { printf x >> \"$1\"; }; f", "--label", "c=d", "--no-lease")
        self.assertEqual(made, {"digest": digest(b"one two\nx"), "lease": None, "expires": None})
        (row,) = [row for row in self.lade.json("content", "ls") if row["digest"] == made["digest"]]
        self.assertEqual(row["labels"], {"c": "d"})
        # An editor that leaves all as it was.
        self.assertEqual(self.lade.ok("content", "edit", old[:20], "--editor", "true").out, old + "\n")

    def test_wrong_uses(self):
        name = self.ingest(b"x")["digest"]
        self.fails(self.lade.run("content", "edit", name), 2, "EDITOR")
        self.fails(self.lade.run("content", "edit", name, "--editor", "exit 3;"), 5, "exit 3", "3")
        self.fails(self.lade.run("content", "edit", name, "--editor", "kill -9 $$;"), 5, "signal 9")
        self.fails(self.lade.run("content", "edit", digest(b"absent"), "--editor", "true"), 3, digest(b"absent"))
        self.fails(self.lade.run("content", "edit", "x", "--editor", "true"), 2, "x")
        self.fails(self.lade.run("content", "edit", name, "--editor", "rm"), 3, "lade-edit")
        file = self.lade.root / "content/blobs" / name.replace(":", "/")
        file.unlink()
        file.write_bytes(b"y")
        self.fails(self.lade.run("content", "edit", name, "--editor", "true"), 8, name)
        self.assertEqual(self.digests(), [name])

    def test_an_editor_at_a_terminal_has_its_keys(self):
        name = self.ingest(b"old")["digest"]
        script = self.scratch / "editor"
        script.write_text('trap "echo interrupted >> $1" INT\nread -r go < /dev/tty\necho ready\nuntil read -r line < /dev/tty; do :; done\necho "$line" >> "$1"\n')
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)
        process = subprocess.Popen(
            self.lade.command("content", "edit", name, "--editor", f"sh {script}"),
            env=self.lade.env, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        # It can be read only by the foreground job.
        os.write(master, b"go\n")
        screen = b""
        while b"ready" not in screen:
            screen += os.read(master, 1000)
        os.write(master, b"\x03")
        while b"^C" not in screen:
            screen += os.read(master, 1000)
        os.write(master, b"typed\n")
        self.assertEqual(process.wait(TIMEOUT), 0, screen)
        new = [one for one in self.digests() if one != name]
        self.assertEqual(self.stored(new[0]), b"oldinterrupted\ntyped\n")

    def test_a_signal_ends_the_editor(self):
        name = self.ingest(b"old")["digest"]
        pipe = self.scratch / "started"
        os.mkfifo(pipe)
        process = self.lade.start("content", "edit", name, "--editor", f"echo > {pipe}; sleep 1000;")
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.assertNotEqual(select.select([reader], [], [], TIMEOUT)[0], [])
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, -signal.SIGINT)


class Policy(Blobs, RegistryCase):
    def setUp(self):
        super().setUp()
        self.image = Image([Layer().file("a", os.urandom(100_000)), Layer().file("b", "text")])
        self.ref = self.registry.add(self.image)
        self.wanted = [self.image.root, self.image.config["digest"], *(layer["digest"] for layer in self.image.layers)]

    def pull(self, name_space):
        """How often each blob was fetched by this pull."""
        self.registry.requests.clear()
        self.lade.ok("-n", name_space, "images", "pull", "--no-unpack", self.ref)
        self.assertEqual(sorted(self.digests("-n", name_space)), sorted(self.wanted))
        return [self.registry.count("GET", name) for name in self.wanted]

    def test_settings(self):
        nowhere = ("--root", self.scratch / "none")
        self.assertEqual(self.lade.ok("store", "config", "content-sharing", *nowhere).out, "shared\n")
        self.assertFalse((self.scratch / "none").exists())
        self.assertEqual(self.lade.json("store", "config"), {"content-sharing": "shared", "overlay-mount-options": ""})
        self.assertEqual(self.lade.ok("store", "config", "content-sharing", "isolated").out, "")
        self.assertEqual(self.lade.ok("store", "config").out.split(), ["SETTING", "VALUE", "content-sharing", "isolated", "overlay-mount-options"])
        self.assertEqual(self.lade.ok("-n", "other", "store", "config", "content-sharing").out, "isolated\n")
        self.fails(self.lade.run("store", "config", "content-sharing", "none"), 2, "none", "shared, isolated")
        self.fails(self.lade.run("store", "config", "content-sharing", ""), 2, "shared, isolated")
        self.fails(self.lade.run("store", "config", "colour"), 2, "colour", "content-sharing")
        self.assertEqual(self.lade.json("store", "config", "content-sharing"), {"content-sharing": "isolated"})

    def test_shared(self):
        self.assertEqual(self.pull("one"), [1, 1, 1, 1])
        self.assertEqual(self.pull("two"), [0, 0, 0, 0])

    def test_isolated(self):
        self.lade.ok("store", "config", "content-sharing", "isolated")
        self.assertEqual(self.pull("one"), [1, 1, 1, 1])
        self.assertEqual(self.pull("two"), [1, 1, 1, 1])
        self.assertEqual(self.pull("two"), [0, 0, 0, 0])
        self.assertEqual(len(list((self.lade.root / "content/blobs/sha256").iterdir())), 4)
        self.assertEqual(self.lade.ingests(), [])
        # Digest and size alone give nothing.
        layer = self.image.layers[0]
        self.fails(self.feed(b"", "-n", "three", "content", "ingest", "r", "--expected-digest", layer["digest"], "--expected-size", layer["size"]), 5, layer["digest"])
        self.assertEqual(self.digests("-n", "three"), [])
        self.assertEqual(self.feed(self.image.blobs[layer["digest"]], "-n", "three", "content", "ingest", "r", "--expected-digest", layer["digest"]).code, 0)
        # A namespace that says so shares with all.
        self.lade.ok("namespaces", "label", "one", "containerd.io/namespace.shareable=true")
        self.assertEqual(self.pull("four"), [0, 0, 0, 0])
        self.lade.ok("namespaces", "label", "one", "containerd.io/namespace.shareable=")
        self.assertEqual(self.pull("five"), [1, 1, 1, 1])
        self.lade.ok("store", "config", "content-sharing", "shared")
        self.assertEqual(self.pull("six"), [0, 0, 0, 0])

    def test_isolated_and_unpacked(self):
        self.lade.ok("store", "config", "content-sharing", "isolated")
        for name_space in ("one", "two"):
            self.registry.requests.clear()
            self.lade.ok("-n", name_space, "images", "pull", "--no-unpack", self.ref)
            self.lade.ok("-n", name_space, "images", "unpack", self.ref, "--to", self.scratch / name_space)
            self.assertEqual((self.scratch / name_space / "b").read_text(), "text")


if __name__ == "__main__":
    unittest.main()
