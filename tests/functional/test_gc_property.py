"""Random stores: what `gc` takes and leaves, what its dry run says before, and what `why` says of each object, beside a
plain reachability computation (support/gcmodel). LADE_TEST_SEED repeats a run."""

import os
import random
import unittest
from datetime import datetime, timedelta, timezone

from support.gcmodel import PREFIX, Model
from support.gcstore import GcStore, digest_of
from support.program import SANITIZED, Case, Lade

GRAPHS = 12 if SANITIZED else 60
SPACES = ("default", "other")
SNAPSHOTTERS = ("overlayfs", "native")
KINDS = ("images", "content", "snapshots", "ingests", "leases")


class Generator:
    """One random graph. Names are few, so that they meet."""

    def __init__(self, seed, now):
        self.random = random.Random(seed)
        self.now = now

    def chance(self, part):
        return self.random.random() < part

    def time(self, hours):
        return (self.now + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def digest(self):
        return digest_of(f"blob-{self.random.randrange(14)}")

    def snapshot(self):
        return self.random.choice(SNAPSHOTTERS), f"s{self.random.randrange(6)}"

    def image(self):
        return f"image-{self.random.randrange(6)}"

    def container(self):
        return f"c{self.random.randrange(3)}"

    def suffix(self):
        return self.random.choice(("", ".0", "/x", ".l.1", "bad"))

    def expiry(self):
        return self.random.choice((self.time(-3), self.time(-1), self.time(2), "never", "2020-01-01"))

    def reference(self, family):
        """A label of the family ref or bref."""
        kinds = ["content", "image", "snapshot"] + (["container"] if family == "bref" else [])
        kind = self.random.choice(kinds)
        if kind == "snapshot":
            snapshotter, key = self.snapshot()
            return f"{PREFIX}{family}.snapshot.{snapshotter}{self.random.choice(('', '/x', '.x'))}", key
        value = {"content": self.digest, "image": self.image, "container": self.container}[kind]()
        return f"{PREFIX}{family}.{kind}{self.suffix()}", value

    def condition(self):
        snapshotter, key = self.snapshot()
        tests = [self.random.choice(("usedat<2h", "usedat>2h", "usedat<4h", "usedat=2h", "usedat<x", "size<2h", "usedat")) for _ in range(self.random.randrange(1, 3))]
        value = ",".join(tests) + (f"|{key}" if self.chance(0.9) else "")
        return f"{PREFIX}cond.snapshot.{snapshotter}{self.random.choice(('', '/x'))}", value

    def labels(self, kind):
        labels = {"plain": "1"} if self.chance(0.2) else {}
        for _ in range(self.random.choice((0, 0, 1, 1, 2, 3))):
            labels.update([self.reference("ref")])
        if self.chance(0.25):
            labels.update([self.reference("bref")])
        if kind in ("content", "snapshot") and self.chance(0.08):
            labels[self.random.choice((f"{PREFIX}root", f"{PREFIX}root.x", f"{PREFIX}rootless", f"{PREFIX}expire"))] = self.time(1)
        if kind in ("content", "image") and self.chance(0.25):
            labels.update([self.condition()])
        if kind == "snapshot" and self.chance(0.4):
            labels[PREFIX + "cond.value-usedat" + self.random.choice(("", ".x"))] = self.random.choice((self.time(-1), self.time(-3), "x"))
        if kind == "image" and self.chance(0.5):
            labels[PREFIX + "expire"] = self.expiry()
        return labels

    def resource(self, space):
        kind = self.random.choice(("content", "snapshot", "image", "ingest"))
        key = {"content": self.digest, "snapshot": self.snapshot, "image": self.image, "ingest": lambda: f"r{self.random.randrange(4)}"}[kind]()
        return kind, space, key

    def rows(self):
        rows = {}
        for space in SPACES:
            for _ in range(self.random.randrange(12)):
                rows["content", space, self.digest()] = {"labels": self.labels("content")}
            for _ in range(self.random.randrange(9)):
                snapshotter, key = self.snapshot()
                below = [n for n in rows if n[:2] == ("snapshot", space) and n[2][0] == snapshotter]
                if ("snapshot", space, (snapshotter, key)) not in rows:
                    parent = self.random.choice(below) if below and self.chance(0.7) else None
                    rows["snapshot", space, (snapshotter, key)] = {"parent": parent, "labels": self.labels("snapshot")}
            for _ in range(self.random.randrange(5)):
                rows["image", space, self.image()] = {"target": ("content", space, self.digest()), "labels": self.labels("image")}
            for number in range(self.random.randrange(2)):
                snapshot = ("snapshot", space, self.snapshot()) if self.chance(0.8) else None
                rows["container", space, self.container()] = {"snapshot": snapshot, "labels": self.labels("container")}
            for number in range(self.random.randrange(3)):
                expected = ("content", space, self.digest()) if self.chance(0.7) else None
                expires = self.random.choice((None, self.now - timedelta(hours=1), self.now + timedelta(hours=1)))
                rows["ingest", space, f"r{number}"] = {"expected": expected, "expires": expires}
            for number in range(self.random.randrange(4)):
                labels = {PREFIX + "expire": self.expiry()} if self.chance(0.7) else {}
                if self.chance(0.4):
                    labels[PREFIX + "flat"] = self.random.choice(("", "yes"))
                holds = [self.resource(space) for _ in range(self.random.randrange(4))]
                rows["lease", space, f"l{number}"] = {"labels": labels, "holds": holds, "owner": "dead" if self.chance(0.2) else None}
        return rows


def node_of(space, step):
    """A step of `why` as the model has it."""
    key = tuple(step["key"].split("/", 1)) if step["type"] == "snapshot" else step["key"]
    return step["type"], space, key


class GcProperty(Case):
    def removed_nodes(self, removed):
        names = {"content": "content", "images": "image", "snapshots": "snapshot", "ingests": "ingest", "leases": "lease"}
        listed = [node_of(one["namespace"], {"type": names[kind], "key": one["key"]}) for kind in KINDS for one in removed[kind]]
        self.assertEqual(len(listed), len(set(listed)))
        return set(listed)

    def check_why(self, lade, model, node):
        kind, space, key = node
        command = ("content", "why", key) if kind == "content" else ("snapshots", "--snapshotter", key[0], "why", key[1])
        why = lade.json("-n", space, *command)
        distances = sorted(d[node] for d in (model.distances(root) for root in model.roots()) if node in d)
        self.assertEqual(why["roots"], len(distances), why)
        self.assertEqual([len(chain) - 1 for chain in why["chains"]], distances[:10], why)
        for chain in why["chains"]:
            at = node_of(space, chain[0])
            self.assertTrue(model.is_root(at), chain)
            states = {(at, False)}
            for step in chain[1:]:
                at = node_of(space, step)
                states = {(o, f) for n, flat in states for via, o, f in model.steps(n, flat) if o == at and via == step["via"]}
                self.assertTrue(states, chain)
            self.assertEqual(at, node)
        if not distances:
            self.assertEqual(lade.ok("-n", space, *command).out, "nothing; the next gc takes it\n")

    def one_graph(self, seed):
        now = datetime.now(timezone.utc)
        generator = Generator(seed, now)
        rows = generator.rows()
        lade = Lade(self.scratch / f"store-{seed}")
        lade.ok("namespaces", "create", "default")
        store = GcStore(lade)
        self.addCleanup(store.close)
        store.write(rows)
        # Files without rows and rows without files.
        digests = sorted({node[2] for node in rows if node[0] == "content"})
        lost = {digest for digest in digests if generator.chance(0.1)}
        for number in range(14):
            if digest_of(f"blob-{number}") in digests and digest_of(f"blob-{number}") not in lost:
                store.write_blob(f"blob-{number}")
        store.write_blob("nobody's")
        stray = store.snapshot_path("overlayfs", 100_000)
        stray.mkdir(parents=True)
        store.ingest_path("default/nobody's").mkdir()

        model = Model(rows, now)
        kept = model.kept()
        doomed = {node for node in rows if node not in kept and node[0] != "container"}
        for node in generator.random.sample(sorted(n for n in rows if n[0] in ("content", "snapshot")), min(4, sum(n[0] in ("content", "snapshot") for n in rows))):
            self.check_why(lade, model, node)

        dry = lade.json("gc", "--dry-run")
        self.assertEqual(store.nodes(), set(rows))
        real = lade.json("gc")
        for report in (dry, real):
            self.assertEqual(set(report.pop("phases")), {"mark", "sweep", "files", "trash"})
            self.assertEqual(report.pop("dry_run"), report is dry)
        self.assertEqual(dry, real)
        self.assertEqual(self.removed_nodes(real["removed"]), doomed)
        self.assertEqual(store.nodes(), set(rows) - doomed)
        unknown = {f["key"] for f in real["removed"]["files"]}
        self.assertLessEqual({digest_of("nobody's"), "snapshots/overlayfs/100000", f"ingest/{store.ingest_path('default/nobody' + chr(39) + 's').name}"}, unknown)

        missing = {(one["namespace"], one["key"]) for one in real["missing"]}
        self.assertEqual(missing, {(n[1], n[2]) for n in rows if n[0] == "content" and n in kept and n[2] in lost})
        blobs, ingests, snapshots = store.wanted_files()
        self.assertEqual(store.files(), (blobs - lost, ingests, snapshots))
        self.assertEqual(blobs, {n[2] for n in kept if n[0] == "content"})
        self.assertEqual(os.listdir(lade.root / "trash"), [])
        self.assertEqual(list(store.database.execute("PRAGMA foreign_key_check")), [])
        self.assertEqual(store.events("/images/delete", "name"), sorted(n[2] for n in doomed if n[0] == "image"))
        self.assertEqual(store.events("/snapshot/remove", "key"), sorted(n[2][1] for n in doomed if n[0] == "snapshot"))
        # What is left, is left for good.
        again = lade.json("gc")
        self.assertEqual({kind: found for kind, found in again["removed"].items() if found}, {})
        self.assertEqual(again["bytes"], 0)
        return len(kept), len(doomed)

    def test_random_graphs(self):
        first = int(os.environ.get("LADE_TEST_SEED", random.randrange(1_000_000)))
        count = 1 if "LADE_TEST_SEED" in os.environ else GRAPHS
        totals = [0, 0]
        for seed in range(first, first + count):
            with self.subTest(f"LADE_TEST_SEED={seed}"):
                for i, part in enumerate(self.one_graph(seed)):
                    totals[i] += part
        print(f"        {count} graphs from seed {first}: {totals[0]} objects kept, {totals[1]} removed", flush=True)


if __name__ == "__main__":
    unittest.main()
