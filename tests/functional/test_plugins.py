"""`plugins ls`: what lade is made of, and what of it works here."""

import unittest

from support.program import Case


class Plugins(Case):
    def test_a_table_without_a_store_or_a_privilege(self):
        result = self.lade.ok("plugins", "ls")
        lines = result.out.splitlines()
        self.assertEqual(lines[0].split(), ["TYPE", "ID", "PLATFORMS", "STATUS"])
        rows = [line.split() for line in lines[1:]]
        self.assertTrue(all(len(row) == 4 for row in rows))
        self.assertEqual(rows, sorted(rows, key=lambda row: row[:2]))
        self.assertFalse(self.lade.root.exists())
        for alias in (("plugin", "list"), ("plugins", "list")):
            self.assertEqual(self.lade.ok(*alias).out, result.out)

    def test_filters_and_quiet_are_those_of_ctr(self):
        self.assertEqual(self.lade.ok("plugins", "ls", "-q", "type==io.containerd.snapshotter.v1").out, "btrfs\nerofs\nnative\noverlayfs\n")
        self.assertEqual(self.lade.ok("plugins", "ls", "-q", "id==walking", "id==sqlite").out, "walking\nsqlite\n")
        # As ctr has it: these fields are known and never there.
        self.assertEqual(self.lade.ok("plugins", "ls", "-q", "platforms").out, "")
        self.assertEqual(self.lade.ok("plugins", "ls", "-q", "capabilities").out, "")

    def test_what_is_required_exists(self):
        plugins = self.lade.json("plugins", "ls")
        types = {plugin["type"] for plugin in plugins}
        for plugin in plugins:
            self.assertLessEqual(set(plugin["requires"]), types, plugin["id"])
            self.assertEqual(set(plugin), {"type", "id", "requires", "platforms", "capabilities", "root", "status", "reason"})
        (gzip,) = [plugin for plugin in plugins if plugin["id"] == "gzip"]
        self.assertIn(gzip["capabilities"], (["isal"], ["zlib"]))

    def test_a_store_that_cannot_be_opened_is_an_error_of_what_needs_it(self):
        self.lade.ok("namespaces", "create", "one")
        self.assertEqual({p["status"] for p in self.lade.json("plugins", "ls", "type==io.containerd.metadata.v1")}, {"ok"})
        (self.lade.root / "meta.db").write_bytes(b"no database at all" * 1000)
        plugins = {plugin["id"]: plugin for plugin in self.lade.json("plugins", "ls")}
        self.assertEqual(plugins["sqlite"]["status"], "error")
        self.assertIn("meta.db", plugins["sqlite"]["reason"])
        self.assertEqual(plugins["zstd"]["status"], "ok")


if __name__ == "__main__":
    unittest.main()
