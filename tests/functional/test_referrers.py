"""Referrers: listed by the API and by the tag, brought along by a pull, kept and freed with what they refer to."""

import json
import subprocess
import unittest
import urllib.parse

from support.broken import BrokenRegistry, RegistryCase
from support.images import OCI, Image, Layer, artifact, digest, index_of, referrers_index
from support.program import Case, need_tools
from support.registry import StockRegistry

SIGNATURE, SBOM = "application/vnd.example.signature", "application/vnd.example.sbom"


class Referrers(RegistryCase):
    def setUp(self):
        super().setUp()
        self.image = Image([Layer().file("f", "text")])
        self.ref = self.registry.add(self.image)
        self.registry.referrers_page = 100

    def attach(self, kind, subject=None, **how):
        one = artifact((subject or self.image).descriptor(), kind, **how)
        self.add(one)
        return one

    def add(self, one):
        self.registry.blobs.update(one.blobs)
        for name, document in one.documents.items():
            self.registry.manifests[name] = document

    def listed(self, *flags):
        return [one["digest"] for one in self.lade.json("images", "referrers", *flags, self.ref)["referrers"]]

    def list(self, *flags):
        return self.lade.run("images", "referrers", *flags, self.ref)

    def use_tag(self, artifacts, subject=None):
        self.registry.referrers_page = None
        tag = (subject or self.image).root.replace(":", "-")
        self.registry.manifests[tag] = (OCI + "index.v1+json", referrers_index(artifacts))
        return tag

    def asked(self, part):
        return [path for _, path, _ in self.registry.requests if part in path]


class Listing(Referrers):
    def test_the_table_has_what_people_look_for(self):
        one = self.attach(SBOM, annotations={"org.opencontainers.image.created": "2026-01-02T03:04:05Z", "who": "me\x1b[31m"})
        header, row = self.list().out.splitlines()
        self.assertEqual(header.split(), ["DIGEST", "TYPE", "SIZE", "CREATED", "ANNOTATIONS"])
        for word in (one.root, SBOM, "2026-01-02T03:04:05Z", "who=me\\x1b"):
            self.assertIn(word, row)
        found = self.lade.json("images", "referrers", self.ref)
        self.assertEqual(found["subject"]["digest"], self.image.root)
        self.assertEqual((found["referrers"][0]["artifactType"], found["referrers"][0]["subject"]), (SBOM, self.image.root))
        self.assertEqual(self.list("--quiet").out, one.root + "\n")
        self.assertFalse(self.lade.root.exists())

    def test_there_may_be_none(self):
        self.assertEqual(self.listed(), [])
        self.registry.referrers_page = None
        self.assertEqual(self.listed(), [])
        self.assertEqual(self.list().code, 0)

    def test_no_image_is_an_error(self):
        self.ref = f"{self.registry.host}/image:absent"
        self.fails(self.list(), 3, self.ref)

    def test_all_pages_are_read(self):
        all_of_them = sorted(self.attach(SBOM, data=str(i).encode()).root for i in range(7))
        self.registry.referrers_page = 3
        self.assertEqual(self.listed(), all_of_them)
        self.assertEqual(len(self.asked("/referrers/")), 3)

    def test_only_of_a_type(self):
        sbom = self.attach(SBOM)
        self.attach(SIGNATURE)
        self.assertEqual(self.listed("--artifact-type", SBOM), [sbom.root])
        (path,) = self.asked("/referrers/")
        self.assertEqual(urllib.parse.parse_qs(urllib.parse.urlsplit(path).query), {"artifactType": [SBOM]})
        self.use_tag([sbom, self.attach(SIGNATURE)])
        self.assertEqual(self.listed("--artifact-type", SBOM), [sbom.root])

    def test_a_server_that_does_not_filter_is_filtered(self):
        sbom = self.attach(SBOM)
        self.attach(SIGNATURE)
        plain = self.registry.serve_referrers

        def without_query(handler, path):
            handler.path = path
            return plain(handler, path)

        self.registry.serve_referrers = without_query
        self.assertEqual(self.listed("--artifact-type", SBOM), [sbom.root])

    def test_the_tag_serves_where_there_is_no_api(self):
        one = self.attach(SBOM)
        tag = self.use_tag([one])
        self.assertEqual(self.listed(), [one.root])
        self.assertEqual(len(self.asked(tag)), 1)

    def test_a_page_for_people_is_no_api(self):
        one = self.attach(SBOM)
        self.use_tag([one])
        for answer in ((200, "text/html"), (405, "application/json"), (501, "text/plain")):
            self.registry.fault = lambda handler, path, answer=answer: "/referrers/" in path and handler.answer(answer[0], b"hello", {"Content-Type": answer[1]})
            self.assertEqual(self.listed(), [one.root])

    def test_what_refers_to_referrers(self):
        sbom = self.attach(SBOM)
        signature = self.attach(SIGNATURE, sbom)
        self.assertEqual(self.listed(), [sbom.root])
        self.assertEqual(self.listed("--recursive"), [sbom.root, signature.root])
        self.assertIn("\\_ " + signature.root, self.list("--recursive").out)

    def test_a_circle_ends(self):
        sbom = self.attach(SBOM)
        self.registry.referrers_page = None
        for name in (self.image.root, sbom.root):
            self.registry.manifests[name.replace(":", "-")] = (OCI + "index.v1+json", referrers_index([sbom]))
        self.assertEqual(self.listed("--recursive"), [sbom.root])

    def test_of_one_platform(self):
        arm = Image([Layer().file("f", "arm")], architecture="arm64")
        self.ref = self.registry.add(index_of([self.image, arm]))
        one = self.attach(SBOM, arm)
        self.assertEqual(self.listed(), [])
        self.assertEqual(self.listed("--platform", "linux/arm64"), [one.root])
        self.assertEqual(self.listed("--platform", "linux/amd64"), [])
        self.fails(self.list("--platform", "linux/s390x"), 3, "s390x")


class Untrusted(Referrers):
    def link(self, where):
        """Every page names another one."""

        def fault(handler, path):
            if "/referrers/" not in path:
                return None
            body = json.dumps({"schemaVersion": 2, "manifests": []}).encode()
            return handler.answer(200, body, {"Content-Type": OCI + "index.v1+json", "Link": where(path)})

        self.registry.fault = fault

    def test_a_next_page_elsewhere_is_refused(self):
        other = BrokenRegistry()
        self.addCleanup(other.stop)
        for place in (f"http://{other.host}/v2/image/referrers/{self.image.root}", "/v2/other/referrers/" + self.image.root, "/admin", "ftp://x/y"):
            self.link(lambda path, place=place: f'<{place}>; rel="next"')
            self.fails(self.list(), 5, self.registry.host, "next page")
        self.assertEqual(other.requests, [])
        self.assertEqual(self.asked("/admin") + self.asked("/v2/other"), [])

    def test_pages_without_end_are_refused(self):
        self.link(lambda path: f'<{path}?n=1>; rel="next"')
        self.fails(self.list(), 9, "pages")

    def test_a_list_too_long_is_refused(self):
        entry = {"mediaType": OCI + "manifest.v1+json", "size": 2}
        many = [{**entry, "digest": "sha256:" + f"{i:064x}"} for i in range(10_001)]
        body = json.dumps({"schemaVersion": 2, "manifests": many}).encode()
        self.registry.fault = lambda handler, path: "/referrers/" in path and handler.answer(200, body, {"Content-Type": OCI + "index.v1+json"})
        self.fails(self.list(), 9, "10000")

    def test_what_is_no_index_is_an_error(self):
        for body in (b"{", b"[]", b'{"manifests": 1}', b'{"schemaVersion": 2, "manifests": []} trailing', b'{"layers": []}'):
            self.registry.fault = lambda handler, path, body=body: "/referrers/" in path and handler.answer(200, body, {"Content-Type": OCI + "index.v1+json"})
            self.fails(self.list(), 2, self.registry.host)

    def test_a_refused_list_is_an_error(self):
        for status, code in ((401, 7), (403, 7), (500, 6), (400, 5)):
            self.registry.fault = lambda handler, path, status=status: "/referrers/" in path and handler.error(status)
            self.fails(self.list("--retries", "0"), code, "/referrers/")


class Pulling(Referrers):
    def pull(self, *flags):
        return self.lade.run("images", "pull", "--no-unpack", "--with-referrers", *flags, self.ref)

    def pull_ok(self, *flags):
        result = self.pull(*flags)
        self.assertEqual(result.code, 0, result.err)
        return result

    def stored(self):
        return {row["digest"] for row in self.lade.json("content", "ls")}

    def everything(self, *objects):
        return {name for one in objects for name in (*one.blobs, *one.documents)}

    def test_they_come_along_are_kept_and_go_with_the_image(self):
        sbom, signature = self.attach(SBOM), self.attach(SIGNATURE)
        signed = self.attach(SIGNATURE, sbom, data=b"signed")
        self.pull_ok()
        self.assertEqual(self.stored(), self.everything(self.image, sbom, signature, signed))
        self.lade.ok("gc")
        self.assertEqual(self.stored(), self.everything(self.image, sbom, signature, signed))
        labels = next(row["labels"] for row in self.lade.json("content", "ls") if row["digest"] == self.image.root)
        for one in (sbom, signature):
            self.assertEqual(labels["containerd.io/gc.ref.content.referrer.sha256." + one.root[7:19]], one.root)
        self.assertEqual(self.listed("--offline", "--recursive"), [x for one in sorted((sbom, signature), key=lambda o: o.root) for x in ([one.root, signed.root] if one is sbom else [one.root])])
        self.assertEqual(self.listed("--offline", "--artifact-type", SBOM), [sbom.root])
        self.lade.ok("images", "rm", self.ref)
        self.assertEqual(self.stored(), set())

    def test_without_the_flag_nobody_asks_for_them(self):
        self.attach(SBOM)
        self.lade.ok("images", "pull", "--no-unpack", self.ref)
        self.assertEqual(self.asked("/referrers/"), [])
        self.assertEqual(self.stored(), self.everything(self.image))
        self.pull_ok()
        self.assertEqual(len(self.stored()), len(self.everything(self.image)) + 3)

    def test_those_of_the_index_and_of_the_chosen_manifest(self):
        arm = Image([Layer().file("f", "arm")], architecture="arm64")
        whole = index_of([self.image, arm])
        whole.platform = {}
        self.ref = self.registry.add(whole)
        of_whole, of_one, of_other = self.attach(SBOM, whole), self.attach(SBOM), self.attach(SBOM, arm)
        self.pull_ok("--platform", "linux/amd64")
        self.assertLessEqual({of_whole.root, of_one.root}, self.stored())
        self.assertNotIn(of_other.root, self.stored())
        self.lade.ok("images", "unpack", self.ref, "--to", self.scratch / "flat")
        self.assertEqual((self.scratch / "flat/f").read_text(), "text")
        (row,) = self.lade.json("images", "ls")
        self.assertEqual(row["platforms"], ["linux/amd64", "linux/arm64"])

    def test_they_are_not_unpacked(self):
        sbom = self.attach(SBOM)
        pulled = self.lade.json("images", "pull", "--snapshotter", "native", "--with-referrers", self.ref)
        self.assertEqual(len(pulled["chain_ids"]), 1)
        self.assertEqual(len(self.lade.json("snapshots", "--snapshotter", "native", "ls")), 1)
        self.assertLessEqual(set(sbom.blobs), self.stored())

    def test_an_index_that_refers(self):
        part = artifact(None, SBOM)
        listing = {"schemaVersion": 2, "mediaType": OCI + "index.v1+json", "artifactType": SBOM, "manifests": [part.descriptor() | {"platform": None}], "subject": {k: v for k, v in self.image.descriptor().items() if k != "platform"}}
        listing["manifests"] = [{k: v for k, v in part.descriptor().items() if k != "platform"}]
        top = part.document(listing, OCI + "index.v1+json")
        self.add(part)
        self.pull_ok()
        self.lade.ok("gc")
        self.assertEqual(self.stored(), self.everything(self.image, part))
        self.assertIn(top, self.stored())

    def test_what_is_listed_and_is_none_is_left_out(self):
        good, gone, other = self.attach(SBOM), artifact(self.image.descriptor(), SIGNATURE), artifact(None, SIGNATURE)
        self.add(other)
        broken = Image([])
        broken.root, broken.artifact_type, broken.manifest = broken.document(b"{}", OCI + "manifest.v1+json"), SBOM, {"annotations": {}}
        self.add(broken)
        self.use_tag([good, gone, other, broken])
        result = self.pull_ok()
        for one in (gone, other, broken):
            self.assertRegex(result.err, f"warning: referrer {one.root} is left out: ")
        self.lade.ok("gc")
        self.assertEqual(self.stored(), self.everything(self.image, good))

    def test_by_the_tag(self):
        one = self.attach(SBOM)
        self.use_tag([one])
        self.pull_ok()
        self.assertEqual(self.stored(), self.everything(self.image, one))

    def test_wrong_bytes_are_refused(self):
        one = self.attach(SBOM)
        blob = next(name for name in one.blobs if name not in self.image.blobs and one.blobs[name] == b"data")
        self.registry.blobs[blob] = b"evil"
        self.fails(self.pull(), 8, blob)
        self.assertEqual(self.lade.json("images", "ls"), [])

    def test_content_fetch_brings_them_too(self):
        one = self.attach(SBOM)
        self.lade.ok("content", "fetch", "--with-referrers", self.ref)
        self.assertEqual(self.stored(), self.everything(self.image, one))

    def test_what_is_there_is_not_fetched_again(self):
        self.attach(SBOM)
        self.pull_ok()
        self.registry.requests.clear()
        self.pull_ok()
        self.assertEqual([m for m, path, _ in self.registry.requests if "/blobs/" in path or m == "GET" and "/manifests/" in path], [])
        self.registry.requests.clear()
        self.pull_ok("--if-missing")
        self.assertEqual(self.registry.requests, [])


class Artifacts(Referrers):
    def test_content_fetch_of_an_artifact(self):
        for one in (artifact(None, SBOM), artifact(self.image.descriptor(), SBOM)):
            self.add(one)
            ref = f"{self.registry.host}/image@{one.root}"
            self.lade.ok("content", "fetch", ref)
            self.assertEqual({row["digest"] for row in self.lade.json("content", "ls")}, {*one.blobs, *one.documents})
            self.lade.ok("gc")
            self.assertEqual(self.lade.ok("content", "get", next(iter(set(one.blobs) - {digest(b"{}")}))).out, "data")
            self.lade.ok("images", "rm", ref)


class Hosts(Referrers):
    def setUp(self):
        super().setUp()
        self.mirror = BrokenRegistry()
        self.addCleanup(self.mirror.stop)
        self.mirror.add(self.image)
        self.mirror.referrers_page = 100
        self.certs = self.scratch / "certs.d"

    def write(self, *fields):
        folder = self.certs / self.registry.host
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "hosts.toml").write_text(f'[host."http://{self.mirror.host}"]\n' + "\n".join(fields) + "\n")

    def test_a_mirror_that_has_none_leads_on(self):
        one = self.attach(SBOM)
        self.write()
        self.assertEqual(self.listed("--hosts-dir", self.certs), [one.root])
        self.assertEqual(self.mirror.count("GET", "/referrers/"), 1)

    def test_a_mirror_without_the_capability_is_not_asked(self):
        one = self.attach(SBOM)
        self.write('capabilities = ["pull", "resolve"]')
        self.assertEqual(self.listed("--hosts-dir", self.certs), [one.root])
        self.assertEqual(self.mirror.count("GET", "/referrers/"), 0)
        self.assertEqual(self.mirror.count("GET", "sha256-"), 0)

    def test_the_next_page_of_a_mirror_tells_the_registry_once(self):
        self.registry, upstream = self.mirror, self.registry
        wanted = sorted(self.attach(SBOM, data=str(i).encode()).root for i in range(3))
        self.mirror.referrers_page = 2
        self.registry = upstream
        self.write()
        self.assertEqual(self.listed("--hosts-dir", self.certs), wanted)
        for path in (path for _, path, _ in self.mirror.requests if "/referrers/" in path):
            self.assertEqual(urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)["ns"], [upstream.host])

    def test_a_mirror_in_trouble_does_not_matter_when_the_registry_has_none(self):
        self.mirror.fault = lambda handler, path: "/referrers/" in path and handler.error(500)
        self.write()
        self.assertEqual(self.listed("--hosts-dir", self.certs, "--retries", "0"), [])
        self.registry.fault = lambda handler, path: "/referrers/" in path and handler.error(500)
        self.fails(self.list("--hosts-dir", self.certs, "--retries", "0"), 6, "/referrers/")


class StockTag(Case):
    """The stock registry has no referrers API: the tag is all there is."""

    @classmethod
    def setUpClass(cls):
        need_tools("skopeo")
        cls.registry = StockRegistry().start()

    @classmethod
    def tearDownClass(cls):
        cls.registry.stop()

    def test_listed_and_pulled(self):
        image = Image([Layer().file("f", "text")])
        one = artifact(image.descriptor(), SBOM, annotations={"a": "b"})
        ref = self.registry.put("signed", image, "1")
        self.registry.put("signed", one)
        tag = image.root.replace(":", "-")
        self.registry.put_manifest("signed", tag, OCI + "index.v1+json", referrers_index([one]))
        raw = subprocess.run(["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{self.registry.host}/signed:{tag}"], check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout
        wanted = json.loads(raw)["manifests"][0]
        (found,) = self.lade.json("images", "referrers", ref)["referrers"]
        self.assertEqual({key: found[key] for key in wanted}, wanted)
        self.lade.ok("images", "pull", "--no-unpack", "--with-referrers", ref)
        self.assertIn(one.root, {row["digest"] for row in self.lade.json("content", "ls")})
        self.assertEqual([row["digest"] for row in self.lade.json("images", "referrers", "--offline", ref)["referrers"]], [one.root])


class Verbose(Referrers):
    def test_requests_and_rate_limits_are_told(self):
        limits = [{"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "76;w=21600", "Docker-RateLimit-Source": "192.0.2.1\x1b[31m"}]
        def fault(handler, path):
            if handler.command == "HEAD":
                media_type, text = self.registry.manifests["latest"]
                return handler.answer(200, text, {"Content-Type": media_type, "Docker-Content-Digest": self.image.root, **limits[0]})
            return None

        self.registry.fault = fault
        result = self.lade.run("images", "pull", "--no-unpack", "-v", self.ref)
        self.assertEqual(result.code, 0, result.err)
        url = f"http://{self.registry.host}/v2/image/"
        self.assertIn(f"lade: HEAD {url}manifests/latest: 200 OK\n", result.err)
        self.assertIn(f"lade: GET {url}blobs/{self.image.config['digest']}: 200 OK\n", result.err)
        self.assertIn(f"lade: rate limit of {self.registry.host}: 76 of 100 left per 6h, counted for 192.0.2.1\\x1b[31m\n", result.err)
        self.assertNotIn("rate limit", self.lade.run("images", "pull", "--no-unpack", self.ref).err)
        limits[0] = {"x-ratelimit-limit": "60", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "30"}
        self.assertIn("0 of 60 left, reset 30\n", self.lade.run("images", "pull", "--no-unpack", "--verbose", self.ref).err)

    def test_failures_are_told_and_secrets_are_not(self):
        def fault(handler, path):
            if handler.headers.get("Authorization"):
                return handler.error(503)
            return handler.error(401, "UNAUTHORIZED", "login", {"WWW-Authenticate": 'Basic realm="x"'})

        self.registry.fault = fault
        result = self.lade.run("images", "referrers", "-v", "--retries", "1", "-u", "me:s3cret", self.ref)
        self.assertEqual(result.code, 6)
        self.assertIn(": 401 Unauthorized\n", result.err)
        self.assertEqual(result.err.count(": 503 Service Unavailable\n"), 2)
        self.assertNotIn("s3cret", result.err)


if __name__ == "__main__":
    unittest.main()
