"""Referrers that go along with a push or a copy: behind what they refer to, and listed where they come to."""

import json
import os
import subprocess
import threading
import unittest

from support.broken import basic
from support.images import OCI, Image, Layer, artifact, digest, index_of, referrers_index
from support.program import TIMEOUT, Lade, need_tools
from support.registry import StockRegistry
from support.writable import WritableRegistry
from test_push import Broken

SIGNATURE, SBOM = "application/vnd.example.signature", "application/vnd.example.sbom"


class Signed(Broken):
    """An index of two images: an SBOM of the index, a signature of one image, and of the SBOM another one."""

    def setUp(self):
        super().setUp()
        self.source = WritableRegistry()
        self.addCleanup(self.source.stop)
        self.source.referrers_page = 100
        self.registry.referrers_page = 100
        self.one, self.other = (Image([Layer().file("f", name)], architecture=name) for name in ("amd64", "arm64"))
        self.image = index_of([self.one, self.other])
        self.src = self.source.add(self.image)
        self.sbom = self.attach(self.image, SBOM, annotations={"who": "me"})
        self.of_one = self.attach(self.one, SIGNATURE, b"one")
        self.of_sbom = self.attach(self.sbom, SIGNATURE, b"sbom")
        self.all = [self.sbom, self.of_one, self.of_sbom]

    def attach(self, subject, kind, data=b"data", **how):
        if not subject.platform:
            subject.platform = {}
        one = artifact(subject.descriptor(), kind, data, **how)
        for name, text in one.blobs.items():
            self.source.blobs[name] = text
            self.source.has["image"].add(name)
        self.source.manifests.update(one.documents)
        return one

    def pull(self, *flags):
        self.lade.ok("images", "pull", "--no-unpack", "--all-platforms", "--with-referrers", "--progress", "none", *flags, self.src)

    def copied(self, *flags, code=0):
        result = self.lade.run("images", "copy", "--with-referrers", "--json", "--progress", "none", *flags, self.src, self.ref)
        self.assertEqual(result.code, code, result.err)
        return json.loads(result.out) if code == 0 else result

    def pushed(self, *flags, ref=None):
        return self.lade.json("images", "push", "--with-referrers", "--progress", "none", *flags, ref or self.ref, self.src)

    def listed(self, ref, *flags):
        return sorted(one["digest"] for one in Lade(self.scratch / "nobody").json("images", "referrers", "--recursive", *flags, ref)["referrers"])

    def check_listed(self, ref):
        self.assertEqual(self.listed(ref), sorted((self.sbom.root, self.of_sbom.root)))
        self.assertEqual(self.listed(ref, "--platform", "linux/amd64"), [self.of_one.root])
        self.assertEqual(self.listed(ref, "--platform", "linux/arm64"), [])

    def has_all(self):
        for one in self.all:
            self.assertEqual(self.registry.manifests[one.root], one.documents[one.root])
            self.assertLessEqual(set(one.blobs), self.registry.has["target"])

    def puts(self):
        return [path.rsplit("/", 1)[1] for method, path, _ in self.registry.requests if method == "PUT" and "/manifests/" in path]


class Along(Signed):
    def both(self):
        """A push of what was pulled, and a copy."""
        self.pull()
        for work in (self.pushed, self.copied):
            self.registry.has.clear()
            self.registry.manifests.clear()
            self.registry.requests.clear()
            with self.subTest(work=work.__name__):
                yield work

    def test_a_registry_that_lists_them_itself(self):
        for work in self.both():
            answer = work()
            self.assertEqual((answer["target"]["digest"], answer["referrers"]), (self.image.root, 3))
            self.has_all()
            self.check_listed(self.ref)
            self.assertEqual([name for name in self.registry.manifests if name.startswith("sha256-")], [])
            order = self.puts()
            self.assertLess(order.index("1"), order.index(self.sbom.root))
            self.assertLess(order.index(self.sbom.root), order.index(self.of_sbom.root))

            self.registry.requests.clear()
            again = work()
            self.assertEqual((again["uploaded"], again["mounted"], again["referrers"]), (0, 0, 3))
            self.assertLessEqual({method for method, _, _ in self.registry.requests}, {"HEAD", "GET"})

    def test_a_registry_that_does_not(self):
        self.registry.referrers_page = None
        for work in self.both():
            self.assertEqual(work()["referrers"], 3)
            self.has_all()
            self.check_listed(self.ref)
            tag = self.image.root.replace(":", "-")
            self.assertEqual(json.loads(self.registry.manifests[tag][1])["manifests"], json.loads(referrers_index([self.sbom]))["manifests"])

            self.registry.requests.clear()
            again = work()
            self.assertEqual((again["uploaded"], again["referrers"]), (0, 3))
            self.assertEqual(self.puts(), [])

    def test_what_the_tag_lists_stays(self):
        self.registry.referrers_page = None
        tag = self.image.root.replace(":", "-")
        older = artifact(self.image.descriptor(), SIGNATURE, b"older")
        for work in self.both():
            self.registry.manifests.update(older.documents)
            self.registry.manifests[tag] = (OCI + "index.v1+json", referrers_index([older]))
            work()
            self.assertEqual(json.loads(self.registry.manifests[tag][1])["manifests"], json.loads(referrers_index([older, self.sbom]))["manifests"])

    def test_one_that_is_there_and_not_listed_becomes_so(self):
        self.registry.referrers_page = None
        for work in self.both():
            work()
            for name in [name for name in self.registry.manifests if name.startswith("sha256-")]:
                del self.registry.manifests[name]
            self.assertEqual(self.listed(self.ref), [])
            work()
            self.check_listed(self.ref)

    def test_without_the_flag_they_stay(self):
        self.pull()
        self.source.requests.clear()
        for verb in (("push", self.ref, self.src), ("copy", self.src, self.ref)):
            self.assertEqual(self.lade.json("images", verb[0], "--progress", "none", *verb[1:])["referrers"], 0)
            self.assertNotIn(self.sbom.root, self.registry.manifests)
        self.assertEqual([path for one in (self.source, self.registry) for _, path, _ in one.requests if "/referrers/" in path], [])

    def test_one_platform_has_its_own(self):
        for work in self.both():
            self.assertEqual(work("--platform", "linux/amd64")["referrers"], 1)
            self.assertEqual(self.listed(self.ref), [self.of_one.root])

    def test_the_number_is_told(self):
        self.pull()
        for verb in (("push", self.ref, self.src), ("copy", self.src, self.ref)):
            result = self.lade.ok("images", verb[0], "--with-referrers", "--progress", "plain", *verb[1:])
            self.assertIn(f"{self.image.root} with 3 referrers", result.err)
            self.assertEqual(result.out, f"{self.ref}@{self.image.root}\n")

    def test_a_tag_that_is_no_index_is_an_error(self):
        self.registry.referrers_page = None
        tag = self.image.root.replace(":", "-")
        for work in self.both():
            self.registry.manifests[tag] = (OCI + "index.v1+json", b"[]")
            with self.assertRaises(AssertionError) as raised:
                work()
            self.assertIn(tag, str(raised.exception))
            self.assertEqual(self.registry.manifests[tag][1], b"[]")

    def test_a_reply_that_was_lost(self):
        self.pull()
        for page in (None, 100):
            self.registry.referrers_page = page
            self.registry.manifests.clear()
            gone = []

            def fault(handler, path, gone=gone):
                if handler.command == "PUT" and path.endswith(self.sbom.root) and not gone:
                    gone.append(path)
                    text = self.registry.body(handler)
                    self.registry.manifests[self.sbom.root] = (handler.headers["Content-Type"], text)
                    return handler.reset()
                return None

            self.registry.fault = fault
            self.assertEqual(self.pushed()["referrers"], 3)
            self.assertEqual(len(gone), 1)
            self.check_listed(self.ref)

    def test_credentials_of_the_target_alone(self):
        def fault(handler, path):
            if handler.headers.get("Authorization") != basic("to", "to-secret"):
                return handler.error(401, "UNAUTHORIZED", "login needed", {"WWW-Authenticate": 'Basic realm="x"'})
            return None

        self.registry.fault = fault
        self.copied("--dst-user", "to:to-secret")
        self.has_all()
        self.assertEqual([path for _, path, headers in self.source.requests if "Authorization" in headers], [])


class Single(Signed):
    """What refers to an image, pushed or copied as an image of its own."""

    def setUp(self):
        super().setUp()
        self.tag = self.image.root.replace(":", "-")
        self.held(self.sbom, "sbom")

    def held(self, one, tag):
        """A reference to it at the source, whose store has it."""
        self.source.manifests[tag] = one.documents[one.root]
        ref = f"{self.source.host}/image:{tag}"
        self.lade.ok("images", "pull", "--no-unpack", "--progress", "none", ref)
        return ref

    def ways(self):
        src, ref = f"{self.source.host}/image:sbom", f"{self.registry.host}/target"
        return {
            "push": ("images", "push", "--progress", "none", f"{ref}:sbom", src),
            "copy": ("images", "copy", "--progress", "none", src, f"{ref}:sbom"),
            "object": ("content", "push-object", ref, self.sbom.root),
        }

    def entries(self):
        return [one["digest"] for one in json.loads(self.registry.manifests[self.tag][1])["manifests"]]


class Alone(Single):
    def test_the_tag_lists_it_where_the_registry_does_not(self):
        self.registry.referrers_page = None
        for name, command in self.ways().items():
            with self.subTest(name):
                self.registry.manifests.clear()
                self.registry.requests.clear()
                self.registry.has["target"] = set(self.sbom.blobs) if name == "object" else set()
                self.lade.ok(*command)
                self.assertEqual(json.loads(self.registry.manifests[self.tag][1])["manifests"], json.loads(referrers_index([self.sbom]))["manifests"])
                self.registry.requests.clear()
                self.lade.ok(*command)
                self.assertEqual(self.puts(), [])
                # One that is there and was lost from the list.
                del self.registry.manifests[self.tag]
                self.lade.ok(*command)
                self.assertEqual(self.entries(), [self.sbom.root])

    def test_nothing_is_done_where_it_does(self):
        for name, command in self.ways().items():
            with self.subTest(name):
                self.registry.manifests.clear()
                self.registry.has["target"] = set(self.sbom.blobs)
                self.lade.ok(*command)
                self.lade.ok(*command)
                self.assertNotIn(self.tag, self.registry.manifests)
                self.assertEqual(self.registry.count("GET", self.tag), 0)

    def test_the_stock_registry(self):
        need_tools("skopeo")
        stock = StockRegistry().start()
        self.addCleanup(stock.stop)
        self.lade.ok("images", "pull", "--no-unpack", "--all-platforms", "--progress", "none", self.src)
        for name, src in (("image", self.src), ("sbom", f"{self.source.host}/image:sbom")):
            self.lade.ok("images", "push", "--progress", "none", f"{stock.host}/a/b:{name}", src)
        self.assertEqual(self.listed(f"{stock.host}/a/b:image"), [self.sbom.root])


class Races(Single):
    """Two processes that push what refers to one image, where nothing but a tag lists it."""

    def setUp(self):
        super().setUp()
        self.registry.referrers_page = None
        self.signature = self.attach(self.image, SIGNATURE, b"signature")
        self.held(self.signature, "signature")
        self.both, self.lock, self.tag_puts = threading.Barrier(2), threading.Lock(), []

    def push_both(self):
        processes = [self.lade.start("images", "push", "--progress", "none", f"{self.registry.host}/target:{name}", f"{self.source.host}/image:{name}") for name in ("sbom", "signature")]
        for process in processes:
            _, err = process.communicate(timeout=TIMEOUT)
            self.assertEqual(process.returncode, 0, err)

    def is_first(self, handler, path):
        """Whether this is the first change of the tag by one of the two, which waits for that of the other."""
        if handler.command != "PUT" or not path.endswith(self.tag):
            return False
        with self.lock:
            self.tag_puts.append(handler.headers.get("If-Match"))
            first = len(self.tag_puts) <= 2
        if first:
            self.both.wait(60)
        return first

    def test_what_the_other_has_overwritten_is_put_in_again(self):
        def fault(handler, path):
            if not self.is_first(handler, path):
                return None
            text = self.registry.body(handler)
            with self.lock:
                self.registry.manifests[self.tag] = (handler.headers["Content-Type"], text)
            # Neither knows of it before both have done it.
            self.both.wait(60)
            return handler.answer(201, headers={"Docker-Content-Digest": digest(text)})

        self.registry.fault = fault
        self.push_both()
        self.assertEqual(sorted(self.entries()), sorted((self.sbom.root, self.signature.root)))
        self.assertEqual(self.tag_puts, [None] * 3)

    def test_a_registry_that_can_tell_prevents_it(self):
        older = artifact(self.image.descriptor(), SIGNATURE, b"older")
        self.registry.manifests[self.tag] = (OCI + "index.v1+json", referrers_index([older]))
        self.registry.etags = True
        self.registry.fault = lambda handler, path: self.is_first(handler, path) and False
        self.push_both()
        self.assertEqual(self.entries()[0], older.root)
        self.assertEqual(sorted(self.entries()[1:]), sorted((self.sbom.root, self.signature.root)))
        self.assertEqual((len(self.tag_puts), len(set(self.tag_puts))), (3, 2))

    def test_one_that_refuses_every_condition(self):
        older = artifact(self.image.descriptor(), SIGNATURE, b"older")
        self.registry.manifests[self.tag] = (OCI + "index.v1+json", referrers_index([older]))
        self.registry.etags = True
        self.registry.fault = lambda handler, path: "If-Match" in handler.headers and handler.error(412)
        self.lade.ok(*self.ways()["push"])
        self.assertEqual(self.entries(), [older.root, self.sbom.root])

    def test_an_entry_that_never_stays(self):
        def fault(handler, path):
            if handler.command != "PUT" or not path.endswith(self.tag):
                return None
            self.tag_puts.append(path)
            return handler.answer(201, headers={"Docker-Content-Digest": digest(self.registry.body(handler))})

        self.registry.fault = fault
        self.fails(self.lade.run(*self.ways()["push"]), 6, self.tag, self.sbom.root, "does not stay")
        self.assertGreater(len(self.tag_puts), 2)
        self.assertLess(len(self.tag_puts), 20)


class LeftOut(Signed):
    def test_what_is_listed_and_is_none(self):
        gone = artifact(self.image.descriptor(), SIGNATURE, b"gone")
        elsewhere = self.attach(self.one, SIGNATURE, b"elsewhere")
        self.source.referrers_page = None
        self.source.manifests[self.image.root.replace(":", "-")] = (OCI + "index.v1+json", referrers_index([gone, elsewhere, self.sbom]))
        result = self.lade.run("images", "copy", "--with-referrers", "--json", "--progress", "none", self.src, self.ref)
        self.assertEqual(result.code, 0, result.err)
        for one in (gone, elsewhere):
            self.assertIn(f"referrer {one.root} is left out: ", result.err)
            self.assertNotIn(one.root, self.registry.manifests)
        self.assertEqual(json.loads(result.out)["referrers"], 1)
        self.assertEqual(self.listed(self.ref), [self.sbom.root])

    def test_wrong_bytes_are_refused(self):
        name = digest(b"data")
        self.source.blobs[name] = b"evil"
        self.fails(self.copied(code=8), 8, name)
        self.assertNotIn(name, self.registry.has.get("target", ()))
        self.assertNotIn(self.sbom.root, self.registry.manifests)

    def test_what_the_store_has_not_whole(self):
        self.pull()
        self.lade.ok("content", "rm", digest(b"data"))
        result = self.lade.run("images", "push", "--with-referrers", "--json", "--progress", "none", self.ref, self.src)
        self.assertEqual(result.code, 0, result.err)
        self.assertIn(f"referrer {self.sbom.root} is left out: ", result.err)
        self.assertEqual(json.loads(result.out)["referrers"], 1)
        self.assertNotIn(self.sbom.root, self.registry.manifests)


class StockTag(Signed):
    """The stock registry has no referrers API: the tag is all there is."""

    def test_there_and_on_to_the_next_one(self):
        need_tools("skopeo")
        first, second = (StockRegistry().start() for _ in range(2))
        for one in (first, second):
            self.addCleanup(one.stop)
        self.pull()
        at_first, at_second = f"{first.host}/from/here:1", f"{second.host}/to/there:2"
        self.assertEqual(self.pushed(ref=at_first)["referrers"], 3)
        answer = self.lade.json("images", "copy", "--with-referrers", "--progress", "none", at_first, at_second)
        self.assertEqual((answer["target"]["digest"], answer["referrers"]), (self.image.root, 3))
        for ref in (at_first, at_second):
            self.check_listed(ref)
            tagged = ref.rsplit(":", 1)[0] + ":" + self.image.root.replace(":", "-")
            raw = subprocess.run(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{tagged}"], capture_output=True, check=True, stdin=subprocess.DEVNULL, env={**os.environ, "HOME": str(self.scratch)}).stdout
            self.assertEqual(json.loads(raw), json.loads(referrers_index([self.sbom])))
        self.assertEqual(self.pushed(ref=at_first)["uploaded"], 0)
        self.assertEqual(self.lade.json("images", "copy", "--with-referrers", "--progress", "none", at_first, at_second)["uploaded"], 0)


if __name__ == "__main__":
    unittest.main()
