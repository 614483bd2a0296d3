"""Credentials: where they are found, who keeps them, and who is shown them."""

import base64
import fcntl
import json
import os
import pty
import select
import subprocess
import termios
import threading
import time

from support.broken import BrokenRegistry, RegistryCase, basic
from support.images import Image, Layer
from support.program import TIMEOUT, Case, need_root, need_tools
from support.registry import StockRegistry
from support.tokens import TokenServer

HELPER = """#!/bin/sh
# Keeps one file for each server, and tells what it was asked.
read -r input
echo "$1 $input" >> "$LADE_TEST_KEPT/asked"
server=$(printf %s "$input" | sed 's/.*"ServerURL":"\\([^"]*\\)".*/\\1/')
file="$LADE_TEST_KEPT/$(printf %s "$server" | tr / _)"
case "$1" in
get) [ -f "$file" ] && cat "$file" && exit 0; echo "credentials not found in native keychain"; exit 1 ;;
store) echo "$input" > "$file" ;;
erase) rm "$file" ;;
esac
"""


class Keys(Case):
    """A home of its own; nothing of the tester's environment leads out of it."""

    def setUp(self):
        super().setUp()
        self.home = self.scratch / "home"
        self.home.mkdir()
        self.auth = self.home / "run/containers/auth.json"
        self.lade.env.update(HOME=str(self.home), XDG_RUNTIME_DIR=str(self.home / "run"))

    def helper(self, name="fake", text=HELPER):
        """Puts docker-credential-NAME on PATH; returns where it keeps its files."""
        kept, folder = self.scratch / "kept", self.scratch / "bin"
        kept.mkdir(exist_ok=True)
        folder.mkdir(exist_ok=True)
        program = folder / f"docker-credential-{name}"
        program.write_text(text)
        program.chmod(0o755)
        self.lade.env.update(PATH=f"{folder}:{self.lade.env['PATH']}", LADE_TEST_KEPT=str(kept))
        return kept

    def write(self, path, value):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        return path

    def entry(self, user="me", password="secret"):
        return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}

    def login(self, registry, *more, password="secret", user=("-u", "me"), **also):
        command = self.lade.command("registry", "login", *user, "--password-stdin", *more, registry)
        done = subprocess.run(command, env={**self.lade.env, **also.get("env", {})}, input=password + "\n", capture_output=True, text=True, timeout=TIMEOUT)
        return type("Result", (), {"code": done.returncode, "out": done.stdout, "err": done.stderr})

    def pull(self, ref, *more, **also):
        return self.lade.run("images", "pull", "--no-unpack", "--progress", "none", "--retries", "0", *more, ref, **also)


def sample():
    return Image([Layer().file("f", "text"), Layer().file("g", "more"), Layer().file("h", "most")])


class StockBasic(Keys):
    def setUp(self):
        super().setUp()
        need_tools("skopeo")
        self.registry = StockRegistry(users={"me": "secret"}).start()
        self.addCleanup(self.registry.stop)
        self.ref = self.registry.push(sample().write_layout(self.scratch / "layout"), "t", "team/app:1", "--dest-creds", "me:secret")

    def skopeo(self, *args):
        return subprocess.run(["skopeo", *map(str, args)], capture_output=True, text=True, stdin=subprocess.DEVNULL, env={**os.environ, "HOME": str(self.home), "XDG_RUNTIME_DIR": str(self.home / "run")})

    def test_log_in_pull_log_out(self):
        self.fails(self.pull(self.ref), 7)
        done = self.login(self.registry.host)
        self.assertEqual(done.code, 0, done.err)
        self.assertEqual(done.out, f"logged in to {self.registry.host}, stored in {self.auth}\n")
        self.assertEqual(self.auth.stat().st_mode & 0o7777, 0o600)
        self.assertEqual(self.pull(self.ref).code, 0)
        self.assertEqual(self.lade.ok("registry", "logout", self.registry.host).out, f"logged out of {self.registry.host}, removed from {self.auth}\n")
        self.fails(self.lade.run("registry", "logout", self.registry.host), 3, "not logged in", self.registry.host)
        self.lade.ok("images", "rm", self.ref)
        self.fails(self.pull(self.ref), 7)

    def test_json(self):
        done = self.login(self.registry.host, "--json")
        self.assertEqual(json.loads(done.out), {"registry": self.registry.host, "stored": str(self.auth), "checked": True})
        self.assertEqual(self.lade.json("registry", "logout", self.registry.host), {"registry": self.registry.host, "removed": [str(self.auth)]})

    def test_a_wrong_password_stores_nothing(self):
        for more in ((), ("--refresh",)):
            done = self.login(self.registry.host, *more, password="hunter2")
            self.fails(done, 7, self.registry.host, "not accepted")
            self.assertNotIn("hunter2", done.err)
        self.assertFalse(self.auth.exists())
        self.fails(self.login(self.registry.host, "--refresh"), 5, "no refresh token")
        self.assertFalse(self.auth.exists())

    def test_skopeo_reads_what_lade_wrote_and_the_other_way_round(self):
        self.assertEqual(self.login(self.registry.host).code, 0)
        done = self.skopeo("inspect", "--tls-verify=false", f"docker://{self.ref}")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.lade.ok("registry", "logout", self.registry.host)
        self.assertNotEqual(self.skopeo("inspect", "--tls-verify=false", f"docker://{self.ref}").returncode, 0)
        self.skopeo("login", "--tls-verify=false", "-u", "me", "-p", "secret", self.registry.host)
        self.assertIn(self.registry.host, self.auth.read_text())
        self.assertEqual(self.pull(self.ref).code, 0)
        self.assertEqual(self.skopeo("logout", self.registry.host).returncode, 0)

    def test_podman_wrote_it(self):
        need_root()
        need_tools("podman")
        where = self.scratch / "podman.json"
        subprocess.run(
            ["podman", "--root", self.scratch / "p", "--runroot", self.scratch / "r", "login", "--tls-verify=false", "--authfile", where, "-u", "me", "--password-stdin", self.registry.host],
            input="secret", text=True, check=True, capture_output=True, env={**os.environ, "HOME": str(self.home)},
        )
        self.assertEqual(self.pull(self.ref, env={"REGISTRY_AUTH_FILE": str(where)}).code, 0)

    def test_credentials_of_a_namespace(self):
        self.write(self.auth, {"auths": {f"{self.registry.host}/other": self.entry(), self.registry.host: self.entry("me", "wrong")}})
        self.fails(self.pull(self.ref), 7, "not accepted")
        done = self.login(f"{self.registry.host}/team")
        self.assertEqual(done.code, 0, done.err)
        self.assertEqual(self.pull(self.ref).code, 0)
        self.assertIn(f"{self.registry.host}/team", json.loads(self.auth.read_text())["auths"])
        self.lade.ok("registry", "logout", f"{self.registry.host}/team")
        self.assertEqual(set(json.loads(self.auth.read_text())["auths"]), {f"{self.registry.host}/other", self.registry.host})

    def test_a_helper_keeps_them(self):
        kept = self.helper()
        config = self.write(self.home / ".docker/config.json", {"credHelpers": {self.registry.host: "fake"}, "auths": {self.registry.host: self.entry("me", "old")}})
        done = self.login(self.registry.host)
        self.assertEqual(done.code, 0, done.err)
        self.assertIn(f"docker-credential-fake, named in {config}", done.out)
        self.assertEqual(json.loads((kept / self.registry.host).read_text()), {"ServerURL": self.registry.host, "Username": "me", "Secret": "secret"})
        self.assertNotIn("secret", config.read_text())
        self.assertEqual(self.pull(self.ref).code, 0)
        self.assertIn("docker-credential-fake", self.lade.ok("registry", "logout", self.registry.host).out)
        self.assertFalse((kept / self.registry.host).exists())
        self.fails(self.pull(self.ref), 7)
        # Those of one namespace would never be asked for.
        self.fails(self.login(f"{self.registry.host}/team"), 5, "docker-credential-fake")

    def test_two_logins_at_once_lose_nothing(self):
        others = [BrokenRegistry() for _ in range(6)]
        for other in others:
            self.addCleanup(other.stop)
        results = []
        threads = [threading.Thread(target=lambda other=other: results.append(self.login(other.host))) for other in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([result.code for result in results], [0] * len(others))
        self.assertEqual(set(json.loads(self.auth.read_text())["auths"]), {other.host for other in others})


class Terminal(Keys):
    def test_the_password_is_asked_for_without_echo(self):
        registry = BrokenRegistry()
        self.addCleanup(registry.stop)
        registry.fault = lambda handler, path: handler.headers.get("Authorization") != basic("me", "secret") and handler.error(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        master, slave = pty.openpty()
        self.addCleanup(os.close, master)

        def own_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        process = subprocess.Popen(self.lade.command("registry", "login", registry.host), env=self.lade.env, stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_terminal)
        os.close(slave)
        self.addCleanup(process.kill)
        self.read_until(master, b"Username: ")
        os.write(master, b"me\n")
        self.read_until(master, b"Password: ")
        self.assertFalse(termios.tcgetattr(master)[3] & termios.ECHO)
        os.write(master, b"secret\n")
        shown = self.read_until(master, b"stored in")
        self.assertNotIn(b"secret", shown)
        self.assertEqual(process.wait(timeout=TIMEOUT), 0)
        self.assertEqual(json.loads(self.auth.read_text()), {"auths": {registry.host: self.entry()}})

    def read_until(self, master, word):
        data, deadline = b"", time.monotonic() + TIMEOUT
        while word not in data and time.monotonic() < deadline:
            if select.select([master], [], [], 0.1)[0]:
                data += os.read(master, 4096)
        self.assertIn(word, data)
        return data

    def test_without_a_terminal_it_must_be_said(self):
        for arguments, word in (((), "--user"), (("-u", "me"), "--password-stdin"), (("--refresh",), "--password-stdin"),
                                (("--password-stdin",), "--user"), (("-u", "me", "--password-stdin"), "nothing comes"),
                                (("-u", "me:secret", "--password-stdin"), "already")):
            with self.subTest(arguments):
                self.fails(self.lade.run("registry", "login", *arguments, "localhost:1"), 2, word)
        for place in ("me", "r.test/a:1", "r.test/a@b", "-", "https://", "a b.test"):
            with self.subTest(place):
                self.fails(self.lade.run("registry", "login", "-u", "me:secret", "--", place), 2)
        self.fails(self.lade.run("registry", "login", "-u", "me:hunter2", "--retries", "0", "localhost:1"), 6, "localhost:1")

    def test_a_registry_that_wants_none(self):
        registry = BrokenRegistry()
        self.addCleanup(registry.stop)
        done = self.lade.run("registry", "login", "-u", "me:secret", f"http://{registry.host}/v1/")
        self.assertEqual(done.code, 0, done.err)
        self.assertIn("could not be checked", done.err)
        self.assertTrue(all("Authorization" not in headers for _, _, headers in registry.requests))


class Places(Keys, RegistryCase):
    """Which of several places has the word."""

    def setUp(self):
        super().setUp()
        self.image = sample()
        self.ref = self.registry.add(self.image)
        self.seen = []

        def fault(handler, path):
            if "Authorization" not in handler.headers:
                return handler.error(401, headers={"WWW-Authenticate": 'Digest realm="d", nonce="n, Bearer", Basic realm="x"'})
            user = base64.b64decode(handler.headers["Authorization"].split()[1]).decode().split(":")[0]
            self.seen.append(user)
            return None

        self.registry.fault = fault

    def user(self, *more, **env):
        self.seen.clear()
        result = self.pull(self.ref, *more, env=env)
        self.assertEqual(result.code, 0, result.err)
        self.lade.ok("images", "rm", self.ref)
        (user,) = set(self.seen)
        return user

    def auths(self, user):
        return {"auths": {self.registry.host: self.entry(user)}}

    def test_the_order(self):
        self.fails(self.pull(self.ref), 7)
        self.write(self.home / ".docker/config.json", self.auths("docker"))
        self.assertEqual(self.user(), "docker")
        self.write(self.home / ".config/containers/auth.json", self.auths("config"))
        self.assertEqual(self.user(), "config")
        self.write(self.auth, self.auths("runtime"))
        self.assertEqual(self.user(), "runtime")
        self.write(self.scratch / "named/config.json", self.auths("named"))
        named = {"DOCKER_CONFIG": str(self.scratch / "named")}
        self.assertEqual(self.user(**named), "named")
        self.assertEqual(self.user(**named, DOCKER_AUTH_CONFIG=json.dumps(self.auths("text"))), "text")
        file = self.write(self.scratch / "file", self.auths("file"))
        self.assertEqual(self.user(**named, DOCKER_AUTH_CONFIG="{}", REGISTRY_AUTH_FILE=str(file)), "file")
        self.assertEqual(self.user("-u", "flag:x", REGISTRY_AUTH_FILE=str(file)), "flag")

    def test_what_cannot_be_read_is_an_error_when_it_is_needed(self):
        self.write(self.auth, "{broken hunter2")
        result = self.pull(self.ref)
        self.fails(result, 2, str(self.auth))
        self.assertNotIn("hunter2", result.err)
        self.fails(self.pull(self.ref, env={"DOCKER_AUTH_CONFIG": '{"auths": {}, "credsStore": "x"}'}), 2, "DOCKER_AUTH_CONFIG", "credsStore")
        self.registry.fault = None
        self.assertEqual(self.pull(self.ref).code, 0)

    def test_helpers_that_fail(self):
        config = self.home / ".docker/config.json"
        self.write(config, {"credsStore": "missing"})
        self.fails(self.pull(self.ref), 5, "docker-credential-missing", str(config))
        self.helper("locked", "#!/bin/sh\necho the keychain is locked; exit 1\n")
        self.write(config, {"credsStore": "locked"})
        self.fails(self.pull(self.ref), 5, "docker-credential-locked", "the keychain is locked")
        self.helper("leaky", "#!/bin/sh\necho '{\"Secret\": \"hunter2\"'\n")
        self.write(config, {"credsStore": "leaky"})
        result = self.pull(self.ref)
        self.fails(result, 2, "docker-credential-leaky")
        self.assertNotIn("hunter2", result.err)
        self.write(config, {"credsStore": "../../../bin/sh"})
        self.fails(self.pull(self.ref), 2, "credential helper")

    def test_a_helper_that_hangs_ends_with_us(self):
        started = self.scratch / "started"
        os.mkfifo(started)
        self.helper("slow", f"#!/bin/sh\necho $$ > {started}\nexec sleep 600\n")
        self.write(self.home / ".docker/config.json", {"credsStore": "slow"})
        process = self.lade.start("images", "pull", "--no-unpack", self.ref)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        pid = int(started.read_text())
        process.terminate()
        self.assertEqual(process.wait(timeout=TIMEOUT), -15)
        with self.assertRaises(ProcessLookupError):
            os.kill(pid, 0)

    def test_a_helper_is_told_the_server_alone_and_asked_once(self):
        kept = self.helper()
        self.write(kept / self.registry.host, {"ServerURL": self.registry.host, "Username": "kept", "Secret": "s"})
        self.write(self.home / ".docker/config.json", {"credsStore": "fake"})
        self.assertEqual(self.user(), "kept")
        self.assertEqual((kept / "asked").read_text(), f"get {self.registry.host}\n")


class Tokens(Keys):
    """The stock registry, and a server that signs its tokens."""

    def setUp(self):
        super().setUp()
        need_tools("openssl", "skopeo")
        self.server = TokenServer(self.scratch)
        self.addCleanup(self.server.stop)
        self.registry = StockRegistry(extra=self.server.config).start()
        self.addCleanup(self.registry.stop)
        layout = sample().write_layout(self.scratch / "layout")
        self.ref = self.registry.push(layout, "t", "team/app:1", "--dest-creds", "me:secret")
        self.server.asked.clear()

    def test_one_token_for_all_layers(self):
        self.assertEqual(self.login(self.registry.host).code, 0)
        self.server.asked.clear()
        result = self.pull(self.ref)
        self.assertEqual(result.code, 0, result.err)
        ((method, asked),) = self.server.asked
        self.assertEqual((method, asked["grant_type"], asked["scope"], asked["service"]), ("POST", "password", "repository:team/app:pull", "stock"))

    def test_a_wrong_password(self):
        done = self.login(self.registry.host, password="hunter2")
        self.fails(done, 7, self.server.host, "not accepted")
        self.assertNotIn("hunter2", done.err)
        self.assertFalse(self.auth.exists())
        self.fails(self.pull(self.ref), 7)

    def test_a_refresh_token_is_kept_instead_of_the_password(self):
        done = self.login(self.registry.host, "--refresh")
        self.assertEqual(done.code, 0, done.err)
        text = self.auth.read_text()
        entry = json.loads(text)["auths"][self.registry.host]
        self.assertEqual(entry["identitytoken"], "refresh-1")
        self.assertNotIn("secret", base64.b64decode(entry["auth"]).decode())
        self.server.asked.clear()
        self.assertEqual(self.pull(self.ref).code, 0)
        ((_, asked),) = self.server.asked
        self.assertEqual((asked["grant_type"], asked["refresh_token"]), ("refresh_token", "refresh-1"))

    def test_a_refresh_token_by_hand(self):
        self.assertEqual(self.pull(self.ref, "--refresh", "refresh-1").code, 0)
        self.lade.ok("images", "rm", self.ref)
        self.fails(self.pull(self.ref, "--refresh", "stale"), 7, "not accepted")
        self.assertEqual(self.login(self.registry.host, "--refresh", user=(), password="refresh-1").code, 0)
        self.assertEqual(self.pull(self.ref).code, 0)

    def test_a_helper_keeps_the_refresh_token(self):
        kept = self.helper()
        self.write(self.home / ".docker/config.json", {"credsStore": "fake"})
        self.assertEqual(self.login(self.registry.host, "--refresh").code, 0)
        self.assertEqual(json.loads((kept / self.registry.host).read_text())["Username"], "<token>")
        self.assertEqual(self.pull(self.ref).code, 0)


class Bearer(Keys, RegistryCase):
    """Token servers that are not what they should be."""

    def setUp(self):
        super().setUp()
        self.ref = self.registry.add(sample())
        self.tokens = BrokenRegistry()
        self.addCleanup(self.tokens.stop)
        self.good = {"t0"}
        self.realm = f"http://{self.tokens.host}/token"

        def fault(handler, path):
            if handler.headers.get("Authorization", "").removeprefix("Bearer ") not in self.good:
                return handler.error(401, headers={"WWW-Authenticate": f'Bearer realm="{self.realm}",service="reg",scope="repository:image:pull", Basic realm="x"'})
            return None

        self.registry.fault = fault

    def answers(self, *replies):
        """One after another, the last again and again; a number is a status."""
        left = list(replies)

        def fault(handler, path):
            with self.tokens.lock:
                reply = left.pop(0) if len(left) > 1 else left[0]
            if handler.command == "POST":
                handler.rfile.read(int(handler.headers["Content-Length"]))
            return handler.error(reply) if isinstance(reply, int) else handler.answer(200, json.dumps(reply).encode())

        self.tokens.fault = fault

    def test_a_failure_is_not_remembered(self):
        self.answers(503, {"token": "t0"})
        result = self.lade.run("images", "pull", "--no-unpack", "--progress", "none", "--retries", "2", self.ref)
        self.assertEqual(result.code, 0, result.err)
        self.assertEqual(self.tokens.count("GET", "/token"), 2)

    def test_a_token_that_is_refused_is_replaced_once(self):
        self.answers({"token": "stale"}, {"token": "t0"})
        self.fails(self.pull(self.ref), 7)
        self.answers({"token": "stale"})
        self.tokens.requests.clear()
        self.fails(self.pull(self.ref), 7)
        self.assertEqual(self.tokens.count("GET", "/token"), 1)

    def test_a_token_that_is_revoked_meanwhile_is_replaced(self):
        self.answers({"token": "t0", "expires_in": 3600}, {"token": "t1", "expires_in": 3600})
        inner = self.registry.fault

        def fault(handler, path):
            if "/blobs/" in path:
                self.good = {"t1"}
            return inner(handler, path)

        self.registry.fault = fault
        result = self.pull(self.ref)
        self.assertEqual(result.code, 0, result.err)
        self.assertEqual(self.tokens.count("GET", "/token"), 2)

    def test_a_token_server_on_another_site_sees_no_credentials(self):
        self.realm = f"http://localhost:{self.tokens.host.split(':')[1]}/token"
        server = self.realm.split("/")[2]
        self.answers({"token": "t0"})
        # A public image can be had all the same.
        self.assertEqual(self.pull(self.ref, "-u", "me:secret").code, 0)
        self.lade.ok("images", "rm", self.ref)
        self.good = {"never"}
        self.fails(self.pull(self.ref, "-u", "me:secret"), 7, server, "another site")
        self.fails(self.login(self.registry.host), 7, server, "another site")
        # An entry that it has of its own is not for this registry either.
        self.write(self.auth, {"auths": {self.registry.host: self.entry(), server: self.entry("other")}})
        self.fails(self.pull(self.ref), 7, server, "another site")
        for method, _, headers in self.tokens.requests:
            self.assertEqual(method, "GET")
            self.assertNotIn("Authorization", headers)
        self.good = {"t0"}
        done = self.login(self.registry.host, "--token-server", server)
        self.assertEqual(done.code, 0, done.err)
        self.assertEqual(set(json.loads(self.auth.read_text())["auths"]), {self.registry.host, server})
        self.tokens.requests.clear()
        self.assertEqual(self.pull(self.ref).code, 0)
        self.assertEqual([method for method, _, _ in self.tokens.requests], ["POST"])

    def test_a_registry_token_is_sent_as_it_is(self):
        self.write(self.auth, {"auths": {self.registry.host: {"registrytoken": "t0"}}})
        self.assertEqual(self.pull(self.ref).code, 0)
        self.assertEqual(self.tokens.requests, [])


class OrdinaryUser(Keys, RegistryCase):
    def test_a_helper_runs_as_the_user_and_not_in_a_namespace(self):
        need_root()
        need_tools("setpriv")
        first, rest = HELPER.split("\n", 1)
        kept = self.helper(text=f'{first}\necho "$(id -u) $(readlink /proc/self/ns/user)" > "$LADE_TEST_KEPT/who"\n{rest}')
        self.write(kept / self.registry.host, {"ServerURL": self.registry.host, "Username": "me", "Secret": "secret"})
        self.write(self.home / ".docker/config.json", {"credsStore": "fake"})
        self.registry.fault = lambda handler, path: handler.headers.get("Authorization") != basic("me", "secret") and handler.error(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        ref = self.registry.add(sample())
        for path in (self.scratch, *self.scratch.rglob("*")):
            os.chown(path, 12345, 12345)
        prefix = ("setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups")
        result = self.pull(ref, prefix=prefix)
        self.assertEqual(result.code, 0, result.err)
        self.assertEqual((kept / "who").read_text().split(), ["12345", os.readlink("/proc/self/ns/user")])
