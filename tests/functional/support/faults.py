"""What the tests of misbehaving registries share: a registry that wants a login, which nobody else may learn of, and what
must hold whatever a registry did."""

import json
import os
import re
import shutil
import threading

from support.broken import BrokenRegistry, RegistryCase, basic
from support.images import Image, Layer
from support.invariants import violations
from support.program import SANITIZED

DEADLINE = 120 if SANITIZED else 30  # seconds, generous: no command of these tests may hang
SHORT = "3s" if SANITIZED else "500ms"  # as a limit that is meant to be reached


class FaultCase(RegistryCase):
    """The registry at `ref` wants a login, which lade has from a file. `rule`, a function of the handler and the path, makes
    it misbehave behind that login; `registry.fault` makes it do so before. After each test nobody else that was made by
    other() has seen anything secret, nothing lies about, and the same store pulls from the registry, which has recovered."""

    user, secret, token = "me", "s3cret-of-the-registry", "t0ken-of-the-registry"

    def setUp(self):
        super().setUp()
        self.image = Image([Layer().file("f", "text"), Layer().file("big", os.urandom(300_000))])
        self.ref = self.registry.add(self.image)
        self.digest = self.image.layers[1]["digest"]
        self.body = self.image.blobs[self.digest]
        self.rule, self.others, self.over = None, [], threading.Event()
        self.addCleanup(self.over.set)
        self.registry.fault = self.guard
        self.temporary, self.certs = self.scratch / "tmp", self.scratch / "certs.d"
        self.temporary.mkdir()
        docker = self.scratch / "docker"
        docker.mkdir()
        (docker / "config.json").write_text(json.dumps({"auths": {self.registry.host: {"auth": self.login.removeprefix("Basic ")}}}))
        self.lade.env.update(TMPDIR=str(self.temporary), DOCKER_CONFIG=str(docker))

    @property
    def login(self):
        return basic(self.user, self.secret)

    def guard(self, handler, path):
        if handler.headers.get("Authorization") != self.login:
            return handler.error(401, "UNAUTHORIZED", "login needed", {"WWW-Authenticate": 'Basic realm="x"'})
        return self.rule and self.rule(handler, path)

    def other(self, rule=None, **how):
        """Somebody else, with the same image, who is not meant to know of the login."""
        other = BrokenRegistry(**how)
        self.addCleanup(other.stop)
        other.add(self.image)
        other.fault = rule
        self.others.append(other)
        return other

    def mirror(self, rule=None):
        """One that is asked first."""
        mirror = self.other(rule)
        self.hosts(f'[host."http://{mirror.host}"]\n')
        return mirror

    def hosts(self, text):
        folder = self.certs / self.registry.host
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts.toml").write_text(text)

    # What misbehaves.

    def on_manifest(self, action, times=None):
        """`action` answers requests for the manifest, HEAD too; only so often if `times` is given."""
        self.on(lambda handler, path: "/manifests/" in path, action, times)

    def on_layer(self, action, times=None):
        """`action` answers requests for the body of the larger layer."""
        self.on(lambda handler, path: path.endswith(self.digest) and handler.command == "GET", action, times)

    def on(self, wanted, action, times=None):
        left = [times]

        def rule(handler, path):
            if not wanted(handler, path) or left[0] == 0:
                return None
            if left[0] is not None:
                left[0] -= 1
            return action(handler)

        self.rule = rule

    # What comes of it.

    def pull(self, *more, ref=None, unpack=False):
        where = ("--hosts-dir", self.certs) if self.certs.exists() else ()
        often = () if "--retries" in more else ("--retries", "2")
        flags = (*(() if unpack else ("--no-unpack",)), "--progress", "none", *often, *where, *more)
        return self.lade.run("images", "pull", *flags, ref or self.ref, timeout=DEADLINE)

    def pull_ok(self, *more, **also):
        """Unpacked behind the downloads, where that is possible."""
        result = self.pull(*more, unpack=os.geteuid() == 0, **also)
        self.assertEqual(result.code, 0, result.err)
        self.assertEqual(self.lade.ingests(), [])
        self.assertEqual({one["kind"] for one in self.lade.json("snapshots", "ls")} - {"committed"}, set())
        self.assertEqual((self.lade.root / "content/blobs/sha256" / self.digest.removeprefix("sha256:")).read_bytes(), self.body)
        return result

    def pull_fails(self, code, *words, flags=(), ref=None):
        """One line that can be shown."""
        result = self.pull(*flags, ref=ref)
        self.fails(result, code, *words)
        self.assertNotRegex(result.err, r"[^\n -~]")
        return result

    def ranges(self):
        """Where the requests for the larger layer began."""
        asked = [headers.get("Range", "bytes=0-") for method, path, headers in self.registry.requests if method == "GET" and path.endswith(self.digest)]
        return [int(re.match(r"bytes=(\d+)-", wanted)[1]) for wanted in asked]

    # What holds after all of it.

    def tearDown(self):
        self.assert_nobody_else_knows()
        self.assert_nothing_lies_about()
        super().tearDown()

    def secrets(self):
        return (self.secret, self.login.removeprefix("Basic "), self.token)

    def assert_nobody_else_knows(self):
        for other in self.others:
            for method, path, headers in other.requests:
                self.assertIn(method, ("GET", "HEAD"))
                for secret in self.secrets():
                    self.assertNotIn(secret, path + "".join(headers) + "".join(headers.values()))
                self.assertEqual({"authorization", "cookie"} & {name.lower() for name in headers}, set())

    def assert_nothing_lies_about(self):
        self.assertEqual(os.listdir(self.temporary), [])
        if self.lade.root.exists():
            self.assertEqual(violations(self.lade.root, collected=False), [])
        self.registry.fault, self.rule = self.guard, None
        shutil.rmtree(self.certs, ignore_errors=True)
        self.pull_ok()
        self.lade.ok("gc")
        self.assertEqual(violations(self.lade.root), [])
        for path in self.lade.root.rglob("*"):
            if path.is_file():
                for secret in self.secrets():
                    self.assertNotIn(secret.encode(), path.read_bytes(), path)
