"""Mirrors and what hosts.toml says of them: who is asked, in which order, with what, and what they are not told."""

import json
import os
import socket
import ssl
import subprocess
import threading
import urllib.parse

from support.broken import BrokenRegistry, RegistryCase, basic
from support.elsewhere import Elsewhere, certificate
from support.faults import SHORT
from support.images import Image, Layer
from support.program import Case, need_root, need_tools
from support.registry import StockRegistry, free_port


class Hosts(RegistryCase):
    """A registry, a mirror of it, and a directory of hosts.toml."""

    def setUp(self):
        super().setUp()
        self.image = Image([Layer().file("f", "text"), Layer().file("big", os.urandom(300_000))])
        self.ref = self.registry.add(self.image)
        self.certs = self.scratch / "certs.d"
        self.certs.mkdir()
        self.mirror = self.serve()

    def serve(self, **how):
        registry = BrokenRegistry(**how)
        self.addCleanup(registry.stop)
        registry.add(self.image)
        return registry

    def write(self, text, domain=None):
        folder = self.certs / (domain or self.registry.host)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts.toml").write_text(text)
        return folder / "hosts.toml"

    def entry(self, registry=None, *fields, url=None):
        return f'[host."{url or "http://" + (registry or self.mirror).host}"]\n' + "\n".join(fields) + "\n"

    def pull(self, *more, **also):
        return self.lade.run(
            "images", "pull", "--no-unpack", "--progress", "none", "--hosts-dir", self.certs, *more, self.ref, **also
        )

    def pull_ok(self, *more, **also):
        result = self.pull(*more, **also)
        self.assertEqual(result.code, 0, result.err)
        self.assertEqual(self.lade.ingests(), [])
        return result

    def hosts(self, *more, **also):
        return self.lade.json("registry", "hosts", "--hosts-dir", self.certs, *more, self.ref, **also)

    def docker_config(self, auths):
        folder = self.scratch / "docker"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": basic(*login).removeprefix("Basic ")} for host, login in auths.items()}}))
        return {"DOCKER_CONFIG": str(folder)}


class Order(Hosts):
    def test_a_mirror_is_asked_and_nobody_else(self):
        self.write(self.entry())
        self.pull_ok()
        self.assertEqual(self.registry.requests, [])
        self.assertEqual(self.mirror.count("GET", "/blobs/"), 3)
        for _, path, _ in self.mirror.requests:
            self.assertEqual(urllib.parse.parse_qs(urllib.parse.urlsplit(path).query), {"ns": [self.registry.host]})

    def test_mirrors_are_asked_in_the_order_of_the_file(self):
        first, second = self.serve(), self.serve()
        self.mirror.manifests.clear()
        self.mirror.blobs.clear()
        self.write(f'host."http://{self.mirror.host}".capabilities = ["pull", "resolve"]\n' + self.entry(second) + self.entry(first))
        self.pull_ok()
        self.assertGreater(len(self.mirror.requests), 0)
        self.assertGreater(len(second.requests), 0)
        self.assertEqual(first.requests + self.registry.requests, [])

    def test_the_registry_has_what_the_mirror_has_not(self):
        for status in (404, 401, 403, 500, 429):
            with self.subTest(status):
                self.registry.requests.clear()
                self.mirror.fault = lambda handler, path, status=status: handler.error(status, "NO", "made to fail", {"Retry-After": "0"})
                self.write(self.entry())
                self.pull_ok("--retries", "1")
                self.assertEqual(self.registry.count("GET", "/blobs/"), 3)
                self.assertTrue(all("ns=" not in path for _, path, _ in self.registry.requests))
                self.lade.ok("images", "rm", self.ref)

    def test_a_blob_that_the_mirror_has_not_comes_from_the_registry(self):
        missing = self.image.layers[1]["digest"]
        del self.mirror.blobs[missing]
        self.write(self.entry())
        self.pull_ok()
        self.assertEqual([path.split("/")[-1] for method, path, _ in self.registry.requests if method == "GET"], [missing])

    def test_a_mirror_without_resolve_is_not_asked_for_the_tag(self):
        self.write(self.entry(None, 'capabilities = ["pull"]'))
        self.pull_ok()
        self.assertEqual([path for _, path, _ in self.mirror.requests if "latest" in path], [])
        self.assertEqual(self.mirror.count("GET", "/blobs/"), 3)
        self.assertEqual([method for method, _, _ in self.registry.requests], ["HEAD"])

    def test_another_server_stands_in_for_the_registry(self):
        self.write(f'server = "http://{self.mirror.host}"\n')
        self.pull_ok()
        self.assertEqual(self.registry.requests, [])
        self.mirror.manifests.clear()
        self.fails(self.pull(), 3, self.mirror.host)
        self.assertEqual(self.registry.requests, [])

    def test_hosts_that_may_do_nothing_that_is_needed(self):
        self.write(f'server = "http://{self.mirror.host}"\ncapabilities = ["push"]\n')
        self.fails(self.pull(), 3, self.ref, "no host")

    def test_a_reference_by_digest_may_name_a_blob_that_only_the_registry_has(self):
        digest = self.image.layers[0]["digest"]
        self.mirror.blobs.clear()
        self.write(self.entry())
        got = subprocess.run(
            self.lade.command("content", "fetch-blob", "--hosts-dir", self.certs, self.ref, digest),
            env=self.lade.env, capture_output=True, check=True, stdin=subprocess.DEVNULL,
        )
        self.assertEqual(got.stdout, self.image.blobs[digest])

    def test_override_path(self):
        self.write(self.entry(None, "override_path = true", url=f"http://{self.mirror.host}/some/where"))
        self.pull_ok()
        self.assertEqual(self.registry.requests, [])
        for _, path, _ in self.mirror.requests:
            self.assertTrue(path.startswith("/some/where/image/"), path)

    def test_a_path_without_override_path(self):
        self.write(self.entry(url=f"http://{self.mirror.host}/some/where"))
        self.pull_ok()
        for _, path, _ in self.mirror.requests:
            self.assertTrue(path.startswith("/some/where/v2/image/"), path)


class Stock(Case):
    def setUp(self):
        super().setUp()
        need_tools("skopeo")
        self.image = Image([Layer().file("f", "text")])
        self.image.write_layout(self.scratch / "layout")
        self.registry, self.mirror = StockRegistry(), StockRegistry()
        for one in (self.registry, self.mirror):
            self.addCleanup(one.stop)
            one.start()
        self.ref = f"{self.registry.host}/image:latest"
        folder = self.scratch / "certs.d" / "_default"
        folder.mkdir(parents=True)
        (folder / "hosts.toml").write_text(f'[host."http://{self.mirror.host}"]\n')

    def pull(self):
        return self.lade.run("images", "pull", "--no-unpack", "--progress", "none", "--hosts-dir", self.scratch / "certs.d", self.ref)

    def test_the_mirror_alone_has_it(self):
        self.mirror.push(self.scratch / "layout", "t", "image:latest")
        result = self.pull()
        self.assertEqual(result.code, 0, result.err)
        self.assertEqual(self.lade.json("images", "ls")[0]["name"], self.ref)

    def test_the_registry_alone_has_it(self):
        self.registry.push(self.scratch / "layout", "t", "image:latest")
        result = self.pull()
        self.assertEqual(result.code, 0, result.err)

    def test_nobody_has_it(self):
        self.fails(self.pull(), 3, self.ref, self.registry.host, self.mirror.host, "404")


class OutOfReach(Hosts):
    def test_a_mirror_that_refuses_connections(self):
        self.write(self.entry(url=f"http://127.0.0.1:{free_port()}"))
        self.pull_ok()

    def test_a_mirror_that_never_answers_is_asked_once(self):
        hung = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.addCleanup(hung.close)
        self.write(self.entry(url="http://127.0.0.1:%d" % hung.getsockname()[1]))
        self.pull_ok("--timeout", SHORT)
        hung.setblocking(False)
        hung.accept()[0].close()
        with self.assertRaises(BlockingIOError):
            hung.accept()

    def test_a_mirror_that_takes_no_connection_costs_its_dial_timeout(self):
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(full.close)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            self.addCleanup(one.close)
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        self.write(self.entry(None, 'dial_timeout = "200ms"', url="http://127.0.0.1:%d" % full.getsockname()[1]))
        self.pull_ok()

    def test_a_mirror_that_is_down_is_asked_last_when_nobody_else_answers(self):
        down = {"left": 1}

        def fault(handler, path):
            if down["left"] > 0:
                down["left"] -= 1
                return handler.error(503, "DOWN")
            return None

        self.mirror.fault = fault
        self.registry.fault = lambda handler, path: "/blobs/" in path and handler.error(503, "DOWN")
        self.write(self.entry())
        self.pull_ok("--retries", "0")
        self.assertEqual(self.mirror.count("GET", "/blobs/"), 3)
        self.assertEqual([method for method, path, _ in self.registry.requests if "/manifests/" in path], ["HEAD", "GET"])

    def test_all_are_named_and_the_worst_decides(self):
        dead = f"127.0.0.1:{free_port()}"
        for mirror, registry, code in ((None, 404, 3), (404, 401, 7), (404, 503, 6), (500, 404, 6), (None, 403, 7), (401, 404, 3)):
            with self.subTest((mirror, registry)):
                self.write(self.entry() if mirror else self.entry(url=f"http://{dead}"))
                self.mirror.fault = lambda handler, path, status=mirror: handler.error(status, "NO")
                self.registry.fault = lambda handler, path, status=registry: handler.error(status, "NO")
                self.fails(self.pull("--retries", "0"), code, self.registry.host, self.mirror.host if mirror else dead)

    def stall(self, registry, digest):
        """Its first answer stops in the middle and says no more."""
        over, first = threading.Event(), {"yes": True}
        self.addCleanup(over.set)

        def fault(handler, path):
            if handler.command == "GET" and path.endswith(digest) and first.pop("yes", False):
                body = self.image.blobs[digest]
                handler.send_response(200)
                handler.send_header("Content-Length", str(len(body)))
                handler.end_headers()
                handler.wfile.write(body[:150_000])
                handler.wfile.flush()
                over.wait(60)
                handler.close_connection = True
                return True
            return None

        registry.fault = fault

    def ranges(self, registry):
        return [headers["Range"] for _, _, headers in registry.requests if "Range" in headers]

    def test_a_body_that_stalls_on_a_mirror_goes_on_from_the_registry(self):
        self.stall(self.mirror, self.image.layers[1]["digest"])
        self.write(self.entry())
        self.pull_ok("--stall-timeout", SHORT, "--retries", "0")
        self.assertEqual(self.ranges(self.registry), ["bytes=150000-"])

    def test_a_reader_that_fails_is_no_reason_to_ask_others(self):
        self.write(self.entry())
        with open("/dev/full", "w") as full:
            got = subprocess.run(
                self.lade.command("content", "fetch-blob", "--hosts-dir", self.certs, self.ref, self.image.layers[1]["digest"]),
                env=self.lade.env, stdout=full, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
            )
        self.assertEqual(got.returncode, 9, got.stderr)
        self.assertEqual(self.registry.requests, [])

    def test_bad_times_are_refused(self):
        for flag in ("--timeout", "--stall-timeout"):
            for value in ("soon", "0", "-1s", "1000000h"):
                self.fails(self.pull(f"{flag}={value}"), 2, flag)


class Secrets(Hosts):
    def test_the_registrys_credentials_are_not_for_a_mirror(self):
        def ask(handler, path):
            if handler.headers.get("Authorization") != basic("me", "secret"):
                return handler.error(401, "UNAUTHORIZED", "login", {"WWW-Authenticate": 'Basic realm="x"'})
            return None

        self.write(self.entry())
        self.registry.fault = self.mirror.fault = ask
        config = self.docker_config({self.registry.host: ("me", "secret")})
        for how in ({"env": config}, {"args": ("-u", "me:secret")}):
            with self.subTest(how):
                self.pull_ok(*how.get("args", ()), env=how.get("env"))
                self.assertGreater(len(self.mirror.requests), 0)
                for _, _, headers in self.mirror.requests:
                    self.assertNotIn("Authorization", headers)
                self.assertEqual([one["credentials"] for one in self.hosts(env=config)], [False, True])
                self.lade.ok("images", "rm", self.ref)

    def test_nor_for_a_token_server_that_a_mirror_names(self):
        tokens = self.serve()
        tokens.fault = lambda handler, path: handler.answer(200, json.dumps({"token": "t0ken"}).encode())
        challenge = {"WWW-Authenticate": f'Bearer realm="http://{tokens.host}/token",service="x"'}
        self.mirror.fault = lambda handler, path: "Authorization" not in handler.headers and handler.error(401, "UNAUTHORIZED", "login", challenge)
        self.write(self.entry(None, 'header = { x-key = "s3cret" }'))
        self.pull_ok("-u", "me:secret")
        self.assertEqual(self.registry.requests, [])
        self.assertEqual({method for method, _, _ in tokens.requests}, {"GET"})
        for _, path, headers in tokens.requests:
            self.assertNotIn("Authorization", headers)
            self.assertNotIn("x-key", headers)
            self.assertNotIn("secret", path)

    def test_a_mirrors_own_entry_is_for_the_mirror(self):
        def ask(handler, path):
            if handler.headers.get("Authorization") != basic("mirror", "its own"):
                return handler.error(401, "UNAUTHORIZED", "login", {"WWW-Authenticate": 'Basic realm="x"'})
            return None

        self.mirror.fault = ask
        self.mirror.blobs.pop(self.image.layers[0]["digest"])
        self.write(self.entry())
        config = self.docker_config({self.mirror.host: ("mirror", "its own")})
        self.pull_ok("-u", "me:secret", env=config)
        self.assertEqual(self.registry.count("GET", "/blobs/"), 1)
        for _, _, headers in self.registry.requests:
            self.assertNotIn("Authorization", headers)
        self.assertEqual([one["credentials"] for one in self.hosts(env=config)], [True, False])

    def test_headers_are_for_their_host_alone(self):
        other = self.serve()
        several = []

        def fault(handler, path):
            several.append(handler.headers.get_all("x-key"))
            return path.endswith(self.image.layers[1]["digest"]) and handler.answer(307, b"", {"Location": f"http://{other.host}{path}"})

        self.mirror.fault = fault
        self.mirror.blobs.pop(self.image.layers[0]["digest"])
        self.write(self.entry(None, "[host.\"http://" + self.mirror.host + "\".header]", 'x-key = ["s3cret", "two"]', 'Authorization = "Basic xyz"', 'x-empty = ""'))
        self.pull_ok()
        for _, _, headers in self.mirror.requests:
            self.assertEqual((headers["Authorization"], headers["x-empty"]), ("Basic xyz", ""))
        self.assertEqual(several, [["s3cret", "two"]] * len(self.mirror.requests))
        self.assertGreater(len(other.requests), 0)
        self.assertGreater(len(self.registry.requests), 0)
        for _, _, headers in other.requests + self.registry.requests:
            self.assertEqual({"x-key", "Authorization", "x-empty"} & set(headers), set())
        shown = self.lade.ok("registry", "hosts", "--json", "--hosts-dir", self.certs, self.ref).out
        self.assertNotIn("s3cret", shown)
        self.assertNotIn("xyz", shown)
        self.assertIn("x-key", shown)


class Certificates(Hosts):
    def setUp(self):
        super().setUp()
        need_tools("openssl")
        self.cert, self.tls = certificate(self.scratch)
        self.key = self.scratch / "key.pem"

    def demanding(self, how=ssl.CERT_REQUIRED):
        """A context that wants a client's certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        context.load_verify_locations(self.cert)
        context.verify_mode = how
        return context

    def test_a_mirror_with_a_ca_of_its_own(self):
        mirror = self.serve(tls=self.tls)
        self.write(self.entry(url=f"https://{mirror.host}"))
        self.pull_ok()
        self.assertEqual(mirror.requests, [])
        self.assertGreater(len(self.registry.requests), 0)
        self.registry.requests.clear()
        self.lade.ok("images", "rm", self.ref)
        self.write(self.entry(None, f'ca = "{os.path.relpath(self.cert, self.certs / self.registry.host)}"', url=f"https://{mirror.host}"))
        self.pull_ok()
        self.assertEqual(self.registry.requests, [])

    def test_skip_verify_is_for_that_mirror(self):
        mirror = self.serve(tls=self.tls)
        self.write(self.entry(None, "skip_verify = true", url=f"https://{mirror.host}"))
        self.pull_ok()
        self.assertEqual(self.registry.requests, [])
        self.registry.requests.clear()
        self.lade.ok("images", "rm", self.ref)
        self.write(self.entry(url=f"https://{mirror.host}"))
        mirror.requests.clear()
        self.pull_ok("--skip-verify")
        self.assertEqual(mirror.requests, [], "the flag is about the registry itself")

    def test_client_certificates(self):
        mirror = self.serve(tls=self.demanding())
        both = self.scratch / "both.pem"
        both.write_text(self.cert.read_text() + self.key.read_text())
        for client in (f'client = [["{self.cert}", "{self.key}"]]', f'client = "{both}"', f'client = [["{both}", ""]]', ""):
            with self.subTest(client):
                self.write(self.entry(None, f'ca = "{self.cert}"', client, url=f"https://{mirror.host}"))
                self.registry.requests.clear()
                self.pull_ok("--retries", "0")
                self.assertEqual(len(self.registry.requests) == 0, bool(client))
                self.lade.ok("images", "rm", self.ref)

    def test_a_client_certificate_is_not_shown_to_whom_a_redirect_names(self):
        shown = []
        other = self.serve(tls=self.demanding(ssl.CERT_OPTIONAL))
        other.fault = lambda handler, path: shown.append(handler.connection.getpeercert(True))
        mirror = self.serve(tls=self.demanding())
        mirror.fault = lambda handler, path: "/blobs/" in path and handler.answer(307, b"", {"Location": f"https://{other.host}{path}"})
        self.write(self.entry(None, f'ca = "{self.cert}"', f'client = [["{self.cert}", "{self.key}"]]', url=f"https://{mirror.host}"))
        self.pull_ok()
        self.assertEqual(shown, [None] * 3)
        self.assertEqual(self.registry.requests, [])

    def test_dockers_certificates_alone(self):
        registry = self.serve(tls=self.demanding())
        self.ref = f"{registry.host}/image:latest"
        folder = self.certs / registry.host
        folder.mkdir(parents=True)
        (folder / "ca.crt").write_text(self.cert.read_text())
        (folder / "client.cert").write_text(self.cert.read_text())
        self.fails(self.pull(), 2, "client.cert", "client.key")
        (folder / "client.key").write_text(self.key.read_text())
        self.pull_ok()
        host, = self.hosts()
        self.assertEqual((host["ca"], host["source"]), ([str(folder / "ca.crt")], str(folder)))

    def test_a_login_goes_by_the_registrys_own_table(self):
        registry = self.serve(tls=self.demanding())
        registry.fault = lambda handler, path: handler.headers.get("Authorization") != basic("me", "secret") and handler.error(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        login = ("registry", "login", "-u", "me:secret", "--hosts-dir", self.certs, registry.host)
        env = {"REGISTRY_AUTH_FILE": str(self.scratch / "auth.json")}
        mirrors = self.entry()
        self.write(f'ca = "{self.cert}"\n' + mirrors, registry.host)
        self.assertNotEqual(self.lade.run(*login, env=env).code, 0)
        self.write(f'ca = "{self.cert}"\nclient = [["{self.cert}", "{self.key}"]]\nheader.x-key = "7"\n' + mirrors, registry.host)
        self.lade.ok(*login, env=env)
        self.assertEqual({headers.get("x-key") for _, _, headers in registry.requests}, {"7"})
        self.assertEqual(self.mirror.requests, [])
        mirror, own = self.lade.json("registry", "hosts", "--hosts-dir", self.certs, f"{registry.host}/image", env=env)
        self.assertEqual((mirror["credentials"], own["credentials"]), (False, True))

    def test_another_ca_does_not_do(self):
        (self.scratch / "other").mkdir()
        wrong, _ = certificate(self.scratch / "other")
        registry = self.serve(tls=self.tls)
        self.ref = f"{registry.host}/image:latest"
        self.write(f'ca = "{wrong}"\n', registry.host)
        self.fails(self.pull("--retries", "0"), 5, registry.host, "certificate")
        self.assertEqual([r for r in registry.requests if r[0] != "PRI"], [])


class RemoteCertificates(Case):
    def test_a_ca_is_added_to_those_of_the_machine(self):
        need_root()
        need_tools("openssl", "ip", "nsenter")
        elsewhere = Elsewhere()
        self.addCleanup(elsewhere.stop)
        image = Image([Layer().file("f", "text")])
        made = []
        for address in Elsewhere.addresses[:2]:
            folder = self.scratch / address
            folder.mkdir()
            cert, tls = certificate(folder)
            registry = elsewhere.call(lambda address=address, tls=tls: BrokenRegistry(address, tls))
            self.addCleanup(registry.stop)
            registry.add(image)
            made.append((cert, registry))
        (known, registry), (private, storage) = made
        registry.fault = lambda handler, path: "/blobs/" in path and handler.answer(307, b"", {"Location": f"https://{storage.host}{path}"})
        folder = self.scratch / "certs.d" / "_default"
        folder.mkdir(parents=True)

        def pull():
            return self.lade.run("images", "pull", "--no-unpack", "--progress", "none", "--retries", "0", "--hosts-dir", folder.parent,
                                 f"{registry.host}/image:latest", env={"SSL_CERT_FILE": str(known)}, prefix=elsewhere.prefix)

        self.fails(pull(), 5, storage.host, "certificate")
        (folder / "hosts.toml").write_text(f'ca = "{private}"\n')
        result = pull()
        self.assertEqual(result.code, 0, result.err)


class Files(Hosts):
    def test_what_is_wrong_is_told_with_its_line(self):
        certificate = self.scratch / "good.pem"
        certificate.write_text("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n")
        for text, line, word in (
            ("server = \n", 1, "hosts.toml"),
            ('\n[host."a"]\nskip_verify = "no"\n', 3, "skip_verify"),
            ('capabilities = ["pull", "fly"]\n', 1, "fly"),
            ('[host."http://a:x"]\n', 1, "http://a:x"),
            ('[host."ftp://b"]\n', 1, '"ftp://b" is no http or https URL'),
            ('server = "file:///etc"\n', 1, "file:///etc"),
            ('skip_verify = true\n[host."https://me:s3cret@b.example/x"]\n', 2, "the URL of b.example has a user in it"),
            ('server = "me:s3cret@b.example"\n', 1, "the URL of b.example has a user in it"),
            ('\nca = "none.pem"\n', 2, "none.pem"),
            ('[host."https://b.example"]\nca = [\n  "CERT",\n  "none.pem",\n]\n', 4, "none.pem"),
            ('[host."https://b.example"]\nskip_verify = false\nclient = [["CERT", "none.pem"]]\n', 3, "none.pem"),
            ('[host."b.example"]\n[host."b.example".header]\nx = "y"\n[host."b.example"]\n', 4, '[host."b.example"] is there twice, first in line 1'),
            ('[host."b.example"]\n[host."c.example"]\n[host."b.example"]\nca = "x"\n', 3, '[host."b.example"] is there twice, first in line 1'),
            ('host."b.example".ca = "x"\n[host."b.example"]\nskip_verify = true\n', 2, '[host."b.example"] is there twice'),
            ('capabilities = ["pull"]\nca = "x"\ncapabilities = ["push"]\n', 3, "capabilities is there twice, first in line 1"),
        ):
            with self.subTest(text):
                path = self.write(text.replace("CERT", str(certificate)))
                result = self.pull()
                self.fails(result, 3 if "none.pem" in text else 2, f"{path}:{line}: ", word)
                self.assertNotIn("s3cret", result.err)
                self.fails(self.lade.run("registry", "hosts", "--hosts-dir", self.certs, self.ref), result.code, word)
        self.assertEqual(self.registry.requests, [])

    def test_a_key_that_nobody_knows_is_told_of(self):
        path = self.write("\nsever = \"x\"\n" + self.entry())
        result = self.pull_ok()
        warning = f'warning: {path}:2: "sever"'
        self.assertIn(warning, result.err)
        for command in (("content", "fetch-object"), ("registry", "hosts")):
            self.assertIn(warning, self.lade.ok(*command, "--hosts-dir", self.certs, self.ref).err)

    def test_flags_for_a_registry_that_another_host_stands_in_for(self):
        path = self.write(f'skip_verify = false\nserver = "http://{self.mirror.host}"\n')
        env = self.docker_config({})
        result = self.pull_ok("-u", "me:s3cret", env=env)
        warning = f"lade: warning: {path}:2: {self.mirror.host} stands in for {self.registry.host}, so --user has no effect"
        self.assertEqual(result.err.count(warning), 1, result.err)
        self.assertEqual(result.err.count("has no effect"), 1)
        self.assertNotIn("s3cret", result.err)
        pem = self.scratch / "good.pem"
        pem.write_text("-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n")
        both = self.lade.ok("registry", "hosts", "--hosts-dir", self.certs, "--tlscacert", pem, "--tlscert", pem, "--tlskey", pem, self.ref, env=env).err
        self.assertIn("--tlscacert and --tlscert have no effect", both)
        for flags in ((), ("--plain-http",)):
            self.assertNotIn("no effect", self.pull_ok(*flags, env=env).err)
        # The registry itself, and mirrors of it.
        self.write(self.entry() + f'[host."http://{self.registry.host}"]\n')
        self.assertNotIn("no effect", self.pull_ok("-u", "me:s3cret", env=env).err)

    def test_a_directory_that_is_not_there_is_no_configuration_to_go_by(self):
        self.certs.rmdir()
        self.fails(self.pull(), 3, str(self.certs))
        self.fails(self.lade.run("registry", "login", "-u", "a:b", "--hosts-dir", self.certs, self.registry.host), 3, str(self.certs))
        self.certs.write_text("")
        self.fails(self.pull(), 5, str(self.certs))
        self.assertEqual(self.registry.requests, [])

    def test_a_file_that_cannot_be_read(self):
        self.write("").unlink()
        (self.certs / self.registry.host / "hosts.toml").mkdir()
        self.assertNotEqual(self.pull().code, 0)

    def test_the_places_of_containerd_and_docker_are_looked_at_without_a_flag(self):
        need_root()
        etc = self.scratch / "etc"
        for place in ("docker", "containerd"):
            with self.subTest(place):
                folder = etc / place / "certs.d" / self.registry.host
                folder.mkdir(parents=True)
                (folder / "hosts.toml").write_text(self.entry(url=f"http://{place}.invalid"))
                prefix = ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc && exec "$@"', str(etc))
                hosts = self.lade.ok("registry", "hosts", "--json", self.ref, prefix=prefix).json()
                self.assertEqual(hosts[0]["source"], f"/etc/{place}/certs.d/{self.registry.host}/hosts.toml:1")
                self.assertEqual(hosts[0]["url"], f"http://{place}.invalid/v2")

    def test_registry_hosts(self):
        path = self.write(
            'skip_verify = true\n[host."https://mirror.example/x"]\ncapabilities = ["pull"]\nheader.x = "y"\ndial_timeout = "2s"\n'
        )
        mirror, registry = self.hosts()
        self.assertEqual(
            mirror,
            {
                "url": "https://mirror.example/x/v2", "capabilities": ["pull"], "registry": False, "verify": True, "triesHttps": False, "ca": [],
                "client": [], "headers": ["x"], "namespace": self.registry.host, "credentials": False, "source": f"{path}:2", "dialTimeoutMs": 2000,
            },
        )
        self.assertEqual((registry["url"], registry["registry"], registry["triesHttps"], registry["namespace"]), (f"http://{self.registry.host}/v2", True, True, ""))
        lines = self.lade.ok("registry", "hosts", "--hosts-dir", self.certs, self.ref).out.splitlines()
        self.assertEqual(lines[0].split(), ["URL", "CAPABILITIES", "TLS", "CREDENTIALS", "SOURCE"])
        self.assertEqual(lines[1].split(), ["https://mirror.example/x/v2", "pull", "verified", "no", f"{path}:2"])
        self.assertEqual(self.registry.requests, [])

    def test_without_any_configuration(self):
        host, = self.lade.json("registry", "hosts", "--hosts-dir", self.certs, "alpine")
        self.assertEqual((host["url"], host["source"], host["capabilities"]), ("https://registry-1.docker.io/v2", "", ["pull", "resolve", "push", "referrers"]))
        self.fails(self.lade.run("registry", "hosts", "--hosts-dir", self.certs, "A//b"), 2, "A//b")
        self.assertFalse(self.lade.root.exists())
