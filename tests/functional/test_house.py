"""The house itself: rooms, packages, help, pages and completions agree with each other."""

import re
import subprocess
import unittest
from pathlib import Path

from support.program import Case

REPOSITORY = Path(__file__).resolve().parents[2]

# What a build asks for -> the Debian package that brings it.
PACKAGE_OF = {
    "CLI11": "libcli11-dev",
    "libcurl": "libcurl4-openssl-dev",
    "libcrypto": "libssl-dev",
    "sqlite3": "libsqlite3-dev",
    "nlohmann_json": "nlohmann-json3-dev",
    "tomlplusplus": "libtomlplusplus-dev",
    "libzstd": "libzstd-dev",
    "zlib": "zlib1g-dev",
    "libisal": "libisal-dev",
    "re2": "libre2-dev",
    "doctest": "doctest-dev",
    "threads": "g++",
}


# Every command of ctr's groups that concern images (not those that need a running container).
CTR = {
    f"{group} {command}"
    for group, names in {
        "images": "ls check pull push rm prune tag label inspect import export convert build-erofs-cache mount unmount usage",
        "content": "ls active get ingest edit rm label fetch fetch-object fetch-blob push-object",
        "snapshots": "ls tree info usage prepare view mounts commit rm label diff unpack",
        "leases": "ls create rm",
        "namespaces": "ls create label rm",
        "containers": "ls create info rm label checkpoint restore",
        "plugins": "ls inspect-runtime",
    }.items()
    for command in names.split()
} | {"content prune references", "events", "version", "info", "deprecations list", "oci spec"}


def commands(lade, path=()):
    """Every command with its long flags, from the help texts."""
    text = lade.ok(*path, "--help").out
    found = {path: set(re.findall(r"(--[a-z][a-z-]+)", text.split("Subcommands:")[0]))}
    if "Subcommands:" in text:
        for line in text.split("Subcommands:")[1].splitlines():
            if match := re.match(r"  ([a-z][a-z-]*)", line):
                found.update(commands(lade, (*path, match.group(1))))
    return found


class House(Case):
    def test_includes_go_only_where_the_architecture_allows(self):
        block = re.search(r"```rooms\n(.*?)```", (REPOSITORY / "ARCHITECTURE.md").read_text(), re.S).group(1)
        allowed = {}
        for line in block.splitlines():
            room, _, others = line.partition(":")
            allowed[room] = {room, *others.split()}
        rooms = {path.name for path in (REPOSITORY / "src").iterdir() if path.is_dir()}
        self.assertEqual(rooms | {"main"}, set(allowed))
        wrong = []
        for source in sorted((REPOSITORY / "src").rglob("*.[ch]pp")):
            room = source.relative_to(REPOSITORY / "src").parts[0].removesuffix(".cpp")
            for included in re.findall(r'^#include "([a-z]+)/', source.read_text(), re.M):
                if included not in allowed[room]:
                    wrong.append(f"{source.relative_to(REPOSITORY)} includes {included}")
        self.assertEqual(wrong, [])

    def test_each_library_has_one_door(self):
        doors = {"curl/": "registry/curl", "openssl/": ("oci/digest.cpp", "registry/client_offer.cpp"), "sqlite3.h": "meta/sqlite.cpp", "CLI/": ("cli/app.cpp", "cli/command.cpp", "cli/completion.cpp", "cli/foreign_command.cpp"), "zstd.h": "archive/", "zlib.h": "archive/", "isa-l": "archive/", "re2/": "base/filter", "toml++/": "registry/toml_file.hpp"}
        for source in sorted((REPOSITORY / "src").rglob("*.[ch]pp")):
            for header in re.findall(r"^#include <([^>]+)>", source.read_text(), re.M):
                for start, door in doors.items():
                    if header.startswith(start):
                        self.assertTrue(str(source.relative_to(REPOSITORY / "src")).startswith(door), f"{source}: {header}")

    def test_the_package_list_has_what_the_build_asks_for(self):
        wanted = set(re.findall(r"dependency\('([^']+)'", (REPOSITORY / "meson.build").read_text()))
        self.assertTrue(wanted)
        listed = set(subprocess.run([REPOSITORY / "scripts/deps", "list", "build"], capture_output=True, text=True, check=True).stdout.split())
        for name in wanted:
            self.assertIn(PACKAGE_OF[name], listed)
        self.assertLessEqual(listed - set(PACKAGE_OF.values()), {"meson", "ninja-build", "pkg-config"})

    def test_help_fits_80_columns(self):
        for path in commands(self.lade):
            for line in self.lade.ok(*path, "--help").out.splitlines():
                self.assertLessEqual(len(line), 80, f"{path}: {line}")

    def test_each_group_has_a_page_that_knows_its_commands_and_flags(self):
        folder = REPOSITORY / "man"
        self.assertEqual({p.name for p in folder.glob("*.1")}, set(re.findall(r"'(lade[a-z-]*\.1)'", (folder / "meson.build").read_text())))
        plain = {p.stem: re.sub(r"\\f.", "", p.read_text()).replace("\\-", "-") for p in folder.glob("*.1")}
        for path, flags in commands(self.lade).items():
            text = plain["lade"] + (plain.get(f"lade-{path[0]}", "") if path else "")
            for word in (*path, *flags):
                self.assertTrue(re.search(rf"(?<![\w-]){word}(?![\w-])", text), f"manual of {path}: {word}")

    def test_every_command_of_ctr_is_here_or_has_its_reason(self):
        page = (REPOSITORY / "man/lade-ctr.1").read_text().replace("\\-", "-")
        here = re.search(r"\.SH HERE\n\.nf\n(.*?)\.fi", page, re.S).group(1).splitlines()
        absent = re.split(r", |\n", "\n".join(re.findall(r"^\.TP\n(.*)$", page.split(".SH NOT HERE")[1].split(".SH FLAGS")[0], re.M)))
        self.assertEqual(CTR, set(here) | set(absent))
        self.assertIn(f"Of the {len(CTR)} commands that ctr has in these groups {len(here)} are here", page)
        existing = commands(self.lade)
        for command in here:
            self.assertIn(tuple(command.split()), existing)
        for command in absent:
            self.assertNotIn(tuple(command.split()), existing)

    def test_the_aliases_of_ctr(self):
        for words in ("i list", "image remove", "images del", "images delete", "images i", "content list", "content remove", "content del", "content delete", "snapshot list", "snapshots remove", "snapshots del", "snapshots delete", "snapshots m", "snapshots mount", "lease list", "leases remove", "leases del", "leases delete", "ns list", "namespace remove", "namespaces c", "c list", "container remove", "containers del", "containers delete", "plugin list", "event"):
            self.lade.ok(*words.split(), "--help")

    def complete(self, *words):
        """What bash offers after these words, the last of which is being typed."""
        script = self.scratch / "lade.bash"
        script.write_text(self.lade.ok("completion", "bash").out)
        typed = " ".join(f"'{word}'" for word in ("lade", *words))
        program = f'. "$1"; COMP_WORDS=({typed}); COMP_CWORD={len(words)}; _lade; printf "%s\\n" "${{COMPREPLY[@]}}"'
        return subprocess.run(["bash", "-c", program, "bash", script], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL).stdout.split()

    def test_completion_knows_every_command_and_flag(self):
        for path, flags in commands(self.lade).items():
            self.assertLessEqual(flags, set(self.complete(*path, "--")), path)
        self.assertEqual(self.complete("imag"), ["images"])
        self.assertEqual(self.complete("--namespace", "x", "i", "pul"), ["pull"])
        self.assertEqual(self.complete("images", "pull", "some/image", "--all-pl"), ["--all-platforms"])

    def test_completion_leaves_files_to_the_shell(self):
        for words in (("unshare",), ("images", "mount"), ("snapshots", "mount", "some")):
            self.assertEqual(self.complete(*words, ""), [])
        self.assertIn("mount", self.complete("images", ""))
        self.assertIn("images", self.complete(""))
        self.assertEqual(self.complete("snapshots", "--snapshotter", ""), ["btrfs", "erofs", "native", "overlayfs"])
        self.assertEqual(self.complete("images", "pull", "--progress", "p"), ["plain"])
        self.assertIn("application/vnd.oci.image.layer.v1.tar+zstd", self.complete("images", "commit", "--media-type", ""))
        self.assertEqual(self.complete("images", "pull", "--hel"), ["--help"])

    def test_completion_scripts_parse(self):
        for shell in ("bash", "zsh", "fish"):
            text = self.lade.ok("completion", shell).out
            self.assertIn("images pull\t", text)
            self.assertEqual(text.count("'") % 2, 0)

    def test_nothing_names_a_place_it_should_not(self):
        files = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True).stdout.split()
        for name in files:
            path = REPOSITORY / name
            if path.is_file() and name != "LICENSE":
                self.assertNotRegex(path.read_text(errors="replace"), r"/wor[k]/|TOD[O]|FIXM[E]", name)


if __name__ == "__main__":
    unittest.main()
