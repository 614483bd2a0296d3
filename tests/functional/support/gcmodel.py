"""What garbage collection has to keep, computed from rows alone and by the book: sets and dictionaries, no code of the
program's. Nodes are tuples (type, namespace, key), the key of a snapshot being (snapshotter, key)."""

import re
from collections import deque
from datetime import datetime, timedelta

PREFIX = "containerd.io/gc."


def moment(text):
    """An RFC 3339 time, or None."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    return datetime.fromisoformat(match[1] + match[2].replace("Z", "+00:00")) if match else None


def hours(text):
    """Only the durations that the generator writes."""
    match = re.fullmatch(r"(\d+)h", text)
    return timedelta(hours=int(match[1])) if match else None


class Model:
    """`rows` maps nodes to dictionaries: labels, and by type target, parent, snapshot, expected, expires, holds, owner."""

    def __init__(self, rows, now):
        self.rows = rows
        self.now = now
        self.back = {}
        self.used = {}
        for node, row in rows.items():
            for key, value in row.get("labels", {}).items():
                if node[0] == "snapshot" and key.startswith(PREFIX + "cond.value-usedat") and moment(value):
                    self.used.setdefault(node, []).append(moment(value))
        for node, row in rows.items():
            for key, value in row.get("labels", {}).items():
                for name in self.named(node, key, value, "bref", ("content", "image", "container")):
                    self.back.setdefault(name, []).append((key, node))
                if node[0] in ("content", "image"):
                    self.condition(node, key, value)

    def named(self, node, key, value, family, kinds):
        """The nodes a label of the family ref or bref names."""
        if node[0] not in ("content", "snapshot", "image", "container"):
            return
        for kind in kinds:
            stem = f"{PREFIX}{family}.{kind}"
            if key == stem or key.startswith(stem + ".") or key.startswith(stem + "/"):
                yield (kind, node[1], value)
        stem = f"{PREFIX}{family}.snapshot."
        if key.startswith(stem):
            yield ("snapshot", node[1], (key[len(stem) :].split("/")[0], value))

    def condition(self, node, key, value):
        stem = PREFIX + "cond.snapshot."
        if not key.startswith(stem) or "|" not in value:
            return
        tests, _, name = value.partition("|")
        snapshot = ("snapshot", node[1], (key[len(stem) :].split("/")[0], name))
        for test in tests.split(","):
            match = re.fullmatch(r"usedat([<>])(.*)", test)
            limit = match and hours(match[2])
            if limit is None:
                continue
            for used in self.used.get(snapshot, []):
                idle = self.now - used
                if idle < limit if match[1] == "<" else idle > limit:
                    self.back.setdefault(node, []).append((key, snapshot))
                    return

    def expired(self, node):
        end = moment(self.rows[node].get("labels", {}).get(PREFIX + "expire", ""))
        return end is not None and end < self.now

    def is_root(self, node):
        row = self.rows.get(node)
        if row is None:
            return False
        if node[0] == "lease":
            return row["owner"] != "dead" and not self.expired(node)
        if node[0] == "image":
            return not self.expired(node)
        if node[0] == "ingest":
            return row["expires"] is not None and row["expires"] > self.now
        if node[0] == "container":
            return True
        return any(key.startswith(PREFIX + "root") for key in row["labels"])

    def roots(self):
        return [node for node in self.rows if self.is_root(node)]

    def steps(self, node, flat):
        """(kind of reference, node, flat) of everything kept with it."""
        kind, space, _ = node
        row = self.rows.get(node, {})
        if not flat:
            for key, other in self.back.get(node, []):
                yield key, other, False
        if row.get("parent"):
            yield "parent", row["parent"], flat
        if row.get("target"):
            yield "target", row["target"], flat
        if row.get("snapshot"):
            yield "snapshot", row["snapshot"], False
        if row.get("expected"):
            yield "expected", row["expected"], False
        if kind == "lease":
            listed_only = PREFIX + "flat" in row["labels"]
            for other in row["holds"]:
                yield "holds", other, listed_only and other[0] != "ingest"
        if not flat:
            for key, value in row.get("labels", {}).items():
                for other in self.named(node, key, value, "ref", ("content", "image")):
                    yield key, other, False

    def distances(self, start):
        """How many steps each node is away from one root, by the shortest way."""
        found = {}
        seen = {(start, False)}
        queue = deque([(start, False, 0)])
        while queue:
            node, flat, distance = queue.popleft()
            found.setdefault(node, distance)
            for _, other, other_flat in self.steps(node, flat):
                if (other, other_flat) not in seen:
                    seen.add((other, other_flat))
                    queue.append((other, other_flat, distance + 1))
        return found

    def kept(self):
        every = set()
        for root in self.roots():
            every |= self.distances(root).keys()
        return every & self.rows.keys()
