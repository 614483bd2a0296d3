"""What may be fetched, and from whom: ambiguous documents, sizes, foreign layers, artifacts, attestations, notices."""

import json
import unittest

from support.broken import BrokenRegistry, RegistryCase, basic
from support.elsewhere import Elsewhere
from support.images import DOCKER, OCI, Image, Layer, digest, index_of
from support.program import need_root, need_tools

MANIFEST, INDEX = OCI + "manifest.v1+json", OCI + "index.v1+json"
EMPTY = OCI.removesuffix("image.") + "empty.v1+json"


class FetchCase(RegistryCase):
    def pull(self, ref, *more, **env):
        return self.lade.run("images", "pull", "--progress", "none", "--retries", "0", *more, ref, **env)

    def stored(self):
        """What an attempt left behind: names, blobs and unfinished ones, before a collection could hide it."""
        listed = [self.lade.json(*words) for words in (("images", "ls"), ("content", "ls"), ("content", "active"))]
        return [one.get("name") or one.get("digest") or one["ref"] for rows in listed for one in rows]


class Documents(FetchCase):
    """The same bytes must not be one thing to us and another to somebody else."""

    def test_what_is_ambiguous_is_refused(self):
        image = Image([Layer().file("a", "a")])
        index = index_of([image])
        manifest, whole = image.manifest, json.loads(index.documents[index.root][1])
        docker = DOCKER + "distribution.manifest.v2+json"
        schema1 = DOCKER + "distribution.manifest.v1+prettyjws"
        cases = {  # name: (what the header of the reply says, the document, exit code)
            "a manifest that is an index": (MANIFEST, {**whole, **manifest}, 2),
            "an index that is a manifest": (INDEX, {**manifest, **whole}, 2),
            "an index with layers": (INDEX, {**whole, "layers": []}, 2),
            "an index with a config": (INDEX, {**whole, "config": image.config}, 2),
            "a manifest with fsLayers": (MANIFEST, {**manifest, "fsLayers": []}, 2),
            "an index with fsLayers": (INDEX, {**whole, "fsLayers": []}, 2),
            "schema 1 with layers": (schema1, {**manifest, "schemaVersion": 1, "mediaType": schema1}, 2),
            "a manifest called an index": (INDEX, manifest, 2),
            "an index called a manifest": (MANIFEST, whole, 2),
            "OCI's called docker's": (docker, manifest, 2),
            "a manifest called schema 1": (schema1, manifest, 2),
            "a manifest called a layer": (OCI + "layer.v1.tar+gzip", manifest, 2),
            "a page": ("text/html", manifest, 5),
            "no object": (MANIFEST, [manifest], 2),
        }
        self.registry.add(image)
        for name, (media_type, document, code) in cases.items():
            with self.subTest(name):
                text = json.dumps(document).encode()
                self.registry.manifests["bad"] = self.registry.manifests[digest(text)] = (media_type, text)
                self.fails(self.pull(f"{self.registry.host}/image:bad"), code)
                self.assertEqual(self.stored(), [])

    def test_another_type_in_the_reply_than_in_the_descriptor(self):
        """By tag the registry says one thing, by digest another; or an index says one thing and the registry another."""
        image = Image([Layer().file("a", "a")])
        self.registry.add(image)
        ref = self.registry.add(index_of([image]), "index")
        text = image.documents[image.root][1]
        for other in (INDEX, DOCKER + "distribution.manifest.v2+json", DOCKER + "distribution.manifest.v1+json"):
            with self.subTest(other):
                self.registry.manifests[image.root] = (other, text)
                self.fails(self.pull(ref), 8, other, MANIFEST)
                self.assertNotIn(image.root, self.stored())

    def test_a_server_that_knows_only_files(self):
        image = Image([Layer().file("a", "a")])
        ref = self.registry.add(image)
        text = image.documents[image.root][1]
        self.registry.manifests[image.root] = ("application/octet-stream", text)
        self.assertEqual(self.pull(ref).code, 0)


class Sizes(FetchCase):
    def serve(self, **changes):
        self.image = Image([Layer().file("a", "a" * 5000)])
        self.layer = self.image.layers[0]["digest"]
        self.image.manifest["layers"][0].update(changes)
        self.image.root = self.image.document(self.image.manifest, MANIFEST)
        return self.registry.add(self.image)

    def test_sizes_that_cannot_be(self):
        for size, code in {10**19: 2, -1: 2, 1.5: 2, "5": 2, None: 2, 2**63 - 1: 8, 10**15: 8, 1: 8}.items():
            with self.subTest(size):
                ref = self.serve(size=size)
                self.fails(self.pull(ref), code, self.image.root if code == 2 else self.layer)
                self.assertEqual([one for one in self.stored() if self.layer in one], [], "not a byte of it")

    def test_a_body_that_does_not_say_its_length(self):
        ref = self.serve()
        body = self.image.blobs[self.layer]
        for wrong in (body + b"x" * 100_000, body + b"x", body[:-1], b""):
            with self.subTest(len(wrong)):

                def chunked(handler, path, wrong=wrong):
                    if "/blobs/" not in path or not path.endswith(self.layer) or handler.command != "GET":
                        return None
                    handler.send_response(200)
                    handler.send_header("Transfer-Encoding", "chunked")
                    handler.end_headers()
                    for at in range(0, len(wrong), 1000):
                        piece = wrong[at : at + 1000]
                        handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    handler.wfile.write(b"0\r\n\r\n")
                    return True

                self.registry.fault = chunked
                self.fails(self.pull(ref), 8 if len(wrong) > len(body) else 6, self.layer)
                self.assertNotIn(self.layer, self.stored(), "a blob; bytes to go on from may stay")
        self.registry.fault = None
        self.assertEqual(self.pull(ref).code, 0)

    def test_a_document_larger_than_any_is_not_fetched(self):
        self.image = Image([])
        self.image.config["size"] = 9 * 1024 * 1024
        self.image.root = self.image.document(self.image.manifest, MANIFEST)
        self.fails(self.pull(self.registry.add(self.image)), 9, self.image.config["digest"])
        self.assertEqual(self.registry.count("GET", "/blobs/"), 0)


class ForeignLayers(FetchCase):
    def setUp(self):
        super().setUp()
        self.elsewhere = BrokenRegistry()
        self.addCleanup(self.elsewhere.stop)
        self.served = {}
        self.elsewhere.fault = lambda handler, path: self.serve(handler, path)
        self.image = Image([Layer().file("a", "ours"), Layer().file("b", "theirs" * 10_000)])
        self.layer = self.image.layers[1]["digest"]
        self.body = self.image.blobs[self.layer]

    def serve(self, handler, path):
        if path not in self.served:
            return handler.error(404)
        return self.elsewhere.send(handler, self.served[path])

    def at(self, path, body=None):
        if body is not None:
            self.served[path] = body
        return f"http://{self.elsewhere.host}{path}"

    def offer(self, *urls, keep=False):
        """The image, with these URLs for its second layer, which the registry has not unless `keep`."""
        self.image.manifest["layers"][1].update(mediaType=OCI + "layer.nondistributable.v1.tar+gzip", urls=list(urls))
        self.image.root = self.image.document(self.image.manifest, MANIFEST)
        ref = self.registry.add(self.image)
        if not keep:
            del self.registry.blobs[self.layer]
        return ref

    def test_not_without_being_asked(self):
        ref = self.offer(self.at("/layer", self.body))
        self.fails(self.pull(ref), 5, self.layer, self.elsewhere.host, "--foreign-layers")
        self.assertEqual(self.elsewhere.requests, [])
        self.assertEqual(self.lade.json("images", "ls"), [])

    def test_the_registry_is_asked_first(self):
        ref = self.offer(self.at("/layer", self.body), keep=True)
        self.assertEqual(self.pull(ref).code, 0)
        self.assertEqual(self.pull(ref, "--foreign-layers").code, 0)
        self.assertEqual(self.elsewhere.requests, [])

    def test_on_request(self):
        ref = self.offer(self.at("/layer", self.body))
        for command in (("content", "fetch"), ("images", "pull")):
            self.lade.ok(*command, "--foreign-layers", ref)
        self.lade.ok("images", "unpack", "--to", self.scratch / "to", ref)
        self.assertEqual((self.scratch / "to/b").read_text(), "theirs" * 10_000)
        self.assertEqual(self.elsewhere.count("GET", "/layer"), 1)

    def test_nothing_of_ours_goes_there(self):
        hosts = self.scratch / "hosts" / self.registry.host
        hosts.mkdir(parents=True)
        (hosts / "hosts.toml").write_text(f'server = "http://{self.registry.host}"\n[header]\nX-Ours = "secret"\n')
        self.registry.fault = lambda handler, path: handler.headers.get("Authorization") != basic("me", "secret") and handler.error(
            401, headers={"WWW-Authenticate": 'Basic realm="x"'}
        )
        # Whoever keeps credentials for that host keeps them for a registry, not for whatever a manifest names.
        (self.scratch / ".docker").mkdir()
        auths = {"auths": {self.elsewhere.host: {"username": "other", "password": "secret"}}}
        (self.scratch / ".docker/config.json").write_text(json.dumps(auths))
        ref = self.offer(self.at("/layer", self.body))
        self.lade.ok("images", "pull", "--foreign-layers", "-u", "me:secret", "--hosts-dir", self.scratch / "hosts", ref)
        ((method, path, headers),) = self.elsewhere.requests
        self.assertEqual((method, path), ("GET", "/layer"))
        self.assertEqual({name.lower() for name in headers} - {"host", "accept", "accept-encoding", "user-agent"}, set())

    def test_urls_are_tried_in_order(self):
        ref = self.offer("ftp://127.0.0.1/layer", self.at("/missing"), self.at("/layer", self.body), self.at("/never"))
        self.assertEqual(self.pull(ref, "--foreign-layers").code, 0)
        self.assertEqual([path for _, path, _ in self.elsewhere.requests], ["/missing", "/layer"])

    def test_what_they_have_is_verified(self):
        cases = {
            "other bytes": ([self.at("/other", self.body[:-1] + b"x"), self.at("/layer", self.body)], 8),
            "longer": ([self.at("/longer", self.body + b"x")], 8),
            "nowhere": ([self.at("/missing"), self.at("/missing2")], 3),
            "no such scheme": (["file:///etc/passwd"], 3),
        }
        for name, (urls, code) in cases.items():
            with self.subTest(name):
                self.fails(self.pull(self.offer(*urls), "--foreign-layers"), code, self.layer)
                self.assertNotIn(self.layer, self.stored())

    def test_a_failure_ends_it(self):
        ref = self.offer(self.at("/first"), self.at("/layer", self.body))
        self.elsewhere.fault = lambda handler, path: handler.error(403) if path == "/first" else self.serve(handler, path)
        self.fails(self.pull(ref, "--foreign-layers"), 7, "/first")
        self.assertEqual(self.elsewhere.count("GET", "/layer"), 0)

    def test_a_cut_is_taken_up_again(self):
        ref = self.offer(self.at("/layer", self.body))
        cuts = [100]

        def cut(handler, path):
            return self.elsewhere.send(handler, self.body, cut=cuts.pop() if cuts else None)

        self.elsewhere.fault = cut
        self.lade.ok("images", "pull", "--foreign-layers", ref)
        self.assertEqual([headers.get("Range") for _, _, headers in self.elsewhere.requests], [None, "bytes=100-"])

    def test_a_redirect_is_followed(self):
        self.at("/layer", self.body)
        self.elsewhere.fault = lambda handler, path: (
            handler.answer(302, headers={"Location": "/layer"}) if path == "/moved" else self.serve(handler, path)
        )
        self.assertEqual(self.pull(self.offer(self.at("/moved")), "--foreign-layers").code, 0)

    def test_a_registry_elsewhere_may_not_send_us_home(self):
        need_root()
        need_tools("ip", "nsenter")
        place = Elsewhere()
        self.addCleanup(place.stop)
        self.registry = place.call(lambda: BrokenRegistry(Elsewhere.addresses[0]))
        self.addCleanup(self.registry.stop)
        home = place.call(BrokenRegistry)
        self.addCleanup(home.stop)
        foreign = place.call(lambda: BrokenRegistry(Elsewhere.addresses[1]))
        self.addCleanup(foreign.stop)
        foreign.fault = lambda handler, path: handler.answer(302, headers={"Location": f"http://{home.host}/layer"})
        for url in (f"http://{home.host}/layer", "http://10.0.0.1/layer", "http://[fd00::1]/layer", f"http://{foreign.host}/layer"):
            with self.subTest(url):
                result = self.pull(self.offer(url), "--foreign-layers", "--plain-http", prefix=place.prefix)
                self.fails(result, 7, self.layer, "refused")
        self.assertEqual(home.requests, [])
        foreign.fault = lambda handler, path: foreign.send(handler, self.body)
        ref = self.offer(f"http://{foreign.host}/layer")
        result = self.pull(ref, "--foreign-layers", "--plain-http", prefix=place.prefix)
        self.assertEqual(result.code, 0, result.err)


    def test_a_registry_in_a_private_network_may_name_its_neighbours(self):
        need_root()
        need_tools("ip", "nsenter")
        place = Elsewhere()
        self.addCleanup(place.stop)

        def serve(address):
            registry = place.call(lambda: BrokenRegistry(address))
            self.addCleanup(registry.stop)
            return registry

        self.registry, neighbour, home = serve(Elsewhere.private[0]), serve(Elsewhere.private[1]), serve("127.0.0.1")

        def pull(url, *flags):
            return self.pull(self.offer(url), "--foreign-layers", "--plain-http", *flags, prefix=place.prefix)

        # This machine is nearer than that.
        for url in (f"http://{home.host}/layer", "http://169.254.169.254/layer", "http://[::1]:1/layer"):
            with self.subTest(url):
                self.fails(pull(url), 7, self.layer, "refused", "local address")
        neighbour.fault = lambda handler, path: handler.answer(302, headers={"Location": f"http://{home.host}/layer"})
        self.fails(pull(f"http://{neighbour.host}/layer"), 7, self.layer, "local address")
        self.assertEqual(home.requests, [])
        neighbour.fault = lambda handler, path: neighbour.send(handler, self.body)
        result = pull(f"http://{neighbour.host}/layer")
        self.assertEqual(result.code, 0, result.err)

        # A mirror in the private network makes no neighbour of a registry that is elsewhere.
        self.lade.ok("images", "rm", f"{self.registry.host}/image:latest")
        self.lade.ok("gc")
        mirror, self.registry = self.registry, serve(Elsewhere.addresses[0])
        ref = self.offer(f"http://{neighbour.host}/layer")
        mirror.blobs, mirror.manifests = self.registry.blobs, self.registry.manifests
        hosts = self.scratch / "hosts" / self.registry.host
        hosts.mkdir(parents=True)
        (hosts / "hosts.toml").write_text(f'[host."http://{mirror.host}"]\n')
        neighbour.requests.clear()
        result = self.pull(ref, "--foreign-layers", "--plain-http", "--hosts-dir", hosts.parent, prefix=place.prefix)
        self.fails(result, 7, self.layer, "private network")
        self.assertEqual(neighbour.requests, [])


class Notices(FetchCase):
    def test_each_is_shown_once(self):
        ref = self.registry.add(Image([Layer().file("a", "a"), Layer().file("b", "b")]))

        def answer(handler, path):
            # Beside whatever else the reply says.
            send = handler.send_response

            def with_warning(status, *more):
                send(status, *more)
                handler.send_header("Warning", '299 - "this is \\"going\\" away%1b[31m"')
                handler.send_header("Warning", '199 - "not for people"')

            handler.send_response = with_warning

        self.registry.fault = answer
        result = self.pull(ref)
        self.assertEqual(result.code, 0)
        self.assertGreater(len(self.registry.requests), 3)
        shown = [line for line in result.err.splitlines() if "going" in line]
        self.assertEqual(shown, [f'lade: warning: {self.registry.host}: this is "going" away\\x1b[31m'])
        self.assertNotIn("not for people", result.err)


class Artifacts(FetchCase):
    def artifact(self, config_type, artifact_type=None):
        image = Image([])
        layer = image.blob(b"some data", "application/vnd.example.data")
        config = image.blob(b"{}", config_type)
        manifest = {**image.manifest, "config": config, "layers": [layer]}
        if artifact_type:
            manifest["artifactType"] = artifact_type
        image.root = image.document(manifest, MANIFEST)
        return image, self.registry.add(image), {image.root, config["digest"], layer["digest"]}

    def test_content_is_kept(self):
        for config, artifact in (
            (EMPTY, "application/vnd.example+type"),
            ("application/vnd.cncf.helm.config.v1+json", None),
            ("application/vnd.oci.image.config.unknown", None),
        ):
            for command in (("content", "fetch"), ("images", "pull", "--no-unpack"), ("images", "pull")):
                with self.subTest(" ".join((config, *command))):
                    image, ref, blobs = self.artifact(config, artifact)
                    result = self.lade.ok(*command, "--json", "--progress", "none", ref)
                    pulled = result.json()
                    self.assertEqual((pulled["target"]["digest"], pulled["chain_ids"]), (image.root, []))
                    said = [line for line in result.err.splitlines() if "artifact" in line]
                    if command == ("images", "pull"):
                        (line,) = said
                        self.assertIn(artifact or config, line)
                        self.assertIn("nothing to unpack", line)
                    else:
                        self.assertEqual(said, [])
                    self.lade.ok("gc")
                    self.assertEqual({row["digest"] for row in self.lade.json("content", "ls")}, blobs)
                    self.lade.ok("images", "rm", ref)
                    self.lade.ok("gc")

    def test_what_is_here_is_not_unpacked_either(self):
        image, ref, _ = self.artifact(EMPTY, "application/vnd.example")
        self.lade.ok("images", "pull", ref)
        for policy in ("--if-missing", "--if-newer", "--offline"):
            with self.subTest(policy):
                pulled = self.lade.json("images", "pull", policy, ref)
                self.assertEqual((pulled["target"]["digest"], pulled["chain_ids"]), (image.root, []))

    def test_it_is_no_image_when_it_is_to_be_one(self):
        _, ref, _ = self.artifact(EMPTY, "application/vnd.example")
        self.lade.ok("content", "fetch", ref)
        self.fails(self.lade.run("images", "unpack", ref), 2, "not an image")

    def test_an_image_with_layers_of_another_kind(self):
        image = Image([Layer().file("a", "a")])
        image.manifest["layers"][0]["mediaType"] = "application/vnd.wasm.content.layer.v1+wasm"
        image.root = image.document(image.manifest, MANIFEST)
        ref = self.registry.add(image)
        self.fails(self.pull(ref), 1, "vnd.wasm")
        self.assertEqual(self.pull(ref, "--no-unpack").code, 0)


class Attestations(FetchCase):
    """What build tools add is never an image, whatever platform is asked for."""

    def serve(self, **changes):
        image = Image([Layer().file("a", "a")])
        other = Image([Layer().file("never", "unpacked")])
        index = index_of([image, other])
        whole = json.loads(index.documents.pop(index.root)[1])
        whole["manifests"].reverse()
        whole["manifests"][0].pop("platform")
        whole["manifests"][0].update(changes)
        index.root = index.document(whole, INDEX)
        return image, self.registry.add(index)

    def test_it_is_not_chosen(self):
        says_so = {"vnd.docker.reference.type": "attestation-manifest"}
        unknown = {"os": "unknown", "architecture": "unknown"}
        real = {"os": "linux", "architecture": "amd64"}
        for name, changes in {
            "annotated": {"annotations": says_so},
            "annotated, for nothing known": {"annotations": says_so, "platform": unknown},
            "annotated, with a real platform": {"annotations": says_so, "platform": real},
            "for nothing known": {"platform": unknown},
        }.items():
            with self.subTest(name):
                image, ref = self.serve(**changes)
                self.lade.ok("images", "pull", "--platform", "linux/amd64", "--no-unpack", ref)
                blobs = {row["digest"] for row in self.lade.json("content", "ls")}
                self.assertIn(image.layers[0]["digest"], blobs)
                self.assertEqual(len(blobs), 4)
                result = self.pull(ref, "--no-unpack", "--platform", "linux/s390x")
                self.fails(result, 3, "available: linux/amd64")
                self.assertNotIn("unknown", result.err)
                self.lade.ok("images", "rm", ref)
                self.lade.ok("gc")

    def test_another_annotation_does_not_make_one(self):
        annotations = {"vnd.docker.reference.type": "something"}
        _, ref = self.serve(annotations=annotations, platform={"os": "linux", "architecture": "s390x"})
        self.assertEqual(self.pull(ref, "--no-unpack", "--platform", "linux/s390x").code, 0)


if __name__ == "__main__":
    unittest.main()
