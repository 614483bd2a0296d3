"""Pushing: what arrives, what is not sent twice, who is told what, and registries that fail half-way."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import threading
import urllib.parse

from support.broken import BrokenRegistry, basic
from support.faults import DEADLINE, SHORT
from support.images import DOCKER, OCI, Image, Layer, digest, index_of
from support.program import Case, need_root, need_tools
from support.proxy import Proxy
from support.registry import StockRegistry
from support.tokens import TokenServer
from support.tools import Containerd
from support.writable import WritableRegistry

MIB = 1 << 20


def noise(size):
    """A layer that does not compress."""
    return Layer().file("noise", os.urandom(size))


class Pushing(Case):
    def push(self, *args, **more):
        return self.lade.run("images", "push", "--progress", "none", *args, **more)

    def pulled(self, registry, image, tag="latest", *flags, name="image"):
        """Pulls an image of `registry` into the store; returns its reference there."""
        ref = registry.add(image, tag) if isinstance(registry, BrokenRegistry) else registry.push(image.write_layout(self.scratch / f"layout-{tag}", tag), tag, f"{name}:{tag}")
        self.lade.ok("images", "pull", "--no-unpack", "--progress", "none", *flags, ref)
        return ref

    def source(self, image, *flags):
        """An image in the store, from a registry that is gone."""
        registry = WritableRegistry()
        ref = self.pulled(registry, image, "latest", *flags)
        registry.stop()
        return ref


class Stock(Pushing):
    """The stock registry, and what others read from it."""

    def setUp(self):
        super().setUp()
        need_tools("skopeo")
        self.registry = StockRegistry().start()
        self.addCleanup(self.registry.stop)

    def skopeo(self, *args, **more):
        done = subprocess.run(["skopeo", *map(str, args)], capture_output=True, text=True, stdin=subprocess.DEVNULL, env={**os.environ, "HOME": str(self.scratch)}, **more)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_skopeo_reads_what_was_pushed(self):
        for kind, compression in (("oci", "gzip"), ("oci", "zstd"), ("docker", "gzip"), ("docker", "plain")):
            with self.subTest(kind=kind, compression=compression):
                image = Image([Layer().file("f", kind + compression), noise(300_000)], kind=kind, compression=compression)
                source = self.source(image)
                ref = f"{self.registry.host}/a/b:{kind}-{compression}"
                self.assertEqual(self.push(ref, source).out, f"{ref}@{image.root}\n")
                raw = self.skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{ref}")
                self.assertEqual(digest(raw.encode()), image.root)
                copied = self.scratch / f"dir-{kind}-{compression}"
                self.skopeo("copy", "--quiet", "--src-tls-verify=false", f"docker://{ref}", f"dir:{copied}")
                for layer in image.layers:
                    self.assertEqual(digest((copied / layer["digest"].split(":")[1]).read_bytes()), layer["digest"])

    def test_an_index_and_back(self):
        images = [Image([Layer().file("f", name), noise(1000)], architecture=name) for name in ("amd64", "arm64")]
        whole = index_of(images)
        source = self.source(whole, "--all-platforms")
        ref = f"{self.registry.host}/multi:1"
        answer = self.lade.json("images", "push", "--progress", "none", ref, source)
        self.assertEqual(answer["target"]["digest"], whole.root)
        self.assertEqual((answer["uploaded"], answer["existed"]), (9, 0))
        other = type(self.lade)(self.scratch / "other")
        self.assertEqual(other.json("images", "pull", "--all-platforms", "--progress", "none", ref)["target"]["digest"], whole.root)
        self.assertEqual({b["digest"] for b in self.lade.json("content", "ls")}, {b["digest"] for b in other.json("content", "ls")})

    def test_pieces_and_what_is_there_already(self):
        image = Image([noise(3 * MIB), noise(100)], compression="plain")
        source = self.source(image)
        ref = f"{self.registry.host}/pieces:1"
        self.assertEqual(self.push("--chunk-size", "1MiB", ref, source).code, 0)
        self.assertEqual(digest(self.skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{ref}").encode()), image.root)
        answer = self.lade.json("images", "push", "--progress", "none", ref, source)
        self.assertEqual((answer["uploaded"], answer["mounted"], answer["existed"]), (0, 0, 4))
        # The store remembers where it was pushed to: another repository there is served from that one.
        answer = self.lade.json("images", "push", "--progress", "none", f"{self.registry.host}/else/where:2", source)
        self.assertEqual((answer["uploaded"], answer["mounted"], answer["existed"]), (1, 3, 0))
        self.skopeo("copy", "--quiet", "--src-tls-verify=false", f"docker://{self.registry.host}/else/where:2", f"dir:{self.scratch}/mounted")

    def test_a_piece_that_is_cut(self):
        """This registry does not know its upload any more after a PATCH that was cut: all of the blob goes again, once, and what
        it has of the first upload is its own to purge."""
        image = Image([noise(6 * MIB)], compression="plain")
        source = self.source(image)
        proxy = Proxy(self.registry.host, cut_up=3 * MIB + MIB // 2, cuts=1).start()
        self.addCleanup(proxy.stop)
        result = self.push("--uploads", "1", "--chunk-size", "1MiB", f"{proxy.host}/cut:1", source)
        self.assertEqual(result.code, 0, result.err)
        self.assertEqual(proxy.severed, 1)
        self.skopeo("copy", "--quiet", "--src-tls-verify=false", f"docker://{self.registry.host}/cut:1", f"dir:{self.scratch}/cut")
        size = sum(len(blob) for blob in image.blobs.values())
        self.assertLess(proxy.taken, proxy.cut_up + size + MIB // 4)
        left = list((self.registry.scratch / "data").glob("**/_uploads/*"))
        self.assertLessEqual(len(left), 1)

    def test_its_own_name_and_a_digest(self):
        image = Image([Layer().file("f", "text")])
        source = self.source(image)
        ref = f"{self.registry.host}/own:1"
        self.lade.ok("images", "tag", source, ref)
        self.assertEqual(self.push(ref).out, f"{ref}@{image.root}\n")
        self.assertEqual(self.push(f"{self.registry.host}/own@{image.root}", ref).code, 0)
        self.fails(self.push(f"{self.registry.host}/own@sha256:{'0' * 64}", ref), 2, image.root)

    def test_ctr_reads_it_and_we_read_what_ctr_pushes(self):
        need_root()
        need_tools("containerd", "ctr")
        image = Image([Layer().file("f", "text"), noise(1000)])
        ref = f"{self.registry.host}/ctr:1"
        self.assertEqual(self.push(ref, self.source(image)).code, 0)
        daemon = Containerd(self.scratch / "containerd")
        self.addCleanup(daemon.close)
        back = f"{self.registry.host}/back:1"
        for command in (["content", "fetch", "--plain-http", ref], ["images", "push", "--plain-http", back, ref]):
            daemon.ctr(*command)
        other = type(self.lade)(self.scratch / "other")
        self.assertEqual(other.json("images", "pull", "--no-unpack", "--progress", "none", back)["target"]["digest"], image.root)


class Logins(Pushing):
    def test_basic(self):
        need_tools("htpasswd", "skopeo")
        line = subprocess.run(["htpasswd", "-Bbn", "me", "secret"], capture_output=True, text=True, check=True).stdout
        (self.scratch / "htpasswd").write_text(line)
        registry = StockRegistry(extra=f"auth: {{htpasswd: {{realm: x, path: {self.scratch}/htpasswd}}}}\n").start()
        self.addCleanup(registry.stop)
        source = self.source(Image([Layer().file("f", "text")]))
        ref = f"{registry.host}/app:1"
        self.fails(self.push(ref, source), 7, registry.host, "push access denied")
        wrong = self.push("-u", "me:hunter2", ref, source)
        self.fails(wrong, 7, "not accepted")
        self.assertNotIn("hunter2", wrong.err)
        self.assertEqual(self.push("-u", "me:secret", ref, source).code, 0)

    def test_a_token_server_is_asked_for_what_is_needed(self):
        need_tools("openssl", "skopeo")
        tokens = TokenServer(self.scratch)
        self.addCleanup(tokens.stop)
        registry = StockRegistry(extra=tokens.config).start()
        self.addCleanup(registry.stop)
        source = self.source(Image([noise(1000), noise(2000), noise(3000)]))
        self.fails(self.push(f"{registry.host}/team/app:1", source), 7, registry.host)
        tokens.asked.clear()
        answer = self.lade.json("images", "push", "--progress", "none", "-u", "me:secret", f"{registry.host}/team/app:1", source)
        self.assertEqual(answer["uploaded"], 5)
        # One for all, and one more for what might be mounted: where it was pulled from is a host of the same name.
        self.assertLessEqual(len(tokens.asked), 2)
        for _, asked in tokens.asked:
            self.assertIn("repository:team/app:pull,push", asked["scope"])
        # From where it was pushed to: one more token, for both.
        tokens.asked.clear()
        answer = self.lade.json("images", "push", "--progress", "none", "-u", "me:secret", f"{registry.host}/team/other:1", source)
        self.assertEqual((answer["uploaded"], answer["mounted"]), (1, 4))
        self.assertIn("repository:team/app:pull", tokens.asked[-1][1]["scope"])
        self.assertLessEqual(len(tokens.asked), 3)


class MountTokens(Pushing):
    """A registry whose tokens say what they are for."""

    def setUp(self):
        super().setUp()
        self.tokens, self.registry = BrokenRegistry(), WritableRegistry()
        for one in (self.tokens, self.registry):
            self.addCleanup(one.stop)
        self.tokens.fault = self.token
        self.registry.fault = self.guard

    def token(self, handler, path):
        scopes = urllib.parse.parse_qs(urllib.parse.urlsplit(handler.path).query).get("scope", [])
        return handler.answer(200, json.dumps({"token": base64.urlsafe_b64encode(json.dumps(scopes).encode()).decode()}).encode())

    def guard(self, handler, path):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(handler.path).query)
        needed = {"repository:target:pull,push", *(f"repository:{name}:pull" for name in query.get("from", []))}
        shown = handler.headers.get("Authorization", "").removeprefix("Bearer ")
        scopes = set(json.loads(base64.urlsafe_b64decode(shown))) if shown else set()
        if needed <= scopes:
            return None
        challenge = f'Bearer realm="http://{self.tokens.host}/token",service="x",scope="{" ".join(sorted(needed))}"'
        return handler.error(401, "UNAUTHORIZED", "token needed", {"WWW-Authenticate": challenge})

    def test_each_is_for_one_repository(self):
        layers = [noise(1000 + i) for i in range(12)]
        image = Image(layers, compression="plain")
        self.registry.fault = None
        source = self.pulled(self.registry, image)
        self.registry.fault = self.guard
        for i, layer in enumerate(image.layers):
            self.registry.has[f"from{i % 3}"] = self.registry.has.get(f"from{i % 3}", set()) | {layer["digest"]}
            self.lade.ok("content", "label", layer["digest"], f"containerd.io/distribution.source.127.0.0.1=from{i % 3}")
        self.lade.ok("content", "label", image.config["digest"], "containerd.io/distribution.source.127.0.0.1=from0")
        self.registry.has["from0"].add(image.config["digest"])
        self.registry.requests.clear()
        answer = self.lade.json("images", "push", "--progress", "none", "--uploads", "6", f"{self.registry.host}/target:1", source)
        self.assertEqual((answer["uploaded"], answer["mounted"], answer["existed"]), (1, 13, 0))
        self.assertEqual(self.registry.received, 0)
        for _, _, headers in self.registry.requests:
            if shown := headers.get("Authorization", "").removeprefix("Bearer "):
                self.assertLessEqual(len([one for one in json.loads(base64.urlsafe_b64decode(shown)) if ":from" in one]), 1)
        # One for the repository alone, and one for each that something is mounted from.
        self.assertLessEqual(len(self.tokens.requests), 4)


class Broken(Pushing):
    def setUp(self):
        super().setUp()
        self.registry = WritableRegistry()
        self.addCleanup(self.registry.stop)
        self.image = Image([noise(600_000), Layer().file("f", "text")], compression="plain")
        self.ref = f"{self.registry.host}/target:1"

    def arrived(self, image=None, repository="target"):
        image = image or self.image
        self.assertEqual(self.registry.manifests["1"][1], image.documents[image.root][1])
        for name, data in image.blobs.items():
            self.assertIn(name, self.registry.has[repository])
            self.assertEqual(self.registry.blobs[name], data)
        self.assertEqual(self.registry.uploads, {}, "an upload was left behind")

    def once(self, wanted, act):
        """A fault that `act` makes of the first request that `wanted` says yes to."""
        done = threading.Event()

        def fault(handler, path):
            if not done.is_set() and wanted(handler, path):
                done.set()
                return act(handler, path)
            return None

        self.registry.fault = fault
        return done

    def is_body(self, method, least=100_000):
        return lambda handler, path: handler.command == method and int(handler.headers.get("Content-Length") or 0) > least

    def cut(self, keep):
        """Takes part of a body into its upload and hangs up."""

        def act(handler, path):
            part = self.registry.body(handler, 100_000)
            name = path.rsplit("/", 1)[1]
            if keep:
                self.registry.uploads[name] += part
            handler.close_connection = True
            handler.connection.shutdown(2)
            return True

        return act


class Faults(Broken):
    def test_order_and_requests(self):
        self.assertEqual(self.push(self.ref, self.source(self.image)).code, 0)
        self.arrived()
        puts = [path for method, path, _ in self.registry.requests if method == "PUT"]
        self.assertIn("/manifests/1", puts[-1])
        self.assertEqual(sum("/manifests/" in path for path in puts), 1)
        for _, path, headers in self.registry.requests:
            if "/blobs/uploads/upload" in path:
                self.assertIn("_state=a%2Fb%3D%3D&z=1&a=2", path)
        self.registry.requests.clear()
        self.assertEqual(self.push(self.ref, f"{self.lade.json('images', 'ls')[0]['name']}").code, 0)
        self.assertEqual({method for method, _, _ in self.registry.requests}, {"HEAD"})

    def test_failures_in_the_middle_are_tried_again(self):
        source = self.source(self.image)
        acts = {
            "500": lambda handler, path: handler.error(500),
            "429": lambda handler, path: handler.error(429, headers={"Retry-After": "1"}),
            "cut": self.cut(False),
            "lost": lambda handler, path: (self.registry.uploads.clear(), handler.error(404, "BLOB_UPLOAD_UNKNOWN"))[1],
        }
        for way, flags, method in (("whole", (), "PUT"), ("pieces", ("--chunk-size", "256KiB"), "PATCH")):
            for name, act in acts.items():
                with self.subTest(way=way, fault=name):
                    self.registry.has.clear()
                    self.registry.manifests.clear()
                    self.registry.uploads.clear()
                    done = self.once(self.is_body(method), act)
                    result = self.push(*flags, self.ref, source)
                    self.assertEqual(result.code, 0, result.err)
                    self.assertTrue(done.is_set())
                    self.arrived()

    def test_a_break_costs_one_piece(self):
        image = Image([noise(4 * MIB)], compression="plain")
        source = self.source(image)
        for keep in (True, False):
            with self.subTest(keep=keep):
                self.registry.has.clear()
                self.registry.manifests.clear()
                self.registry.received = 0
                count = []

                def third(handler, path):
                    if handler.command == "PATCH":
                        count.append(path)
                    return len(count) == 3

                done = self.once(third, self.cut(keep))
                result = self.push("--chunk-size", "1MiB", self.ref, source)
                self.assertEqual(result.code, 0, result.err)
                self.assertTrue(done.is_set())
                self.arrived(image)
                self.assertLessEqual(self.registry.received, len(image.blobs[image.layers[0]["digest"]]) + len(image.blobs[image.config["digest"]]))

    def test_a_piece_out_of_order_is_put_right(self):
        source = self.source(self.image)
        done = self.once(self.is_body("PATCH"), lambda handler, path: handler.error(416, "RANGE_INVALID"))
        self.assertEqual(self.push("--chunk-size", "256KiB", self.ref, source).code, 0)
        self.assertTrue(done.is_set())
        self.arrived()

    def test_a_reply_that_was_lost(self):
        source = self.source(self.image)

        def act(handler, path):
            self.registry.fault = None
            wfile, handler.wfile = handler.wfile, open(os.devnull, "wb")
            with contextlib.closing(handler.wfile):
                self.registry.serve(handler)
                handler.wfile = wfile
            handler.close_connection = True
            handler.connection.shutdown(2)
            return True

        self.once(self.is_body("PUT"), act)
        result = self.push(self.ref, source)
        self.assertEqual(result.code, 0, result.err)
        self.arrived()
        # The upload is gone with the reply, the blob is there.
        self.assertEqual(self.registry.count("POST", "/uploads/"), len(self.image.blobs))

    def test_a_proxy_that_takes_no_large_body(self):
        image = Image([noise(5 * MIB)], compression="plain")
        self.registry.largest_body = 2 * MIB
        result = self.push(self.ref, self.source(image))
        self.assertEqual(result.code, 0, result.err)
        self.arrived(image)
        self.registry.largest_body = MIB // 2
        self.registry.has.clear()
        self.fails(self.push(self.ref, self.lade.json("images", "ls")[0]["name"]), 5, "413")
        self.assertEqual(self.registry.uploads, {})

    def test_a_registry_that_knows_no_pieces(self):
        for status in (400, 405, 501):
            self.registry.has.clear()
            self.registry.fault = lambda handler, path, status=status: handler.command == "PATCH" and handler.error(status, "UNSUPPORTED")
            result = self.push("--chunk-size", "256KiB", self.ref, self.source(self.image))
            self.assertEqual(result.code, 0, result.err)
            self.arrived()

    def test_what_is_refused_for_what_it_is_does_not_go_another_way(self):
        source = self.source(self.image)
        size = sum(len(blob) for blob in self.image.blobs.values())
        for method, code in (("PUT", "DIGEST_INVALID"), ("PUT", "SIZE_INVALID"), ("PATCH", "NAME_INVALID"), ("PATCH", "DENIED"), ("PUT", "MANIFEST_INVALID")):
            with self.subTest(method=method, code=code):
                self.registry.has.clear()
                self.registry.received = 0
                seen = []

                def fault(handler, path, method=method, code=code, seen=seen):
                    # The uploads in pieces alone.
                    name = path.rsplit("/", 1)[1]
                    if handler.command == "PATCH":
                        seen.append(name)
                    if handler.command == method and "/uploads/" in path and name in seen:
                        self.registry.received += len(self.registry.body(handler))
                        return handler.error(400, code, "made to fail")
                    return None

                self.registry.fault = fault
                self.fails(self.push("--uploads", "1", "--chunk-size", "256KiB", self.ref, source), 5, code)
                self.assertEqual(len(set(seen)), 1)
                self.assertLessEqual(self.registry.received, size)
                self.assertEqual(self.registry.uploads, {})

    def test_an_end_of_pieces_that_is_refused_for_the_way(self):
        source = self.source(self.image)
        for code in ("UNSUPPORTED", "BLOB_UPLOAD_INVALID", ""):
            with self.subTest(code):
                self.registry.has.clear()
                self.registry.manifests.clear()
                pieces = set()

                def fault(handler, path, code=code, pieces=pieces):
                    if handler.command == "PATCH":
                        pieces.add(path)
                    return handler.command == "PUT" and path in pieces and handler.error(400, code)

                self.registry.fault = fault
                result = self.push("--chunk-size", "256KiB", self.ref, source)
                self.assertEqual(result.code, 0, result.err)
                self.assertEqual(len(pieces), 1)
                self.arrived()

    def test_the_least_size_of_a_piece(self):
        self.registry.min_chunk = 400_000
        self.assertEqual(self.push("--chunk-size", "100KiB", self.ref, self.source(self.image)).code, 0)
        self.arrived()
        sizes = [int(headers["Content-Length"]) for method, _, headers in self.registry.requests if method == "PATCH"]
        self.assertTrue(any(size >= 400_000 for size in sizes), sizes)

    def test_a_registry_that_takes_nothing(self):
        source = self.source(self.image)
        for status, code, kind in ((405, "UNSUPPORTED", 5), (403, "DENIED", 7), (401, "UNAUTHORIZED", 7)):
            with self.subTest(status=status):
                self.registry.fault = lambda handler, path, status=status, code=code: handler.command == "POST" and handler.error(status, code)
                self.fails(self.push(self.ref, source), kind, self.registry.host, str(status))

    def test_a_wrong_digest_in_the_reply(self):
        source = self.source(self.image)
        wrong = {"Docker-Content-Digest": "sha256:" + "1" * 64, "Location": "/x"}

        def fault(handler, path, where):
            if handler.command == "PUT" and where in path:
                self.registry.body(handler)
                return handler.answer(201, b"", wrong)
            return None

        for where in ("/blobs/", "/manifests/"):
            with self.subTest(where=where):
                self.registry.fault = lambda handler, path, where=where: fault(handler, path, where)
                self.fails(self.push(self.ref, source), 8, "sha256:" + "1" * 64)

    def test_no_place_to_upload_to(self):
        self.registry.fault = lambda handler, path: handler.command == "POST" and handler.answer(202)
        self.fails(self.push(self.ref, self.source(self.image)), 5, "no place to upload to")

    def test_a_failed_upload_is_taken_back(self):
        source = self.source(self.image)
        self.registry.fault = lambda handler, path: self.is_body("PUT")(handler, path) and (self.registry.body(handler), handler.error(400, "DIGEST_INVALID", "made to fail"))[1]
        # One that another's failure stops while it begins does not learn where it is.
        self.fails(self.push("--uploads", "1", self.ref, source), 5, "DIGEST_INVALID")
        self.assertGreater(self.registry.count("DELETE", "/uploads/"), 0)
        self.assertEqual(self.registry.uploads, {})
        self.assertNotIn("1", self.registry.manifests)

    def test_a_server_that_stops_reading(self):
        self.image = Image([noise(20 * MIB)], compression="plain")
        source = self.source(self.image)
        release = threading.Event()
        self.addCleanup(release.set)
        self.registry.fault = lambda handler, path: self.is_body("PUT")(handler, path) and release.wait(60) and False
        self.fails(self.push("--stall-timeout", SHORT, "--retries", "0", self.ref, source), 6, "not a byte taken")

    def test_a_last_request_that_is_never_answered(self):
        source = self.source(self.image)
        release = threading.Event()
        self.addCleanup(release.set)
        for flags in ((), ("--chunk-size", "256KiB")):
            with self.subTest(flags):
                hung = []

                def fault(handler, path, hung=hung):
                    if handler.command != "PUT" or "/uploads/" not in path:
                        return None
                    hung.append(self.registry.body(handler))
                    release.wait(60)
                    return True

                self.registry.fault = fault
                self.fails(self.push("--uploads", "1", "--timeout", SHORT, "--retries", "0", *flags, self.ref, source), 6, "no reply within")
                self.assertEqual(len(hung), 1)

    def test_ctrl_c_takes_the_upload_back(self):
        source = self.source(self.image)
        for flags in ((), ("--chunk-size", "256KiB")):
            for when in ("body", "reply"):
                with self.subTest(flags=flags, when=when):
                    reached, release = threading.Event(), threading.Event()
                    self.addCleanup(release.set)

                    def fault(handler, path, when=when, reached=reached, release=release):
                        if handler.command not in ("PUT", "PATCH") or int(handler.headers["Content-Length"]) < 100_000:
                            return None
                        if when == "reply":
                            self.registry.body(handler)
                        reached.set()
                        release.wait(60)
                        return True

                    self.registry.fault = fault
                    process = self.lade.start("images", "push", "--progress", "none", "--uploads", "1", *flags, self.ref, source)
                    self.assertTrue(reached.wait(60))
                    process.send_signal(signal.SIGINT)
                    # It does not wait for what never comes, however long that would be waited for otherwise.
                    process.communicate(timeout=DEADLINE)
                    self.assertEqual(process.returncode, -signal.SIGINT)
                    self.assertEqual(self.registry.uploads, {})
                    self.assertEqual(self.registry.manifests.get("1"), None)
                    release.set()

    def test_mounting_takes_the_nearest_repository(self):
        source = self.pulled(self.registry, self.image)
        for repository in ("team/app", "team/base", "other/app"):
            self.registry.has[repository] = set(self.image.blobs)
        for blob in self.lade.json("content", "ls"):
            self.lade.ok("content", "label", blob["digest"], "containerd.io/distribution.source.127.0.0.1=image,other/app,team/base")
        answer = self.lade.json("images", "push", "--progress", "none", f"{self.registry.host}/team/new:1", source)
        self.assertEqual((answer["uploaded"], answer["mounted"]), (1, 3))  # the manifest goes as it is
        for method, path, _ in self.registry.requests:
            if method == "POST":
                self.assertIn("from=team%2fbase", path.lower())
        self.assertEqual(self.registry.received, 0)

    def test_a_registry_that_does_not_mount(self):
        source = self.pulled(self.registry, self.image)
        for answer in (None, 405, 404, 401, 403, 400, 500, 502, 503):
            with self.subTest(answer=answer):
                self.registry.mounts = False
                self.registry.has.pop("target", None)
                self.registry.manifests.pop("1", None)
                self.registry.requests.clear()
                self.registry.fault = lambda handler, path, answer=answer: answer and "mount=" in handler.path and handler.error(answer)
                result = self.push("--retries", "0", self.ref, source)
                self.assertEqual(result.code, 0, result.err)
                self.arrived()
                # Each is asked for once.
                self.assertEqual(self.registry.count("POST", "mount="), len(self.image.blobs))

    def test_push_only_tokens_may_not_look(self):
        source = self.source(self.image)
        self.registry.fault = lambda handler, path: handler.command == "HEAD" and handler.error(403, "DENIED")
        self.assertEqual(self.push(self.ref, source).code, 0)
        self.arrived()

    def test_killed_and_pushed_again(self):
        source = self.source(self.image)
        reached, release = threading.Event(), threading.Event()
        self.addCleanup(release.set)

        def act(handler, path):
            reached.set()
            release.wait(60)
            handler.close_connection = True
            return True

        self.once(self.is_body("PUT"), act)
        process = self.lade.start("images", "push", "--progress", "none", self.ref, source)
        self.assertTrue(reached.wait(60))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        release.set()
        result = self.push(self.ref, source)
        self.assertEqual(result.code, 0, result.err)
        self.registry.uploads.clear()
        self.arrived()

    def test_a_damaged_blob_is_not_pushed(self):
        source = self.source(self.image)
        name = self.image.layers[0]["digest"]
        blob = self.lade.root / "content/blobs/sha256" / name.split(":")[1]
        data = bytearray(blob.read_bytes())
        data[1000] ^= 1
        blob.chmod(0o644)
        blob.write_bytes(data)
        self.fails(self.push(self.ref, source), 8, name)
        self.assertNotIn(name, self.registry.has["target"])
        self.assertNotIn("1", self.registry.manifests)


class Elsewhere(Broken):
    """What is told to a place that is not the registry."""

    def setUp(self):
        super().setUp()
        self.other = WritableRegistry()
        self.addCleanup(self.other.stop)
        self.other.uploads, self.other.has, self.other.blobs = self.registry.uploads, self.registry.has, self.registry.blobs

    def login_needed(self, handler, path):
        if handler.headers.get("Authorization") != basic("me", "secret"):
            return handler.error(401, "UNAUTHORIZED", "login needed", {"WWW-Authenticate": 'Basic realm="x"'})
        return None

    def test_uploads_on_another_host_get_no_credentials(self):
        self.registry.fault = self.login_needed
        self.registry.absolute = self.other.absolute = self.other.host
        for flags in ((), ("--chunk-size", "256KiB")):
            self.registry.has.clear()
            result = self.push("-u", "me:secret", *flags, self.ref, self.source(self.image))
            self.assertEqual(result.code, 0, result.err)
            self.arrived()
        self.assertGreater(len(self.other.requests), 0)
        for _, _, headers in self.other.requests:
            self.assertNotIn("Authorization", headers)

    def test_a_redirected_body_gets_no_credentials(self):
        def fault(handler, path):
            if (refused := self.login_needed(handler, path)) is not None:
                return refused
            if handler.command == "PUT" and "/blobs/" in path:
                return handler.answer(307, b"", {"Location": f"http://{self.other.host}{handler.path}"})
            return None

        self.registry.fault = fault
        result = self.push("-u", "me:secret", self.ref, self.source(self.image))
        self.assertEqual(result.code, 0, result.err)
        self.arrived()
        self.assertGreater(len(self.other.requests), 0)
        for _, _, headers in self.other.requests:
            self.assertNotIn("Authorization", headers)

    def test_a_redirect_that_would_change_the_request_is_not_followed(self):
        self.registry.fault = lambda handler, path: handler.command == "POST" and handler.answer(302, b"", {"Location": f"http://{self.other.host}{path}"})
        self.fails(self.push(self.ref, self.source(self.image)), 5, "302")
        self.assertEqual(self.other.requests, [])


class Parts(Broken):
    """Images that are not whole in the store."""

    def setUp(self):
        super().setUp()
        self.images = {name: Image([Layer().file("f", name), noise(1000)], architecture=name) for name in ("amd64", "arm64", "s390x")}
        self.whole = index_of(list(self.images.values()))

    def test_what_is_missing_is_named(self):
        source = self.source(self.whole, "--platform", "linux/amd64", "--platform", "linux/arm64")
        result = self.push(self.ref, source)
        self.fails(result, 5, source, "linux/s390x", self.images["s390x"].root, "images pull --all-platforms", "--skip-missing")
        self.assertNotIn("linux/amd64", result.err)
        self.assertEqual(self.registry.requests, [])

    def test_one_platform_is_its_manifest(self):
        source = self.source(self.whole, "--platform", "linux/arm64")
        self.assertEqual(self.push("--platform", "linux/arm64", self.ref, source).out, f"{self.ref}@{self.images['arm64'].root}\n")
        self.arrived(self.images["arm64"])
        self.fails(self.push("--platform", "linux/riscv64", self.ref, source), 3, "linux/riscv64", "linux/arm64")
        self.fails(self.push("--platform", "linux/amd64", self.ref, source), 3, self.images["amd64"].root)

    def test_several_platforms_and_skipped_ones_are_a_reduced_index(self):
        source = self.source(self.whole, "--platform", "linux/arm64", "--platform", "linux/amd64")
        for flags in (("--skip-missing",), ("--platform", "linux/amd64", "--platform", "linux/arm64")):
            with self.subTest(flags=flags):
                result = self.push(*flags, "--json", self.ref, source)
                self.assertEqual(result.code, 0, result.err)
                root = json.loads(result.out)["target"]["digest"]
                media_type, text = self.registry.manifests["1"]
                self.assertEqual((media_type, digest(text)), (OCI + "index.v1+json", root))
                self.assertEqual([one["digest"] for one in json.loads(text)["manifests"]], [self.images["amd64"].root, self.images["arm64"].root])
                self.assertIn(root, result.err)
        self.assertIn("linux/s390x", self.push("--skip-missing", self.ref, source).err)

    def test_an_attestation_goes_with_its_image(self):
        annotations = {"vnd.docker.reference.type": "attestation-manifest"}

        def about(image):
            note = Image([], architecture="unknown")
            note.blobs, note.documents = dict(note.blobs), dict(note.documents)
            note.manifest["annotations"] = {"of": image.root}
            note.root = note.document(note.manifest, OCI + "manifest.v1+json")
            return note

        notes = [about(image) for image in self.images.values()]
        whole = index_of([*self.images.values(), *notes])
        value = json.loads(whole.documents[whole.root][1])
        for entry, image in zip(value["manifests"][3:], self.images.values()):
            entry.update(annotations={**annotations, "vnd.docker.reference.digest": image.root}, platform={"os": "unknown", "architecture": "unknown"})
        whole.root = whole.document(value, OCI + "index.v1+json")
        source = self.source(whole, "--all-platforms")
        self.assertEqual(self.push(self.ref, source).out, f"{self.ref}@{whole.root}\n")
        self.lade.ok("content", "rm", self.images["arm64"].layers[0]["digest"])
        self.fails(self.push(self.ref, source), 5, "linux/arm64", self.images["arm64"].layers[0]["digest"])
        self.assertEqual(self.push("--skip-missing", self.ref, source).code, 0)
        left = [one["digest"] for one in json.loads(self.registry.manifests["1"][1])["manifests"]]
        self.assertEqual(left, [self.images["amd64"].root, self.images["s390x"].root, notes[0].root, notes[2].root])

    def test_layers_that_are_not_to_be_distributed(self):
        def foreign(config, descriptors):
            descriptors[0].update(mediaType=DOCKER + "image.rootfs.foreign.diff.tar.gzip", urls=["http://127.0.0.1:1/layer"])

        image = Image([Layer().file("f", "theirs"), Layer().file("g", "ours")], kind="docker", change=foreign)
        source = self.source(image)
        theirs = image.layers[0]["digest"]
        self.assertEqual(self.push(self.ref, source).out, f"{self.ref}@{image.root}\n")
        self.assertNotIn(theirs, self.registry.has["target"])
        self.assertEqual(self.push("--allow-nondistributable", self.ref, source).code, 0)
        self.arrived(image)

    def test_no_such_image(self):
        self.fails(self.push(f"{self.registry.host}/none:1"), 3, "store")
        self.source(self.whole)
        self.fails(self.push(f"{self.registry.host}/none:1"), 3, "none:1")
        self.fails(self.push(self.ref, "none"), 3, "none")
        self.fails(self.push("--manifest-type", OCI + "manifest.v1+json", self.ref), 2, "--manifest")
        self.fails(self.push("--manifest", self.image.root, self.ref, "none"), 2, "--manifest")
        self.fails(self.push("http://x/y", "none"), 2)
        self.fails(self.push("--chunk-size", "much", self.ref), 2, "--chunk-size")


class Objects(Broken):
    def test_push_object(self):
        self.source(self.image)
        layer, config = self.image.layers[0], self.image.config
        repository = f"{self.registry.host}/target"
        self.assertEqual(self.lade.ok("content", "push-object", repository, layer["digest"], layer["mediaType"]).out, f"Pushed {layer['digest']} {layer['mediaType']}\n")
        self.assertIn(layer["digest"], self.registry.has["target"])
        self.lade.ok("content", "push-object", repository, config["digest"])
        self.assertIn(config["digest"], self.registry.has["target"])
        # The tag that a reference has by default is none that is set.
        for one in (config["digest"], self.image.root):
            result = self.lade.run("content", "push-object", "--progress", "plain", "--json", repository, one)
            self.assertEqual((result.code, json.loads(result.out)["name"]), (0, repository), result.err)
            self.assertNotIn("latest", result.err)
        self.assertEqual(self.lade.json("content", "push-object", f"{repository}:7", config["digest"])["name"], repository)
        self.registry.manifests.clear()
        answer = self.lade.json("content", "push-object", repository, self.image.root)
        self.assertEqual(answer["target"]["mediaType"], OCI + "manifest.v1+json")
        self.assertEqual(list(self.registry.manifests), [self.image.root])
        self.lade.ok("content", "push-object", f"{repository}:7", self.image.root)
        self.assertIn("7", self.registry.manifests)
        self.fails(self.lade.run("content", "push-object", repository, "sha256:" + "0" * 64), 3, "0" * 64)

    def test_a_document_need_not_say_what_it_is(self):
        self.source(self.image)
        _, text = self.image.documents[self.image.root]
        silent = {key: value for key, value in json.loads(text).items() if key != "mediaType"}
        for name, document, media_type in (
            ("manifest", silent, OCI + "manifest.v1+json"),
            ("index", {"schemaVersion": 2, "manifests": []}, OCI + "index.v1+json"),
            ("neither", {"schemaVersion": 2}, "application/octet-stream"),
        ):
            with self.subTest(name):
                data = json.dumps(document).encode()
                path = self.scratch / name
                path.write_bytes(data)
                self.lade.ok("content", "ingest", name, prefix=("sh", "-c", 'exec "$@" < "$0"', path))
                answer = self.lade.json("content", "push-object", f"{self.registry.host}/target:{name}", digest(data))
                self.assertEqual(answer["target"]["mediaType"], media_type)
                self.assertEqual(name in self.registry.manifests, name != "neither")

    def test_a_manifest_by_its_digest(self):
        self.source(self.image)
        self.assertEqual(self.push("--manifest", self.image.root, self.ref).out, f"{self.ref}@{self.image.root}\n")
        self.arrived()

    def test_the_first_host_that_takes_pushes(self):
        mirror = WritableRegistry()
        self.addCleanup(mirror.stop)
        hosts = self.scratch / "hosts/registry.example"
        hosts.mkdir(parents=True)
        (hosts / "hosts.toml").write_text(
            f'[host."http://{mirror.host}"]\ncapabilities = ["pull", "resolve"]\n[host."http://{self.registry.host}"]\ncapabilities = ["push"]\n'
        )
        source = self.source(self.image)
        self.assertEqual(self.push("--hosts-dir", hosts.parent, "registry.example/target:1", source).code, 0)
        self.arrived()
        self.assertEqual(mirror.requests, [])
        # It is told whose image that is with each request, to the places that it names itself as well.
        for flags in ((), ("--chunk-size", "256KiB")):
            self.registry.has.clear()
            self.registry.manifests.clear()
            self.registry.requests.clear()
            self.assertEqual(self.push("--hosts-dir", hosts.parent, *flags, "registry.example/target:1", source).code, 0)
            self.assertEqual(self.registry.count("PATCH", "/uploads/") > 0, bool(flags))
            for method, path, _ in self.registry.requests:
                self.assertEqual(urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)["ns"], ["registry.example"], (method, path))
        # But not to another host; and not again where it stands already.
        other = WritableRegistry()
        self.addCleanup(other.stop)
        other.uploads, other.has, other.blobs = self.registry.uploads, self.registry.has, self.registry.blobs
        self.registry.has.clear()
        self.registry.absolute = other.host
        self.assertEqual(self.push("--hosts-dir", hosts.parent, "registry.example/target:1", source).code, 0)
        self.assertGreater(other.count("PUT", "/uploads/"), 0)
        self.assertEqual(other.count("", "ns="), 0)
        (hosts / "hosts.toml").write_text(f'server = "http://{mirror.host}"\ncapabilities = ["pull"]\n')
        self.fails(self.push("--hosts-dir", hosts.parent, "registry.example/target:1", source), 5, "push")
