"""Images as records: names, IDs, labels, what is complete, what made them and what they share."""

import json
import os
import sqlite3
import unittest

from support.broken import RegistryCase
from support.images import Image, Layer, digest, index_of
from support.program import need_root

COLUMNS = ["REF", "TYPE", "DIGEST", "SIZE", "PLATFORMS", "LABELS"]


def chain_ids(image):
    """Bottom first, computed here."""
    chain = []
    config = json.loads(image.blobs[image.config["digest"]])
    for diff_id in config["rootfs"]["diff_ids"]:
        chain.append(digest(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return chain


class Images(RegistryCase):
    def pull(self, image, tag="latest", *flags):
        ref = self.registry.add(image, tag)
        self.lade.ok("images", "pull", "--no-unpack", *flags, ref)
        return ref

    def names(self, *args):
        return self.lade.ok("images", "ls", "-q", *args).out.split()

    def rows(self, *args):
        return {row["name"]: row for row in self.lade.json("images", "ls", *args)}

    def database(self):
        database = sqlite3.connect(self.lade.root / "meta.db")
        self.addCleanup(database.close)
        return database

    def blob(self, blob_digest):
        return self.lade.root / "content/blobs" / blob_digest.replace(":", "/")

    def two(self):
        """Two different images: references and images."""
        one, two = Image([Layer().file("a", "aaa")]), Image([Layer().file("a", "aaa"), Layer().file("b", "b" * 5000)])
        return self.pull(one, "one"), one, self.pull(two, "two"), two


class Names(Images):
    def test_tag_gives_names_and_copies_labels(self):
        ref = self.pull(Image([Layer().file("a", "a")]), "one", "--label", "k=v")
        done = self.lade.ok("images", "tag", ref, "short", "example.com/a/b:1")
        self.assertEqual(done.out, "docker.io/library/short:latest\nexample.com/a/b:1\n")
        rows = self.rows()
        self.assertEqual(len(rows), 3)
        for row in rows.values():
            self.assertEqual((row["target"], row["labels"], row["id"]), (rows[ref]["target"], {"k": "v"}, rows[ref]["id"]))
        self.assertEqual(self.lade.json("images", "tag", "short", "third"), ["docker.io/library/third:latest"])

    def test_tag_replaces_only_when_told_to(self):
        ref_one, one, ref_two, two = self.two()
        self.lade.ok("images", "label", ref_two, "mine=1")
        refused = self.lade.run("images", "tag", ref_one, ref_two, "new")
        self.fails(refused, 4, ref_two, "--force")
        self.assertEqual(refused.out, "docker.io/library/new:latest\n")
        self.assertEqual(self.rows()[ref_two]["target"]["digest"], two.root)
        self.lade.ok("images", "tag", "--local", "--force", ref_one, ref_two)
        row = self.rows()[ref_two]
        self.assertEqual((row["target"]["digest"], row["labels"]), (one.root, {}))

    def test_tag_checks_names(self):
        ref = self.pull(Image([Layer().file("a", "a")]))
        self.fails(self.lade.run("images", "tag", ref, "good", "Not A Name"), 2, "Not A Name")
        self.assertEqual(self.names(), [ref])
        self.lade.ok("images", "tag", "--skip-reference-check", ref, "Not A Name")
        self.lade.ok("images", "tag", ref, digest(b"x"))
        self.assertEqual({row["name"] for row in self.lade.json("images", "ls")}, {ref, "Not A Name", digest(b"x")})
        self.fails(self.lade.run("images", "tag", "none", "new"), 3, "none")
        self.fails(self.lade.run("images", "tag", ref), 2, "name")
        self.fails(self.lade.run("--lease", "none", "images", "tag", ref, "new"), 3, "none")

    def test_label(self):
        ref = self.pull(Image([Layer().file("a", "a")]), "one", "--label", "a=1")
        self.assertEqual(self.lade.ok("images", "label", ref, "b=2", "c").out, "a=1,b=2,c=true\n")
        self.assertEqual(self.lade.ok("images", "label", ref, "a=", "x.y/z=1").out, "b=2,c=true,x.y/z=1\n")
        self.assertEqual(self.lade.json("images", "label", ref), {"name": ref, "labels": {"b": "2", "c": "true", "x.y/z": "1"}})
        self.assertEqual(self.lade.ok("images", "label", "-r", ref, "only=1").out, "only=1\n")
        self.assertEqual(self.lade.ok("images", "label", "--replace-all", ref).out, "\n")
        self.assertEqual(self.rows()[ref]["labels"], {})
        self.fails(self.lade.run("images", "label", "none", "a=1"), 3, "none")
        self.fails(self.lade.run("images", "label", ref, "=1"), 2, "key")
        self.fails(self.lade.run("images", "label", ref, "k=" + "x" * 5000), 2, "4096")

    def test_label_and_tag_keep_the_time_they_are_told(self):
        ref = self.pull(Image([Layer().file("a", "a")]))
        epoch = {"SOURCE_DATE_EPOCH": "1600000000"}
        self.lade.ok("images", "label", ref, "a=1", env=epoch)
        self.lade.ok("images", "tag", ref, "new", env=epoch)
        rows = self.rows()
        self.assertEqual(rows[ref]["updated"], "2020-09-13T12:26:40Z")
        self.assertEqual(rows["docker.io/library/new:latest"]["created"], "2020-09-13T12:26:40Z")
        self.fails(self.lade.run("images", "label", ref, "a=1", env={"SOURCE_DATE_EPOCH": "today"}), 2, "SOURCE_DATE_EPOCH", "today")

    def test_prune(self):
        ref_one, one, ref_two, two = self.two()
        self.lade.ok("images", "label", ref_two, "keep=1")
        spared = self.lade.run("images", "prune")
        self.assertEqual((spared.code, spared.out), (0, ""))
        self.assertIn("--all", spared.err)
        self.assertEqual(len(self.names()), 2)
        self.assertEqual(self.lade.ok("images", "prune", "--all", "size>1GB").out, "")
        self.assertEqual(self.lade.ok("images", "prune", "--all", "labels.keep").out, ref_two + "\n")
        self.assertEqual(self.lade.json("images", "prune", "--all"), [ref_one])
        self.assertEqual(self.lade.json("content", "ls"), [])
        self.assertEqual(self.lade.json("images", "prune", "--all", "--root", self.scratch / "none"), [])

    def test_prune_leaves_what_containers_name(self):
        ref_one, one, ref_two, two = self.two()
        with self.database() as database:
            database.execute("INSERT INTO containers (namespace, name, image, snapshotter, snapshot_key, runtime_name, sandbox, created, updated)"
                             " VALUES ('default', 'c', ?, '', '', 'r', '', 0, 0)", (ref_one,))
            database.execute("INSERT INTO namespaces VALUES ('other')")
            database.execute("INSERT INTO containers (namespace, name, image, snapshotter, snapshot_key, runtime_name, sandbox, created, updated)"
                             " VALUES ('other', 'c', ?, '', '', 'r', '', 0, 0)", (ref_two,))
        self.assertEqual(self.lade.ok("images", "prune", "--all").out, ref_two + "\n")
        self.assertEqual(self.names(), [ref_one])


class Ids(Images):
    def test_an_id_is_the_digest_of_the_config(self):
        ref_one, one, ref_two, two = self.two()
        rows = self.rows()
        self.assertEqual((rows[ref_one]["id"], rows[ref_two]["id"]), (one.config["digest"], two.config["digest"]))
        lines = [line.split() for line in self.lade.ok("images", "ls", "--ids").out.splitlines()]
        self.assertEqual(lines[0], ["REF", "ID", *COLUMNS[1:]])
        self.assertEqual([line[1] for line in lines[1:]], [one.config["digest"][7:19], two.config["digest"][7:19]])
        self.assertEqual(self.names("--ids"), [one.config["digest"], two.config["digest"]])
        self.assertEqual(self.names(f'id=={one.config["digest"]}'), [ref_one])

    def test_the_id_of_an_index_is_that_of_the_host_platform(self):
        arm = Image([Layer().file("a", "arm")], architecture="arm64")
        amd = Image([Layer().file("a", "amd")], architecture="amd64")
        host, other = (arm, amd) if os.uname().machine == "aarch64" else (amd, arm)
        ref = self.registry.add(index_of([arm, amd]))
        # Until the host's is here the first one that is stands for it; that is not remembered.
        self.lade.ok("images", "pull", "--no-unpack", "--platform", "linux/" + other.platform["architecture"], ref)
        self.assertEqual(self.rows()[ref]["id"], other.config["digest"])
        self.lade.ok("images", "pull", "--no-unpack", ref)
        self.assertEqual(self.rows()[ref]["id"], host.config["digest"])
        self.assertEqual(self.rows()[ref]["platforms"], ["linux/amd64", "linux/arm64"])

    def test_what_is_no_image_has_the_digest_of_its_config_too(self):
        artifact = Image([Layer().file("a", "x")])
        artifact.manifest["config"]["mediaType"] = "application/vnd.example.thing+json"
        artifact.root = artifact.document(artifact.manifest, artifact.manifest["mediaType"])
        ref = self.pull(artifact)
        self.assertEqual(self.rows()[ref]["id"], artifact.config["digest"])

    def test_any_unambiguous_prefix_names_the_image(self):
        ref_one, one, ref_two, two = self.two()
        for whole in (one.config["digest"], one.root):
            hexadecimal = whole.removeprefix("sha256:")
            for text in (whole, hexadecimal, hexadecimal[:12], "sha256:" + hexadecimal[:12]):
                self.assertEqual(self.lade.json("images", "inspect", text)["name"], ref_one, text)
        self.lade.ok("images", "tag", one.config["digest"][7:19], "by-id")
        self.lade.ok("images", "unpack", two.root, "--to", self.scratch / "flat")
        self.assertEqual((self.scratch / "flat/a").read_text(), "aaa")
        layer = one.layers[0]["digest"]
        for text in (one.root[7:9], one.root[7:19].upper(), layer, "sha512:" + one.root[7:19], one.root[7:] + "0"):
            self.fails(self.lade.run("images", "inspect", text), 3, text)

    def test_an_ambiguous_prefix_lists_the_candidates(self):
        ref_one, one, ref_two, two = self.two()
        with self.database() as database:
            alike = one.config["digest"][:12] + two.config["digest"][12:]
            database.execute("UPDATE summaries SET config = ? WHERE target = ?", (alike, two.root))
            database.execute("INSERT INTO blobs (digest, size) VALUES (?, 1)", (alike,))
            database.execute("INSERT INTO content (namespace, digest, created, updated) VALUES ('default', ?, 0, 0)", (alike,))
        self.fails(self.lade.run("images", "inspect", one.config["digest"][7:12]), 2, "ambiguous", ref_one, ref_two, one.config["digest"])
        self.fails(self.lade.run("images", "rm", "--force", one.config["digest"][7:12]), 2, "ambiguous")
        self.assertEqual(self.lade.json("images", "inspect", one.config["digest"])["name"], ref_one)

    def test_a_name_wins_over_a_prefix(self):
        ref_one, one, ref_two, two = self.two()
        prefix = one.config["digest"][7:15]
        self.lade.ok("images", "tag", ref_two, prefix)
        self.assertEqual(self.lade.json("images", "inspect", prefix)["target"]["digest"], two.root)
        self.lade.ok("images", "tag", "--skip-reference-check", ref_two, one.config["digest"][:15])
        self.assertEqual(self.lade.json("images", "inspect", one.config["digest"][:15])["target"]["digest"], two.root)

    def test_several_names_of_one_image(self):
        ref, one, other, _ = self.two()
        self.lade.ok("images", "tag", ref, "zzz")
        self.lade.ok("images", "label", "zzz", "k=v")
        self.assertEqual(self.lade.json("images", "inspect", one.root)["name"], ref)
        for command in (["label", one.root, "a=1"], ["rm", one.root]):
            self.fails(self.lade.run("images", *command), 5, ref, "docker.io/library/zzz:latest")
        self.assertEqual(len(self.names()), 3)
        removed = self.lade.ok("images", "rm", "--force", one.root).out.split()
        self.assertEqual(removed, [ref, "docker.io/library/zzz:latest"])
        self.assertEqual(self.names(), [other])
        self.assertFalse(self.blob(one.root).exists())
        gone = self.lade.run("images", "rm", one.root)
        self.assertEqual((gone.code, gone.out), (0, ""))
        self.assertIn("not found", gone.err)

    def test_rm_prints_what_went(self):
        ref_one, one, ref_two, two = self.two()
        self.lade.ok("images", "tag", ref_one, "short")
        self.assertEqual(self.lade.ok("images", "rm", "--sync", "short", two.root).out, f"short\n{ref_two}\n")
        self.assertEqual(self.lade.json("images", "rm", ref_one, "none"), [ref_one])

    def test_an_id_in_another_namespace_names_nothing(self):
        ref_one, one, *_ = self.two()
        self.fails(self.lade.run("-n", "other", "images", "inspect", one.root), 3, one.root)


class Listing(Images):
    def test_filters(self):
        ref_one, one, ref_two, two = self.two()
        self.lade.ok("images", "label", ref_two, "stage=prod")
        self.assertEqual(self.names("labels.stage==prod"), [ref_two])
        self.assertEqual(self.names("name~=one$", "labels.stage"), [ref_one, ref_two])
        self.assertEqual(self.names(f"target.digest=={one.root}"), [ref_one])
        sizes = {name: row["size"] for name, row in self.rows().items()}
        self.assertEqual(self.names(f"size<={sizes[ref_one]}"), [ref_one])
        self.assertEqual(self.names(f"size>{sizes[ref_one]}"), [ref_two])
        self.assertEqual(self.names("created<1h"), [])
        self.assertEqual(self.names("created>1h,updated>2000-01-01T00:00:00Z"), [ref_one, ref_two])
        self.assertEqual([*self.rows("labels.stage")], [ref_two])
        self.assertEqual(self.lade.ok("images", "ls", "name==x").out.split(), COLUMNS)
        self.fails(self.lade.run("images", "ls", "name==foo,"), 2, "expected field or quoted")

    def test_summaries_are_remembered_with_the_pull_and_by_a_listing(self):
        ref_one, one, ref_two, two = self.two()
        before = self.rows()
        database = self.database()
        remembered = lambda: database.execute("SELECT target, config, size FROM summaries ORDER BY target").fetchall()
        first = remembered()
        self.assertEqual({row[0] for row in first}, {one.root, two.root})
        with database:
            database.execute("DELETE FROM summaries")
        self.assertEqual(self.rows(), before)
        self.assertEqual(remembered(), first)
        # From now on no document is read.
        for image in (one, two):
            for name in (image.root, image.config["digest"]):
                self.blob(name).unlink()
        self.assertEqual(self.rows(), before)
        self.lade.ok("images", "tag", ref_one, "again")
        self.lade.ok("images", "rm", "--no-gc", ref_one, ref_two)
        self.assertEqual([row[0] for row in remembered()], [one.root])
        self.lade.ok("images", "rm", "--no-gc", "again")
        self.assertEqual(remembered(), [])

    def test_a_listing_neither_waits_nor_fails_when_it_cannot_remember(self):
        ref, *_ = self.two()
        before = self.rows()
        database = self.database()
        with database:
            database.execute("DELETE FROM summaries")
        database.execute("BEGIN IMMEDIATE")
        self.assertEqual(self.rows(), before)
        self.assertEqual(self.lade.json("images", "inspect", before[ref]["id"])["name"], ref)
        database.rollback()
        self.assertEqual(database.execute("SELECT count(*) FROM summaries").fetchone(), (0,))

    def test_an_empty_store(self):
        self.assertEqual(self.lade.ok("images", "ls").out.split(), COLUMNS)
        self.assertEqual(self.lade.ok("images", "check").out, "")
        self.assertEqual(self.lade.json("images", "check"), [])
        self.assertEqual(self.lade.ok("images", "tree").out, "")
        self.assertEqual(self.lade.json("images", "tree"), {"layers": [], "images": []})
        for command in (["history", "x"], ["usage", "x"], ["tree", "x"], ["label", "x", "a=1"], ["tag", "x", "y"]):
            self.fails(self.lade.run("images", *command), 3)
        self.assertFalse(self.lade.root.exists())


class Check(Images):
    def check(self, ref, *args, code=0):
        result = self.lade.run("images", "check", *args)
        self.assertEqual(result.code, code, result.err)
        (line,) = [line for line in result.out.splitlines() if line.startswith(ref)]
        return line.split()[3:]

    def test_complete_incomplete_unavailable(self):
        ref_one, one, ref_two, two = self.two()
        header = self.lade.ok("images", "check").out.splitlines()[0]
        self.assertEqual(header.split(), ["REF", "TYPE", "DIGEST", "STATUS", "SIZE", "UNPACKED"])
        size = two.config["size"] + sum(layer["size"] for layer in two.layers)
        row = {row["name"]: row for row in self.lade.json("images", "check")}[ref_two]
        self.assertEqual((row["status"], row["present"], row["required"], row["present_size"], row["required_size"], row["unpacked"]),
                         ("complete", 3, 3, size, size, False))
        self.lade.ok("content", "rm", "--no-gc", two.layers[1]["digest"])
        self.assertEqual(self.check(ref_two, code=3)[:2], ["incomplete", "(2/3)"])
        self.fails(self.lade.run("images", "check"), 3, ref_two, "incomplete: 1 of 3")
        self.assertEqual(self.check(ref_one, code=3)[:2], ["complete", "(2/2)"])
        self.assertEqual(self.check(ref_one, f"name=={ref_one}")[:2], ["complete", "(2/2)"])
        self.lade.ok("content", "rm", "--no-gc", two.config["digest"])
        self.assertEqual(self.check(ref_two, code=3)[:2], ["incomplete", "(1/3)"])
        self.lade.ok("content", "rm", "--no-gc", two.root)
        self.assertEqual(self.check(ref_two, code=3), ["unavailable", "(0/?)", "0.0", "B/?", "false"])
        self.fails(self.lade.run("images", "check", "-q"), 3, ref_two, "unavailable")
        row = {row["name"]: row for row in self.lade.run("images", "check", "--json").json()}[ref_two]
        self.assertEqual((row["status"], row["required"], row["required_size"]), ("unavailable", None, None))

    def test_another_platform_is_unavailable(self):
        arm, amd = Image([Layer().file("a", "1")], architecture="arm64"), Image([Layer().file("a", "2")])
        other = amd if os.uname().machine == "aarch64" else arm
        ref = self.pull(index_of([arm, amd]), "latest", "--platform", "linux/" + other.platform["architecture"])
        self.assertEqual(self.check(ref, code=3)[0], "unavailable")
        self.assertEqual(self.check(ref, "--platform", "linux/" + other.platform["architecture"])[0], "complete")

    def test_damage_is_an_error_and_the_others_are_checked_all_the_same(self):
        ref_one, one, ref_two, two = self.two()
        self.blob(two.layers[1]["digest"]).unlink()
        self.assertEqual(self.check(ref_two, code=8)[:2], ["incomplete", "(2/3)"])
        self.fails(self.lade.run("images", "check"), 8, ref_two, two.layers[1]["digest"])
        os.chmod(self.blob(one.root), 0o600)
        self.blob(one.root).write_bytes(b"x" * self.blob(one.root).stat().st_size)
        result = self.lade.run("images", "check", "--json")
        self.assertEqual(result.code, 8)
        self.assertEqual({row["name"]: row["status"] for row in result.json()}, {ref_one: "error", ref_two: "incomplete"})
        self.assertEqual(self.check(ref_one, code=8), ["error", "-", "false"])

    def test_quiet_prints_what_can_be_run(self):
        need_root()
        ref_one, one, ref_two, two = self.two()
        self.assertEqual(self.lade.ok("images", "check", "-q").out, "")
        self.lade.ok("images", "unpack", ref_one)
        self.assertEqual(self.lade.ok("images", "check", "-q").out, ref_one + "\n")
        self.assertEqual((self.check(ref_one)[-1], self.check(ref_two)[-1]), ("true", "false"))
        self.assertEqual(self.lade.ok("images", "check", "-q", "--snapshotter", "native").out, "")
        self.assertEqual(self.lade.ok("images", "check", "-q", env={"CONTAINERD_SNAPSHOTTER": "native"}).out, "")
        self.assertEqual(self.lade.ok("images", "check", "-q", "name==none").out, "")
        self.lade.ok("content", "rm", "--no-gc", one.layers[0]["digest"])
        result = self.lade.run("images", "check", "-q")
        self.assertEqual((result.code, result.out), (3, ""))
        self.fails(self.lade.run("images", "check", "--snapshotter", "none"), 2, "none")

    def test_usage(self):
        need_root()
        ref_one, one, ref_two, two = self.two()
        self.fails(self.lade.run("images", "usage", ref_two), 3, ref_two, "not unpacked")
        self.lade.ok("images", "unpack", ref_two)
        chain = chain_ids(two)
        lines = self.lade.ok("images", "usage", ref_two).out.splitlines()
        self.assertEqual(lines[0].split(), ["KEY", "SIZE", "INODES"])
        self.assertEqual([line.split()[0] for line in lines[1:]], chain[::-1])
        self.assertEqual(self.lade.json("images", "usage", two.config["digest"]), self.lade.json("snapshots", "usage", *chain[::-1]))
        self.fails(self.lade.run("images", "usage", "--snapshotter", "native", ref_two), 3, "native")


class Layers(Images):
    def history(self, steps):
        def change(config, _):
            config["history"] = steps
        return change

    def test_history(self):
        steps = [{"created": "2020-01-02T03:04:05Z", "created_by": "ADD rootfs.tar /", "comment": "base"},
                 {"created": "2020-01-03T03:04:05Z", "created_by": "ENV A=1 " + "x" * 80, "empty_layer": True, "author": "me"},
                 {"created": "never", "created_by": "RUN \x1b[31mmake"}]
        image = Image([Layer().file("a", "a"), Layer().file("b", "b")], change=self.history(steps))
        ref = self.pull(image)
        last, middle, first = self.lade.json("images", "history", ref)
        self.assertEqual((first["created"], first["created_by"], first["comment"]), ("2020-01-02T03:04:05Z", "ADD rootfs.tar /", "base"))
        self.assertEqual((middle["empty_layer"], middle["layer"], middle["chain_id"], middle["author"]), (True, None, None, "me"))
        self.assertEqual((last["created"], last["empty_layer"]), (None, False))
        self.assertEqual([first["chain_id"], last["chain_id"]], chain_ids(image))
        self.assertEqual([first["layer"]["digest"], last["layer"]["digest"]], [layer["digest"] for layer in image.layers])
        self.assertEqual([first["diff_id"], last["diff_id"]], json.loads(image.blobs[image.config["digest"]])["rootfs"]["diff_ids"])
        lines = self.lade.ok("images", "history", ref).out.splitlines()
        self.assertEqual(lines[0].split(), ["CREATED", "CREATED", "BY", "SIZE", "LAYER", "CHAIN", "ID", "COMMENT"])
        self.assertIn("\\x1b[31mmake", lines[1])
        self.assertIn("empty", lines[2])
        self.assertIn("…", lines[2])
        self.assertIn(chain_ids(image)[0][7:19], lines[3])
        whole = self.lade.ok("images", "history", "--no-trunc", ref).out
        self.assertIn("x" * 80, whole)
        self.assertIn(image.layers[0]["digest"], whole)

    def test_history_that_does_not_fit_the_layers(self):
        none = Image([Layer().file("a", "a"), Layer().file("b", "b")])
        self.assertEqual([bool(step["layer"]) for step in self.lade.json("images", "history", self.pull(none))], [True, True])
        many = Image([Layer().file("a", "a")], change=self.history([{"created_by": "1"}, {"created_by": "2"}]))
        steps = self.lade.json("images", "history", self.pull(many))
        self.assertEqual([(step["created_by"], bool(step["layer"])) for step in steps], [("2", False), ("1", True)])
        bad = Image([Layer().file("a", "a")], change=self.history(["x"]))
        self.fails(self.lade.run("images", "history", self.pull(bad, "bad")), 2, "history")

    def test_history_of_a_platform(self):
        arm, amd = Image([Layer().file("a", "1")], architecture="arm64"), Image([Layer().file("a", "2")])
        ref = self.pull(index_of([arm, amd]), "latest", "--all-platforms")
        (step,) = self.lade.json("images", "history", "--platform", "linux/arm64", ref)
        self.assertEqual(step["chain_id"], chain_ids(arm)[0])
        self.fails(self.lade.run("images", "history", "--platform", "linux/s390x", ref), 3, "s390x")

    def family(self):
        base, one, two = Layer().file("a", "a").bytes(), Layer().file("b", "b").bytes(), Layer().file("c", "c").bytes()
        images = {"base": Image([base]), "app": Image([base, one]), "fat": Image([base, one, two]), "cousin": Image([base, two]),
                  "stranger": Image([two])}
        return images, {name: self.pull(image, name) for name, image in images.items()}

    def test_tree(self):
        images, refs = self.family()
        tree = self.lade.json("images", "tree")
        relatives = {image["name"]: (image["parents"], image["children"]) for image in tree["images"]}
        self.assertEqual(relatives[refs["fat"]], ([refs["app"], refs["base"]], []))
        self.assertEqual((relatives[refs["base"]][0], set(relatives[refs["base"]][1])), ([], {refs["app"], refs["fat"], refs["cousin"]}))
        self.assertEqual(relatives[refs["cousin"]], ([refs["base"]], []))
        self.assertEqual(relatives[refs["stranger"]], ([], []))
        layers = {layer["chain_id"]: layer for layer in tree["layers"]}
        self.assertEqual(len(layers), 5)
        for name, image in images.items():
            chain = chain_ids(image)
            self.assertEqual(layers[chain[-1]]["images"], [refs[name]])
            self.assertEqual([layers[link]["parent"] for link in chain], [None, *chain[:-1]])
        lines = self.lade.ok("images", "tree").out.splitlines()
        self.assertEqual(len(lines), 5)
        depth = {line.split()[-1]: line.index("sha256:") for line in lines}
        self.assertEqual([depth[refs[name]] for name in ("base", "app", "cousin", "fat", "stranger")], [1, 5, 5, 7, 1])

    def test_tree_of_some_images(self):
        images, refs = self.family()
        tree = self.lade.json("images", "tree", images["stranger"].config["digest"])
        self.assertEqual([image["name"] for image in tree["images"]], [refs["stranger"]])
        self.assertEqual(len(tree["layers"]), 1)
        names = {image["name"] for image in self.lade.json("images", "tree", refs["cousin"])["images"]}
        self.assertEqual(names, {*refs.values()} - {refs["stranger"]})
        self.fails(self.lade.run("images", "tree", "none"), 3, "none")

    def test_tree_with_an_image_that_cannot_be_read(self):
        images, refs = self.family()
        config = images["base"].config["digest"]
        os.chmod(self.blob(config), 0o600)
        self.blob(config).write_bytes(b"x" * self.blob(config).stat().st_size)
        result = self.lade.ok("images", "tree", "--json")
        self.assertIn("warning: image " + refs["base"], result.err)
        self.assertEqual(len(result.json()["images"]), 4)
        self.fails(self.lade.run("images", "tree", refs["base"]), 8, refs["base"])

    def test_a_deep_chain(self):
        layers = [Layer().file(f"f{i}", str(i)).bytes() for i in range(300)]
        ref = self.pull(Image(layers, compression="plain"))
        self.assertEqual(len(self.lade.json("images", "tree")["layers"]), 300)
        self.assertEqual(len(self.lade.ok("images", "tree", ref).out.splitlines()), 300)


class Rules(Images):
    def test_a_layer_that_is_unpacked_and_not_here_is_not_said_to_exist(self):
        need_root()
        layers = [Layer().file("a", b"a" * 1000).bytes(), Layer().file("b", b"b" * 1000).bytes()]
        first, second = Image(layers), Image(layers, compression="zstd")
        self.lade.ok("images", "pull", self.registry.add(first, "gzip"))
        ref = self.registry.add(second, "zstd")
        told = self.lade.ok("images", "pull", "--progress", "json", ref).err
        for layer in second.layers:
            lines = [line for line in told.splitlines() if layer["digest"] in line]
            self.assertTrue(lines and not any("exists" in line for line in lines), told)
        self.assertEqual([self.registry.count("GET", layer["digest"]) for layer in second.layers], [0, 0])
        self.lade.ok("images", "pull", "--no-unpack", ref)
        self.assertTrue(self.lade.json("images", "check", f"name=={ref}")[0]["status"].startswith("complete"))

    def test_bytes_that_were_presented_take_the_place_of_damaged_ones(self):
        self.lade.ok("store", "config", "content-sharing", "isolated")
        image = Image([Layer().file("f", os.urandom(5000))])
        ref = self.pull(image)
        for name in image.blobs:
            path = self.blob(name)
            path.chmod(0o600)
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)
        self.lade.ok("-n", "other", "images", "pull", "--no-unpack", ref)
        for name, data in image.blobs.items():
            self.assertEqual(self.blob(name).read_bytes(), data)

    def test_what_another_namespace_knows_of_an_image_is_not_told(self):
        one, two = Image([Layer().file("a")]), Image([Layer().file("b")], architecture="arm64")
        ref = self.registry.add(index_of([one, two]), "index")
        self.lade.ok("-n", "b", "content", "fetch", "--platform", "linux/arm64", ref)
        before = self.lade.json("-n", "b", "images", "ls")
        self.lade.ok("images", "pull", "--no-unpack", ref)
        self.assertEqual(self.lade.json("images", "ls")[0]["id"], one.config["digest"])
        self.assertEqual(self.lade.json("-n", "b", "images", "ls"), before)

    def test_a_flood_of_indexes_is_refused(self):
        whole = index_of([Image([Layer().file("a")])])
        oci = "application/vnd.oci.image.index.v1+json"
        children = []
        for number in range(300):
            text = json.dumps({"schemaVersion": 2, "mediaType": oci, "manifests": [], "annotations": {"n": str(number)}}).encode()
            children.append({"mediaType": oci, "digest": whole.document(text, oci), "size": len(text)})
        whole.root = whole.document({"schemaVersion": 2, "mediaType": oci, "manifests": children}, oci)
        result = self.lade.run("images", "pull", "--no-unpack", self.registry.add(whole, "flood"))
        self.fails(result, 9, "more than 256 indexes")

    def test_a_wrong_epoch_is_refused_before_anything_is_asked(self):
        ref = self.registry.add(Image([Layer().file("a")]), "t")
        self.fails(self.lade.run("images", "pull", ref, env={"SOURCE_DATE_EPOCH": "yesterday"}), 2, "SOURCE_DATE_EPOCH=yesterday")
        self.assertEqual(self.registry.requests, [])

    def test_leases_hold_images_by_any_of_their_names(self):
        image = Image([Layer().file("a")])
        ref = self.pull(image)
        self.lade.ok("leases", "create", "--id", "l")
        self.lade.ok("leases", "add", "l", "images", image.config["digest"][7:20])
        warned = self.lade.ok("leases", "add", "l", "images", "foo").err
        self.assertIn("docker.io/library/foo:latest", warned)
        self.assertEqual([one["key"] for one in self.lade.json("leases", "resources", "l")], sorted([ref, "docker.io/library/foo:latest"]))
        self.lade.ok("leases", "add", "l", "content", image.config["digest"][:15])
        self.fails(self.lade.run("leases", "add", "l", "snapshots/zfs", "k"), 2, "zfs")


if __name__ == "__main__":
    unittest.main()
