"""The journal of changes: one event for each, with the change or not at all, and seen from any other process."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import time
import unittest

from support.broken import BrokenRegistry, RegistryCase
from support.images import Image, Layer
from support.invariants import violations
from support.program import Case, SANITIZED, TIMEOUT, need_root


class Journal(RegistryCase):
    def setUp(self):
        super().setUp()
        self.image = Image([Layer().file("a", "1"), Layer().file("b", "2")])

    def events(self, *args):
        return [json.loads(line) for line in self.lade.ok("events", "--json", *args).out.splitlines()]

    def pairs(self, *args):
        return [(event["topic"], event["event"]) for event in self.events(*args)]

    def test_a_namespace_tells_of_itself(self):
        self.lade.ok("namespaces", "create", "blue", "k=v")
        self.lade.ok("namespaces", "label", "blue", "k=w")
        self.lade.ok("namespaces", "label", "blue", "k=")
        self.lade.ok("namespaces", "rm", "blue")
        self.lade.ok("namespaces", "rm", "blue")
        self.assertEqual(
            self.pairs(),
            [
                ("/namespaces/create", {"name": "blue", "labels": {"k": "v"}}),
                ("/namespaces/update", {"name": "blue", "labels": {"k": "w"}}),
                ("/namespaces/update", {"name": "blue"}),
                ("/namespaces/delete", {"name": "blue"}),
            ],
        )
        self.assertEqual({event["namespace"] for event in self.events()}, {"blue"})

    def test_a_pull_and_its_removal_have_one_event_for_each_change(self):
        need_root()
        ref = self.registry.add(self.image)
        chain = self.lade.json("images", "pull", "--label", "mine=1", ref)["chain_ids"][0]
        name = self.lade.json("images", "ls")[0]["name"]
        digests = {**{d: len(b) for d, b in self.image.blobs.items()}, **{d: len(t) for d, (_, t) in self.image.documents.items()}}
        made = self.pairs()
        self.assertEqual(made[-1], ("/images/create", {"name": name, "labels": {"mine": "1"}}))
        self.assertEqual([topic for topic, _ in made].count("/images/create"), 1)
        content = [event for topic, event in made if topic == "/content/create"]
        self.assertEqual({event["digest"]: event["size"] for event in content}, digests)
        self.assertEqual(len(content), len(digests))
        prepared = [event for topic, event in made if topic == "/snapshot/prepare"]
        committed = [event for topic, event in made if topic == "/snapshot/commit"]
        self.assertEqual([event["key"] for event in prepared], [event["key"] for event in committed])
        self.assertEqual(committed[-1], {"key": prepared[-1]["key"], "name": chain, "snapshotter": "overlayfs"})
        self.assertEqual(len(committed), 2)
        self.lade.ok("images", "pull", "--label", "mine=2", ref)
        self.assertEqual(self.pairs()[len(made) :], [("/images/update", {"name": name, "labels": {"mine": "2"}})])
        before = len(self.events())
        self.lade.ok("images", "rm", "--sync", ref)
        gone = self.pairs()[before:]
        self.assertEqual(gone[0], ("/images/delete", {"name": name}))
        self.assertEqual(sorted(event["digest"] for topic, event in gone if topic == "/content/delete"), sorted(digests))
        removed = [event for topic, event in gone if topic == "/snapshot/remove"]
        self.assertEqual({event["key"] for event in removed}, {event["name"] for event in committed})
        self.assertEqual({event["snapshotter"] for event in removed}, {"overlayfs"})
        self.assertEqual(len(gone), 1 + len(digests) + len(removed))

    def test_a_dry_run_tells_nothing(self):
        self.lade.ok("images", "pull", "--no-unpack", self.registry.add(self.image))
        self.lade.ok("images", "rm", "--no-gc", self.lade.json("images", "ls")[0]["name"])
        before = self.events()
        self.assertTrue(self.lade.json("gc", "--dry-run")["removed"]["content"])
        self.assertEqual(self.events(), before)

    def test_lines_are_those_of_ctr(self):
        self.lade.ok("namespaces", "create", "blue")
        line = self.lade.ok("events").out
        self.assertRegex(line, r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z blue /namespaces/create \{"name":"blue"\}\n$')
        self.assertEqual(self.lade.ok("event").out, line)

    def test_what_a_terminal_could_misread_is_escaped_and_stays_json(self):
        self.lade.ok("namespaces", "create", "blue", "k=\u202eevil")
        line = self.lade.ok("events").out
        self.assertNotIn("\u202e", line)
        self.assertEqual(json.loads(line.split(" ", 3)[3])["labels"], {"k": "\u202eevil"})

    def test_filters(self):
        for name in ("blue", "green"):
            self.lade.ok("namespaces", "create", name)
        self.lade.ok("namespaces", "label", "green", "k=v", "a.b=c")

        def names(*filters):
            return [(event["topic"].rsplit("/", 1)[1], event["namespace"]) for event in self.events(*filters)]

        self.assertEqual(names("namespace==blue"), [("create", "blue")])
        self.assertEqual(names('topic=="/namespaces/update"'), [("update", "green")])
        self.assertEqual(names("topic~=create"), [("create", "blue"), ("create", "green")])
        self.assertEqual(names("event.name~=^gr"), [("create", "green"), ("update", "green")])
        self.assertEqual(names("event.labels.k==v"), [("update", "green")])
        self.assertEqual(names("event.labels.a.b==c"), [("update", "green")])
        self.assertEqual(names("namespace==blue", 'topic=="/namespaces/update"'), [("create", "blue"), ("update", "green")])
        self.assertEqual(names("time<1h"), [])
        # The namespace to work in narrows nothing, as in ctr.
        self.assertEqual(len(self.lade.ok("-n", "blue", "events").out.splitlines()), 3)
        self.fails(self.lade.run("events", "topic=="), 2, "filters: parse error")

    def test_since(self):
        self.lade.ok("namespaces", "create", "old")
        with sqlite3.connect(self.lade.root / "meta.db") as database:
            database.execute("UPDATE events SET time = time - 3600 * 1000000000")
        self.lade.ok("namespaces", "create", "new")
        self.assertEqual([event["namespace"] for event in self.events("--since", "10m")], ["new"])
        self.assertEqual([event["namespace"] for event in self.events("--since", "2h")], ["old", "new"])
        self.assertEqual(self.events("--since", "0"), [])
        old, new = (event["time"] for event in self.events())
        self.assertEqual([event["namespace"] for event in self.events("--since", new)], ["new"])
        self.assertEqual(len(self.events("--since", old)), 2)
        self.fails(self.lade.run("events", "--since", "yesterday"), 2, "--since", "yesterday")

    def test_the_last_ten_thousand_are_kept(self):
        self.lade.ok("namespaces", "create", "first")
        with sqlite3.connect(self.lade.root / "meta.db") as database:
            row = "INSERT INTO events (time, namespace, topic, payload) VALUES (1, 'made', '/t', '{}')"
            for _ in range(12_000):
                database.execute(row)
        self.lade.ok("namespaces", "create", "last")
        events = self.events()
        self.assertEqual(len(events), 10_000)
        self.assertEqual(events[-1]["namespace"], "last")
        self.assertEqual(events[-1]["id"] - events[0]["id"], 9_999)
        with sqlite3.connect(self.lade.root / "meta.db") as database:
            self.assertEqual(database.execute("SELECT count(*) FROM events").fetchone(), (10_000,))

    def test_without_a_store_there_is_nothing_and_none_is_made(self):
        self.assertEqual(self.lade.ok("events").out, "")
        self.assertFalse(self.lade.root.exists())


class Follow(Case):
    def follow(self, *args):
        process = self.lade.start("events", "--follow", "--json", *args)
        self.addCleanup(process.stderr.close)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def next(self, process):
        return json.loads(process.stdout.readline())

    def test_events_of_other_processes_arrive_once_and_in_order(self):
        self.lade.ok("namespaces", "create", "before")
        follower = self.follow()
        self.assertEqual(self.next(follower)["namespace"], "before")
        writers = [
            subprocess.Popen(["sh", "-c", f'for i in 1 2 3 4 5 6 7 8 9 10; do "$0" namespaces create w{n}-$i || exit; done', self.lade.command()[0]], env=self.lade.env)
            for n in range(4)
        ]
        seen = [self.next(follower) for _ in range(40)]
        self.assertEqual([writer.wait(timeout=TIMEOUT) for writer in writers], [0] * 4)
        self.lade.ok("namespaces", "create", "after")
        self.assertEqual(self.next(follower)["namespace"], "after")
        self.assertEqual({event["namespace"] for event in seen}, {f"w{n}-{i}" for n in range(4) for i in range(1, 11)})
        ids = [event["id"] for event in seen]
        self.assertEqual(ids, list(range(2, 42)))

    def test_it_waits_for_a_store_that_is_not_there_yet(self):
        follower = self.follow()
        self.lade.ok("namespaces", "create", "first")
        self.assertEqual(self.next(follower)["namespace"], "first")

    def test_only_new_ones_and_only_those_that_match(self):
        self.lade.ok("namespaces", "create", "old")
        follower = self.follow("--since", "0", "namespace==wanted")
        process = self.follow("--since", "1h")
        self.assertEqual(self.next(process)["namespace"], "old")
        # Told by the second follower that time has passed since the first one began, not by a clock.
        deadline = time.monotonic() + TIMEOUT
        while not self.has_opened(follower) and time.monotonic() < deadline:
            time.sleep(0.02)
        self.lade.ok("namespaces", "create", "other")
        self.lade.ok("namespaces", "create", "wanted")
        self.assertEqual(self.next(follower)["namespace"], "wanted")

    def has_opened(self, process):
        folder = f"/proc/{process.pid}/fd"
        return any(os.readlink(f"{folder}/{fd}").endswith("meta.db-shm") for fd in os.listdir(folder) if os.path.islink(f"{folder}/{fd}"))

    def test_a_signal_ends_it(self):
        self.lade.ok("namespaces", "create", "one")
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                follower = self.follow()
                self.next(follower)
                follower.send_signal(number)
                self.assertEqual(follower.wait(timeout=TIMEOUT), -number)

    def test_it_ends_when_its_reader_goes(self):
        self.lade.ok("namespaces", "create", "one")
        follower = self.follow()
        self.next(follower)
        follower.stdout.close()
        self.assertEqual(follower.wait(timeout=TIMEOUT), 0)


class Killed(Case):
    def test_events_agree_with_rows_whoever_was_killed(self):
        need_root()
        registry = BrokenRegistry()
        self.addCleanup(registry.stop)
        registry.pause, registry.piece = 0.001, 16 * 1024
        images = [Image([Layer().file("same", b"s" * 50_000), Layer().file("f", os.urandom(300_000))]) for _ in range(2)]
        refs = [registry.add(image, f"t{i}") for i, image in enumerate(images)]
        seed = int(os.environ.get("LADE_TEST_SEED", random.randrange(1 << 32)))
        chance = random.Random(seed)
        self.lade.ok("namespaces", "create", "default")
        for round_ in range(6 if SANITIZED else 30):
            commands = [("images", "pull", "--progress", "none", chance.choice(refs)), ("images", "rm", chance.choice(refs))]
            running = [self.lade.start(*command) for command in commands]
            time.sleep(chance.random() * 0.15)
            for process in running:
                process.kill()
                process.communicate()
            # Rows and events agree at once.
            with self.subTest(round_=round_, seed=seed):
                self.assertEqual(violations(self.lade.root, collected=False), [])
        self.lade.ok("gc")
        self.assertEqual(violations(self.lade.root), [], f"seed {seed}")


if __name__ == "__main__":
    unittest.main()
