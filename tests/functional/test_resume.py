"""A download that breaks off goes on: in the run, in the next process, after the next boot. Bytes that are wrong are found,
and whoever sent them is not asked again."""

import os
import signal
import threading
import time

from support.faults import SHORT
from support.images import Image, Layer, digest
from support.program import need_root
from test_hosts import Hosts


class Resume(Hosts):
    size = 400_000

    def setUp(self):
        super().setUp()
        self.image = Image([Layer().file("big", os.urandom(self.size)), Layer().file("small", "text")])
        self.ref = self.registry.add(self.image)
        self.mirror.add(self.image)
        self.big = self.image.layers[0]["digest"]
        self.body = self.image.blobs[self.big]

    def asked(self, registry=None, name=None, header="Range"):
        return [headers.get(header) for method, path, headers in (registry or self.registry).requests if method == "GET" and (name or self.big) in path]

    def on_big(self, *answers, registry=None):
        """Each of the first requests for the layer is answered by one of these."""
        answers, lock = list(answers), threading.Lock()

        def fault(handler, path):
            if handler.command != "GET" or not path.endswith(self.big):
                return None
            with lock:
                answer = answers.pop(0) if answers else None
            return answer and answer(handler)

        (registry or self.registry).fault = fault

    def cut(self, at, **how):
        registry = how.pop("registry", self.registry)
        return lambda handler: registry.send(handler, how.pop("body", self.body), cut=at, **how)


class InOneRun(Resume):
    def test_wherever_it_breaks_off(self):
        for at in (0, 1, 123_456, len(self.body) - 1):
            with self.subTest(at):
                self.registry.requests.clear()
                self.on_big(self.cut(at))
                self.pull_ok()
                self.assertEqual(self.asked(), [None, f"bytes={at}-" if at else None])
                self.lade.ok("images", "rm", self.ref)

    def test_a_strong_entity_tag_goes_along_and_a_weak_one_does_not(self):
        for etag, wanted in (('"strong"', '"strong"'), ('W/"weak"', None), ("bare", None), ('"two words"', None)):
            with self.subTest(etag):
                self.registry.requests.clear()
                self.on_big(self.cut(1000, headers={"ETag": etag}))
                self.pull_ok()
                self.assertEqual(self.asked(), [None, "bytes=1000-"])
                self.assertEqual(self.asked(header="If-Range"), [None, wanted])
                self.lade.ok("images", "rm", self.ref)

    def test_another_host_does_not_see_the_first_ones_entity_tag(self):
        self.on_big(self.cut(1000, headers={"ETag": '"mirror"'}), registry=self.mirror)
        self.write(self.entry())
        self.pull_ok("--retries", "0")
        self.assertEqual(self.asked(), ["bytes=1000-"])
        self.assertEqual(self.asked(header="If-Range"), [None])

    def test_a_whole_reply_because_the_entity_tag_changed(self):
        self.on_big(self.cut(1000, headers={"ETag": '"a"'}), lambda handler: self.registry.send(handler, self.body, ranges=False, headers={"ETag": '"b"'}))
        result = self.pull_ok()
        self.assertEqual(len(self.asked()), 2)
        self.assertNotIn("anew", result.err)

    def test_content_that_was_put_right_meanwhile(self):
        wrong = bytearray(self.body)
        wrong[5] ^= 1
        right = lambda handler: self.registry.send(handler, self.body, ranges=False, headers={"ETag": '"b"'})
        self.on_big(lambda handler: self.registry.send(handler, bytes(wrong), cut=1000, headers={"ETag": '"a"'}), right, right)
        self.assertIn("fetching it anew", self.pull_ok().err)
        self.assertEqual(self.asked(), [None, "bytes=1000-", None])

    def ranges_are_no_use(self, answer):
        self.on_big(self.cut(1000), answer)
        self.pull_ok("--retries", "1")
        self.assertEqual(self.asked(), [None, "bytes=1000-", None])

    def test_416(self):
        self.ranges_are_no_use(lambda handler: handler.answer(416))

    def test_another_range(self):
        body = self.body
        self.ranges_are_no_use(lambda handler: handler.answer(206, body[500:], {"Content-Range": f"bytes 500-{len(body) - 1}/{len(body)}"}))

    def test_a_range_of_another_size(self):
        body = self.body
        self.ranges_are_no_use(lambda handler: handler.answer(206, body[1000:], {"Content-Range": f"bytes 1000-{len(body) - 1}/{len(body) + 1}"}))

    def test_a_range_in_several_parts(self):
        self.ranges_are_no_use(lambda handler: handler.answer(206, b"--x\r\n\r\n--x--", {"Content-Type": "multipart/byteranges; boundary=x"}))

    def test_a_server_that_gives_little_at_a_time_is_no_failing_one(self):
        def little(handler):
            first = int((handler.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
            end = min(first + 50_000, len(self.body))
            return handler.answer(206, self.body[first:end], {"Content-Range": f"bytes {first}-{end - 1}/{len(self.body)}"})

        self.on_big(*[little] * 20)
        self.pull_ok("--retries", "0")
        self.assertEqual(len(self.asked()), -(-len(self.body) // 50_000))

    def test_a_body_that_never_begins_on_a_mirror_leads_on_at_once(self):
        over = threading.Event()
        self.addCleanup(over.set)

        def silent(handler):
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(self.body)))
            handler.end_headers()
            handler.wfile.flush()
            over.wait(60)
            handler.close_connection = True
            return True

        self.on_big(*[silent] * 9, registry=self.mirror)
        self.write(self.entry())
        self.pull_ok("--stall-timeout", SHORT)
        self.assertEqual(len(self.asked(self.mirror)), 1)
        self.assertEqual(self.asked(), [None])


class InTheNext(Resume):
    """What another process left: 20 MiB and more, with a checkpoint at 16."""

    size = 24 << 20

    def leave(self, at=20 << 20):
        self.on_big(self.cut(at))
        self.assertEqual(self.pull("--retries", "0").code, 6)
        self.registry.fault = None
        self.registry.requests.clear()
        (self.folder,) = [one.parent for one in (self.lade.root / "content/ingest").glob("*/ref") if self.big in one.read_text()]
        self.data = self.folder / "data"
        self.assertEqual(self.data.stat().st_size, at)
        lines = (self.folder / "checkpoints").read_text().splitlines()
        self.checkpoint = int(lines[1].split()[0]) if len(lines) > 1 else 0
        return self.data

    def reboot(self):
        file = self.folder / "checkpoints"
        file.write_text("another-boot\n" + "".join(file.read_text().splitlines(keepends=True)[1:]))

    def change(self, at, data):
        with open(self.data, "r+b") as file:
            file.seek(at)
            file.write(data)

    def goes_on_from(self, *offsets):
        result = self.pull_ok()
        self.assertEqual(self.asked(), [f"bytes={at}-" if at else None for at in offsets])
        return result

    def test_all_of_it_serves(self):
        self.leave()
        self.assertGreaterEqual(self.checkpoint, 16 << 20)
        self.goes_on_from(20 << 20)

    def test_what_is_whole_is_not_asked_for(self):
        self.leave()
        self.change(20 << 20, self.body[20 << 20 :])
        self.goes_on_from()

    def test_a_killed_process_has_lost_nothing(self):
        self.registry.pause = 0.002
        process = self.lade.start("images", "pull", "--no-unpack", "--progress", "none", self.ref)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not any(i["offset"] > 100_000 for i in self.lade.json("content", "active")):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        (left,) = [i["offset"] for i in self.lade.json("content", "active") if self.big in i["ref"]]
        self.registry.pause = 0
        self.registry.requests.clear()
        self.goes_on_from(left)

    def test_after_a_boot_what_was_checked_serves(self):
        self.leave()
        self.reboot()
        self.goes_on_from(self.checkpoint)

    def test_zeros_that_a_power_cut_left_are_not_taken_for_bytes(self):
        self.leave()
        self.change(18 << 20, bytes(2 << 20))
        self.reboot()
        self.assertNotIn("anew", self.goes_on_from(self.checkpoint).err)

    def test_a_power_cut_that_took_bytes_before_the_checkpoint(self):
        self.leave()
        os.truncate(self.data, 10 << 20)
        self.reboot()
        self.goes_on_from(0)

    def test_a_power_cut_that_took_the_checkpoints(self):
        self.leave()
        (self.folder / "checkpoints").write_bytes(bytes(100))
        self.goes_on_from(0)

    def test_an_ingest_of_an_earlier_version(self):
        self.leave()
        (self.folder / "checkpoints").unlink()
        self.goes_on_from(0)

    def test_a_byte_that_changed_before_the_checkpoint_is_found_before_anything_is_fetched(self):
        self.leave()
        self.change(5, bytes([self.body[5] ^ 1]))
        self.assertNotIn("anew", self.goes_on_from(0).err)

    def test_a_byte_that_changed_behind_it_is_found_at_the_end(self):
        self.leave()
        self.change((20 << 20) - 1, bytes([self.body[(20 << 20) - 1] ^ 1]))
        self.assertIn("anew", self.goes_on_from(20 << 20, 0).err)

    def test_what_is_cut_back_may_break_again(self):
        self.leave()
        self.reboot()
        self.on_big(self.cut(1 << 20))
        self.assertEqual(self.pull("--retries", "0").code, 6)
        self.assertEqual(self.data.stat().st_size, self.checkpoint + (1 << 20))
        self.registry.fault = None
        self.registry.requests.clear()
        self.goes_on_from(self.checkpoint + (1 << 20))


class WrongBytes(Resume):
    """A mirror whose bytes are not what their digest says."""

    size = 3_000_000

    def setUp(self):
        super().setUp()
        self.write(self.entry())

    def spoil(self, registry, name, at=0):
        """`at`: which of its bytes is another one."""
        if name in registry.blobs:
            wrong = bytearray(registry.blobs[name])
            wrong[at] ^= 1
            registry.blobs[name] = bytes(wrong)
        else:
            media_type, text = registry.manifests[name]
            wrong = bytearray(text)
            wrong[text.index(b"schemaVersion")] ^= 1

            def fault(handler, path):
                return handler.command == "GET" and path.endswith(name) and handler.answer(200, bytes(wrong), {"Content-Type": media_type})

            registry.fault = fault

    def names(self):
        config = next(name for name in self.image.blobs if name not in [layer["digest"] for layer in self.image.layers])
        return {"layer": self.big, "config": config, "manifest": self.image.root}

    def test_it_is_not_asked_for_them_again_and_the_registry_is(self):
        for kind, name in self.names().items():
            with self.subTest(kind):
                self.registry.requests.clear()
                self.mirror.requests.clear()
                self.spoil(self.mirror, name, 1000 if kind == "layer" else 0)
                result = self.pull_ok()
                self.assertIn(f"{kind} {name}: http://{self.mirror.host} sent something else", result.err)
                self.assertEqual(self.asked(self.mirror, name), [None])
                self.assertEqual([path.rsplit("/", 1)[1] for method, path, _ in self.registry.requests if method == "GET"], [name])
                self.lade.ok("images", "rm", self.ref)
                self.mirror.fault = None
                self.mirror.add(self.image)

    def unpacked(self, at):
        need_root()
        self.spoil(self.mirror, self.big, at)
        self.mirror.pause = 0.01
        result = self.lade.run("images", "pull", "--progress", "none", "--hosts-dir", self.certs, self.ref)
        self.assertEqual(result.code, 0, result.err)
        self.assertIn(f"http://{self.mirror.host} sent something else", result.err)
        self.assertEqual(self.asked(), [None])
        self.assertEqual(self.lade.ingests(), [])

    def test_while_they_are_being_unpacked_and_nobody_notices(self):
        self.unpacked(len(self.body) - 1)

    def test_while_they_are_being_unpacked_and_make_no_sense(self):
        self.unpacked(0)

    def test_a_mirror_that_began_and_the_registry_that_went_on(self):
        self.spoil(self.mirror, self.big, 10)
        self.on_big(self.cut(1_000_000, registry=self.mirror, body=self.mirror.blobs[self.big]), registry=self.mirror)
        result = self.pull_ok("--retries", "0")
        self.assertIn(self.mirror.host, result.err)
        self.assertEqual(self.asked(), ["bytes=1000000-", None])

    def test_nobody_has_the_right_ones(self):
        for kind, name in self.names().items():
            with self.subTest(kind):
                for registry in (self.mirror, self.registry):
                    self.spoil(registry, name, 1000 if kind == "layer" else 0)
                self.fails(self.pull(), 8, name, f"http://{self.registry.host}")
                self.assertEqual([row["ref"] for row in self.lade.json("content", "active") if name in row["ref"]], [])
                self.lade.ok("gc")
                for registry in (self.mirror, self.registry):
                    registry.fault = None
                    registry.add(self.image)

    def test_without_a_mirror(self):
        self.write("")
        self.spoil(self.registry, self.big, 1000)
        self.fails(self.pull(), 8, self.big, f"http://{self.registry.host}")
        self.assertEqual(self.asked(), [None])

    def test_an_object_for_standard_output(self):
        for kind, name in self.names().items():
            if kind != "layer":
                self.spoil(self.mirror, name)
                result = self.lade.run("content", "fetch-blob", "--hosts-dir", self.certs, self.ref, name)
                self.assertEqual(result.code, 0, result.err)
                self.assertEqual(digest(result.out.encode()), name)
