"""Random stacks of layers, and what must come of them: computed from the entries alone, as the image specification has
it. Whiteouts speak of the layers below whatever their place in the archive, so they come first here."""

import copy
import itertools
import os
import stat
import tarfile

from support.images import Layer

NAMES = [
    b"a", b"b", b"c", b"d", b"e f", b"-x", b"...", b"wh.", b".whx", b".wh", b"new\nline", b"esc\x1b[31m", b"back\\slash", b"colon:comma,",
    "e\u0301".encode(), "\u00e9".encode(), b"\xff\xfe", b"\xe2\x80\xaeright", b"n" * 120, b"l" * 251,
]
TYPES = {
    tarfile.REGTYPE: stat.S_IFREG, tarfile.DIRTYPE: stat.S_IFDIR, tarfile.SYMTYPE: stat.S_IFLNK,
    tarfile.FIFOTYPE: stat.S_IFIFO, tarfile.CHRTYPE: stat.S_IFCHR, tarfile.BLKTYPE: stat.S_IFBLK,
}
MOMENT = 1_400_000_000


class Node:
    """An inode. `vague`: what it says of itself but its type is not the same to all who unpack (see Stack.loose)."""

    def __init__(self, type_, facts, data=b"", link=b"", device=None):
        self.type, self.facts, self.data, self.link, self.device = type_, facts, data, link, device
        self.children = {} if type_ == tarfile.DIRTYPE else None
        self.vague = False

    @property
    def is_dir(self):
        return self.children is not None


def fresh():
    return Node(tarfile.DIRTYPE, {"mode": 0o755, "owner": (0, 0), "mtime": 0, "xattrs": {}})


def split(path):
    return [part for part in path.split(b"/") if part not in (b"", b".")]


def below(path, top):
    """`path` is `top` or lies below it."""
    return (path + b"/").startswith(top + b"/" if top else b"")


class Tree:
    def __init__(self):
        self.root = fresh()

    def find(self, path):
        """No link is followed."""
        node = self.root
        for part in split(path):
            if not node.is_dir or part not in node.children:
                return None
            node = node.children[part]
        return node

    def walk(self, node=None, path=b""):
        for name, child in sorted((node or self.root).children.items()):
            inside = path + b"/" + name if path else name
            yield inside, child
            if child.is_dir:
                yield from self.walk(child, inside)

    def names_of(self, node):
        return [path for path, other in self.walk() if other is node]

    def remove(self, path):
        *above, name = split(path)
        parent = self.find(b"/".join(above))
        if parent is not None and parent.is_dir:
            parent.children.pop(name, None)

    def parent(self, path):
        """The directory of an entry, made where missing; a link to a directory beside it is followed. New ones, too."""
        node, made = self.root, []
        for part in split(path)[:-1]:
            child = node.children.get(part)
            if child is not None and child.type == tarfile.SYMTYPE:
                child = node.children[child.link]
            if child is None:
                child = node.children[part] = fresh()
                # A set-group-id directory gives its group to what others make in it.
                child.vague = node.vague or bool(node.facts["mode"] & stat.S_ISGID)
                made.append(child)
            assert child.is_dir, path
            node = child
        return node, made

    def add(self, entry):
        name = split(entry["name"])
        if not name:
            self.root.facts, self.root.vague = entry["facts"], False
            return []
        parent, made = self.parent(entry["name"])
        old = parent.children.get(name[-1])
        if entry["type"] == tarfile.LNKTYPE:
            *above, last = split(entry["link"])
            parent.children[name[-1]] = self.find(b"/".join(above)).children[last]
        elif entry["type"] == tarfile.DIRTYPE and old is not None and old.is_dir:
            old.facts, old.vague = entry["facts"], False
        else:
            parent.children[name[-1]] = Node(entry["type"], entry["facts"], entry["data"], entry["link"], entry["device"])
        return made

    def describe(self):
        """As tree.describe() would."""
        import hashlib

        described = {}
        groups = {}
        for path, node in itertools.chain([(b".", self.root)], self.walk()):
            facts = {"type": TYPES[node.type], "mode": oct(node.facts["mode"]), "owner": node.facts["owner"], "mtime": node.facts["mtime"]}
            facts["xattrs"] = dict(node.facts["xattrs"])
            if node.type == tarfile.REGTYPE:
                facts["size"], facts["sha256"] = len(node.data), hashlib.sha256(node.data).hexdigest()
            elif node.type == tarfile.SYMTYPE:
                facts["target"], facts["mode"] = node.link, oct(0o777)
            elif node.device is not None:
                facts["device"] = node.device
            if not node.is_dir:
                groups.setdefault(id(node), []).append(path)
            described[path] = facts
        for group in groups.values():
            for path in group:
                if len(group) > 1:
                    described[path]["linked"] = sorted(group)
        return described


class Stack:
    """`layers` are tars, `tree` is what they unpack to, `story` says it in lines."""

    def __init__(self, chance):
        self.chance = chance
        self.names = chance.sample(NAMES, 7)
        self.tree = Tree()
        self.layers, self.story = [], []
        for number in range(chance.randint(2, 6)):
            self.add_layer(number)

    def loose(self):
        """Directories that no entry describes, where what umoci makes depends on the order of entries, or on the group of
        the directory around it: the specification has no order, and says nothing of such directories."""
        return {path for path, node in self.tree.walk() if node.vague}

    def add_layer(self, number):
        lower = copy.deepcopy(self.tree)
        marks = self.choose_marks() if number > 0 else []
        for kind, path in marks:
            if kind == "opaque":
                node = self.tree.find(path)
                if node is not None and node.is_dir:
                    node.children.clear()
            else:
                self.tree.remove(path)
        entries = []
        if number == 0 or self.chance.random() < 0.15:
            entries.append(self.describe_entry(b"./", tarfile.DIRTYPE))
            self.tree.add(entries[-1])
        made = {}
        lower_nodes = {id(node) for _, node in self.tree.walk()}
        for _ in range(self.chance.randint(3, 9)):
            entry = self.choose_entry(lower_nodes)
            if entry is not None:
                for node in self.tree.add(entry):
                    made[id(node)] = (node, len(entries))
                entries.append(entry)
        placed = self.place(marks, entries, lower)
        self.mark_vague(placed, entries, made, lower)
        self.write(number, placed, entries)

    def choose_marks(self):
        chance, marks = self.chance, []
        paths = [(path, node) for path, node in self.tree.walk()]
        for _ in range(chance.choice((0, 0, 1, 1, 2, 3))):
            if paths and chance.random() < 0.8:
                path, node = chance.choice(paths)
            else:
                path, node = self.inside(self.any_directory()), None
            if chance.random() < 0.35:
                marks.append(("opaque", path if node is None or node.is_dir else b"/".join(split(path)[:-1])))
            else:
                marks.append(("whiteout", path))
        if chance.random() < 0.02:
            marks.append(("opaque", b""))
        return [mark for mark in marks if self.is_place(mark, marks)]

    def is_place(self, mark, marks):
        """Marks lie in directories that are there, and that no other mark hides: whether a mark makes the directory that
        it lies in is left open by the specification."""
        directory = self.directory_of(mark)
        node = self.tree.find(directory)
        hidden = any(below(directory, path) and (kind == "whiteout" or directory != path) for kind, path in marks)
        return node is not None and node.is_dir and not hidden

    @staticmethod
    def directory_of(mark):
        kind, path = mark
        return path if kind == "opaque" else b"/".join(split(path)[:-1])

    def any_directory(self):
        return self.chance.choice([b""] + [path for path, node in self.tree.walk() if node.is_dir and path.count(b"/") < 3])

    def inside(self, directory):
        name = self.chance.choice(self.names)
        return directory + b"/" + name if directory else name

    def describe_entry(self, name, type_, **more):
        chance = self.chance
        moment = f"{MOMENT + chance.randrange(10**8)}"
        if chance.random() < 0.5:
            moment += f".{chance.randrange(1, 10**9):09}"
        facts = {
            "mode": chance.choice((0o755, 0o755, 0o700, 0o1777, 0o2755, 0) if type_ == tarfile.DIRTYPE else (0o644, 0o600, 0o755, 0o4755, 0o2711, 0)),
            "owner": (chance.choice((0, 0, 0, 1000, 65534, 4_000_000)), chance.choice((0, 0, 50, 3_000_000))),
            "mtime": int(moment.split(".")[0]) * 10**9 + int((moment.split(".") + ["0"])[1]),
            "xattrs": {},
        }
        if type_ in (tarfile.REGTYPE, tarfile.DIRTYPE) and chance.random() < 0.2:
            facts["xattrs"] = {f"user.{chance.choice('ab')}": chance.choice((b"1", b"two", b"a=b\nc"))}
        return {"name": name, "type": type_, "facts": facts, "moment": moment, "data": b"", "link": b"", "device": None, **more}

    def choose_entry(self, lower_nodes):
        chance = self.chance
        directory = self.any_directory()
        if chance.random() < 0.25:
            directory = self.through_link(directory)
        if chance.random() < 0.3:
            for _ in range(chance.choice((1, 1, 2))):
                directory = self.inside(directory)
        name = self.inside(directory)
        if not self.can_hold(name):
            return None
        old = self.resolved(name)
        kind = chance.choices(("file", "dir", "symlink", "link", "node"), (30, 30, 12, 20, 8))[0]
        # Whoever replaces a directory that has a link beside it to it would leave the link without one.
        if old is not None and old.is_dir and kind != "dir" and chance.random() < 0.5:
            return None
        if kind == "dir":
            return self.describe_entry(name + b"/", tarfile.DIRTYPE)
        if kind == "file":
            return self.describe_entry(name, tarfile.REGTYPE, data=chance.randbytes(chance.choice((0, 1, 10, 511, 512, 513, 70_000))))
        if kind == "symlink":
            return self.describe_entry(name, tarfile.SYMTYPE, link=chance.choice((*self.names, b"none/where", b"/" + self.names[0])))
        if kind == "node":
            type_ = chance.choice((tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE))
            return self.describe_entry(name, type_, device=None if type_ == tarfile.FIFOTYPE else (chance.choice((1, 7, 300)), chance.choice((3, 1, 70_000))))
        return self.choose_link(name, old, lower_nodes)

    def choose_link(self, name, old, lower_nodes):
        """To a file of this layer, or to one below that has no other name: a change to a name of several ends their being
        one file in overlayfs (`index=off`), which is how overlayfs is."""
        targets = [
            (path, node)
            for path, node in self.tree.walk()
            if not node.is_dir and node is not old and (id(node) not in lower_nodes or len(self.tree.names_of(node)) == 1)
            # What the entry itself removes, or leads through, is no target.
            and not below(path, name) and not below(name, path)
        ]
        if not targets:
            return None
        target, node = self.chance.choice(targets)
        lower_nodes.discard(id(node))
        return {**self.describe_entry(name, tarfile.LNKTYPE), "facts": node.facts, "link": target}

    def through_link(self, directory):
        node = self.tree.find(directory)
        for name, child in node.children.items():
            if child.type == tarfile.SYMTYPE and child.link in node.children and node.children[child.link].is_dir:
                return directory + b"/" + name if directory else name
        return directory

    def can_hold(self, name):
        """Whether every directory on the way is one, or can be made."""
        return self.resolved(name, check=True)

    def resolved(self, name, check=False):
        node = self.tree.root
        for part in split(name)[:-1]:
            child = node.children.get(part)
            if child is not None and child.type == tarfile.SYMTYPE:
                child = node.children.get(child.link)
                if child is None:
                    return False if check else None
            if child is None:
                return True if check else None
            if not child.is_dir:
                return False if check else None
            node = child
        return True if check else node.children.get(split(name)[-1])

    def place(self, marks, entries, lower):
        """Index of the entry before which a mark stands -> marks. One that hides a link or a file that an entry's path
        leads through stands first, for nobody could have gone that way else; and one in a directory that is replaced."""
        placed = {}
        for mark in marks:
            first = False
            for entry in entries:
                parts = split(entry["name"])
                ways = [b"/".join(parts[:i]) for i in range(1, len(parts))]
                nodes = [lower.find(way) for way in ways if below(way, mark[1])]
                first = first or any(node is not None and not node.is_dir for node in nodes)
                first = first or (entry["type"] != tarfile.DIRTYPE and below(self.directory_of(mark), b"/".join(parts)))
            placed.setdefault(0 if first else self.chance.randint(0, len(entries)), []).append(mark)
        return placed

    def mark_vague(self, placed, entries, made, lower):
        """Of directories that this layer only passes through, those that were below and are hidden by a later mark."""
        for node, index in made.values():
            for path in self.tree.names_of(node):
                was = lower.find(path)
                for at, marks in placed.items():
                    for _, hidden in marks:
                        if at > index and was is not None and was.is_dir and below(path, hidden):
                            node.vague = True
        described = {id(self.tree.find(entry["name"])) for entry in entries}
        for path, node in self.tree.walk():
            if id(node) in described:
                node.vague = False
            # Its group may come from the one around it.
            elif id(node) in made and self.tree.find(b"/".join(split(path)[:-1])).vague:
                node.vague = True

    def write(self, number, placed, entries):
        layer = Layer()
        self.story.append(f"layer {number}:")

        def put_marks(index):
            for kind, path in placed.get(index, ()):
                self.story.append(f"  {kind} {path}")
                if kind == "opaque":
                    layer.opaque(os.fsdecode(path))
                else:
                    layer.whiteout(os.fsdecode(path))

        for index, entry in enumerate(entries):
            put_marks(index)
            facts = entry["facts"]
            self.story.append(f"  {entry['type'].decode()} {entry['name']} -> {entry['link']} {facts}")
            major, minor = entry["device"] or (0, 0)
            layer.add(
                os.fsdecode(entry["name"]), entry["type"], data=entry["data"], mode=facts["mode"], link=os.fsdecode(entry["link"]), uid=facts["owner"][0],
                gid=facts["owner"][1], major=major, minor=minor,
                pax={"mtime": f"{facts['mtime'] // 10**9}.{facts['mtime'] % 10**9:09}", **{f"SCHILY.xattr.{k}": v.decode() for k, v in facts["xattrs"].items()}},
            )
        put_marks(len(entries))
        self.layers.append(layer.bytes())
