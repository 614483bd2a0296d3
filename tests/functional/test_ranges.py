"""Large layers in closed ranges, by several requests at once: which are made, and what becomes of replies that are not right."""

import os
import re
import threading
import time
import unittest

from support.images import Image, Layer
from support.program import SANITIZED
from test_hosts import Hosts

CHUNK = 64 * 1024


class Ranges(Hosts):
    def setUp(self):
        super().setUp()
        self.image = Image([Layer().file("big", os.urandom(10 * CHUNK))])
        self.ref = self.registry.add(self.image)
        self.mirror.add(self.image)
        self.big = self.image.layers[0]["digest"]
        self.body = self.image.blobs[self.big]

    def chunked(self, *more, **also):
        return self.pull_ok("--chunk-size", CHUNK, "--chunks", "4", *more, **also)

    def asked(self, registry=None):
        return [headers.get("Range") for method, path, headers in (registry or self.registry).requests if method == "GET" and self.big in path]

    def on_big(self, action, registry=None):
        """`action(handler, first, last)` for every request for the layer: as a fault of BrokenRegistry, the range parsed."""

        def fault(handler, path):
            if handler.command != "GET" or not path.endswith(self.big):
                return None
            first, _, last = (handler.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")
            return action(handler, int(first), int(last) if last else None)

        (registry or self.registry).fault = fault

    def assert_each_once(self, asked):
        spans = sorted(tuple(map(int, one.removeprefix("bytes=").split("-"))) for one in asked)
        self.assertEqual([first for first, _ in spans], [0] + [last + 1 for _, last in spans[:-1]])
        self.assertEqual(spans[-1][1], len(self.body) - 1)


class Requests(Ranges):
    def test_every_byte_is_asked_for_once_in_closed_ranges(self):
        self.chunked()
        self.assert_each_once(self.asked())
        self.assertGreater(len(self.asked()), 3)

    def begin(self, handler, first, last):
        """The head and the beginning of the answer to a range."""
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {first}-{last}/{len(self.body)}")
        handler.send_header("Content-Length", str(last + 1 - first))
        handler.end_headers()
        handler.wfile.write(self.body[first : first + 1000])
        handler.wfile.flush()

    def test_as_many_at_once_as_allowed_and_no_more(self):
        running, most, lock, all_there = [0], [0], threading.Lock(), threading.Event()

        def action(handler, first, last):
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
                if running[0] == 4:
                    all_there.set()
            self.begin(handler, first, last)
            arrived = all_there.wait(60)
            with lock:
                running[0] -= 1
            handler.wfile.write(self.body[first + 1000 : last + 1])
            return arrived

        self.on_big(action)
        self.chunked()
        self.assertEqual(most[0], 4)

    def test_none_on_loopback_unless_told_so(self):
        self.pull_ok()
        self.assertEqual(self.asked(), [None])

    def test_none_with_one_request_at_a_time(self):
        self.pull_ok("--chunk-size", CHUNK, "--chunks", "1")
        self.assertEqual(self.asked(), [None])

    def test_none_for_what_is_no_larger_than_a_chunk(self):
        self.pull_ok("--chunks", "4")
        self.assertEqual(self.asked(), [None])

    def test_one_flag_does(self):
        self.pull_ok("--chunk-size", "64KiB")
        self.assert_each_once(self.asked())

    def test_content_fetch(self):
        self.lade.ok("content", "fetch", "--chunk-size", CHUNK, self.ref)
        self.assert_each_once(self.asked())

    def test_a_strong_entity_tag_binds_the_ranges_and_a_weak_one_does_not(self):
        for etag, wanted in (('"strong"', '"strong"'), ('W/"weak"', None), ("bare", None)):
            with self.subTest(etag):
                self.registry.requests.clear()
                self.on_big(lambda handler, first, last, etag=etag: self.registry.send(handler, self.body, headers={"ETag": etag}))
                self.chunked()
                tags = [headers.get("If-Range") for _, path, headers in self.registry.requests if self.big in path and "Range" in headers]
                self.assertEqual(set(tags[1:]), {wanted})
                self.assertIsNone(tags[0])
                self.lade.ok("images", "rm", self.ref)

    def test_bad_numbers_are_refused(self):
        for flag, values in (("--chunks", ("0", "33", "-1", "many")), ("--chunk-size", ("0", "1", "65535", "1GiB", "x"))):
            for value in values:
                self.fails(self.pull(f"{flag}={value}"), 2, flag)
        self.assertEqual(self.registry.requests, [])


class Replies(Ranges):
    """What else may come. The layer is whole in the end each time."""

    def test_the_whole_at_once_is_taken_as_it_comes(self):
        self.on_big(lambda handler, first, last: self.registry.send(handler, self.body, ranges=False))
        self.chunked()
        self.assertEqual(self.asked(), [f"bytes=0-{CHUNK - 1}"])

    def goes_on_as_one_body(self, reply, *more):
        """`reply(handler, first, last)` answers the ranges that are neither first nor open."""
        self.on_big(lambda handler, first, last: reply(handler, first, last) if first and last is not None else None)
        self.chunked(*more)
        self.assert_went_on()

    def assert_went_on(self):
        """One body brought the rest; what was asked for at the same time may be written down later."""
        self.assertEqual(len([asked for asked in self.asked() if re.fullmatch(r"bytes=[1-9][0-9]*-", asked)]), 1)

    def part(self, handler, first, last, told=None, data=None, headers=()):
        data = self.body[first : last + 1] if data is None else data
        return handler.answer(206, data, {"Content-Range": told or f"bytes {first}-{last}/{len(self.body)}", **dict(headers)})

    def test_the_whole_in_place_of_a_later_range(self):
        self.goes_on_as_one_body(lambda handler, first, last: self.registry.send(handler, self.body, ranges=False))

    def test_another_range_than_was_asked_for(self):
        self.goes_on_as_one_body(lambda handler, first, last: self.part(handler, first, last, f"bytes {first - 1}-{last - 1}/{len(self.body)}", self.body[first - 1 : last]))

    def test_a_range_of_another_size(self):
        self.goes_on_as_one_body(lambda handler, first, last: self.part(handler, first, last, f"bytes {first}-{last}/{len(self.body) + 1}"))

    def test_a_range_without_its_place(self):
        self.goes_on_as_one_body(lambda handler, first, last: handler.answer(206, self.body[first : last + 1]))

    def test_a_shorter_range(self):
        self.goes_on_as_one_body(lambda handler, first, last: self.part(handler, first, last - 1))

    def test_a_range_of_other_content(self):
        def reply(handler, first, last):
            if last is None:
                return None
            return self.part(handler, first, last, headers={"ETag": '"b"' if first else '"a"'})

        self.on_big(reply)
        self.chunked()
        self.assert_went_on()

    def test_a_server_that_gives_little_at_a_time(self):
        def reply(handler, first, last):
            end = min(first + 10_000, len(self.body) if last is None else last + 1)
            return self.part(handler, first, end - 1, data=self.body[first:end])

        self.on_big(reply)
        self.chunked("--retries", "0")

    def test_a_server_that_takes_one_request_at_a_time(self):
        busy = threading.Lock()

        def reply(handler, first, last):
            if not busy.acquire(blocking=False):
                return handler.error(503, "TOOMANYREQUESTS")
            try:
                self.registry.send(handler, self.body)
                handler.wfile.flush()
                return True
            finally:
                busy.release()

        self.on_big(reply)
        self.chunked("--retries", "4")

    def test_a_range_that_is_cut_is_taken_up_by_itself(self):
        to_cut, lock = {0, 2 * CHUNK}, threading.Lock()

        def reply(handler, first, last):
            with lock:
                if first not in to_cut:
                    return None
                to_cut.remove(first)
            return self.registry.send(handler, self.body, cut=1000)

        self.on_big(reply)
        self.chunked()
        once = [f"bytes={first}-{min(first + CHUNK, len(self.body)) - 1}" for first in range(0, len(self.body), CHUNK)]
        again = [f"bytes=1000-{CHUNK - 1}", f"bytes={2 * CHUNK + 1000}-{3 * CHUNK - 1}"]
        self.assertEqual(sorted(self.asked()), sorted(once + again))

    def test_what_cannot_be_had_costs_no_more_attempts_than_as_one_body(self):
        self.on_big(lambda handler, first, last: handler.error(503))
        self.fails(self.pull("--chunk-size", CHUNK, "--chunks", "4", "--retries", "1"), 6, self.big)
        self.assertEqual(len(self.asked()), 2)

    def test_a_range_that_fails_is_tried_again_by_itself(self):
        failed, lock = [], threading.Lock()

        def reply(handler, first, last):
            with lock:
                if first and first not in failed and len(failed) < 3:
                    failed.append(first)
                    return handler.error(503)
            return None

        self.on_big(reply)
        self.chunked()
        self.assertEqual(len(self.asked()), len(set(self.asked())) + 3)
        self.assert_each_once(set(self.asked()))

    def test_a_range_that_a_mirror_has_not_comes_from_the_next_host(self):
        self.on_big(lambda handler, first, last: first == 2 * CHUNK and handler.error(404), self.mirror)
        self.write(self.entry())
        self.chunked()
        self.assertEqual(self.asked(), [f"bytes={2 * CHUNK}-{3 * CHUNK - 1}"])

    def test_wrong_bytes_in_one_range_of_a_mirror(self):
        def reply(handler, first, last):
            wrong = bytearray(self.body)
            wrong[3 * CHUNK] ^= 1
            return self.registry.send(handler, bytes(wrong))

        self.on_big(reply, self.mirror)
        self.write(self.entry())
        result = self.chunked()
        self.assertIn(self.mirror.host, result.err)
        self.assert_each_once(self.asked())


class Memory(Ranges):
    size = 128 << 20

    def setUp(self):
        if SANITIZED:
            raise unittest.SkipTest("what is freed stays in memory")
        super().setUp()
        self.image = Image([Layer().file("big", os.urandom(self.size))], compression="plain")
        self.ref = self.registry.add(self.image)
        self.big = self.image.layers[0]["digest"]
        self.body = self.image.blobs[self.big]

    def test_long_pieces_do_not_fill_it(self):
        """The first range hangs until the others, of which there are 96 MiB, get no further."""
        sent, lock = [0], threading.Lock()

        def reply(handler, first, last):
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {first}-{last}/{len(self.body)}")
            handler.send_header("Content-Length", str(last + 1 - first))
            handler.end_headers()
            for at in range(first, last + 1, 1 << 20):
                handler.wfile.write(self.body[at : min(at + (1 << 20), last + 1)])
                with lock:
                    sent[0] += 1
                before, rounds = -1, 0
                while first == 0 and at == 1 << 20 and (before != sent[0] or sent[0] < 32) and rounds < 100:
                    before, rounds = sent[0], rounds + 1
                    time.sleep(0.3)
            return True

        self.on_big(reply)
        process = self.lade.start("images", "pull", "--no-unpack", "--progress", "none", "--hosts-dir", self.certs, "--chunk-size", "32MiB", "--chunks", "5", self.ref)
        most = 0
        while process.poll() is None:
            try:
                with open(f"/proc/{process.pid}/status") as status:
                    most = max([most, *(int(line.split()[1]) for line in status if line.startswith("VmHWM"))])
            except ProcessLookupError:
                pass
            time.sleep(0.01)
        _, err = process.communicate()
        self.assertEqual(process.returncode, 0, err)
        self.assertGreater(most, 0)
        self.assertLess(most, 90 * 1024)


class Killed(Ranges):
    def test_only_what_is_contiguous_counts(self):
        """The first range is held in its middle while later ones are done; then the process dies."""
        release, later = threading.Event(), threading.Semaphore(0)
        self.addCleanup(release.set)

        def reply(handler, first, last):
            if first == 0:
                handler.send_response(206)
                handler.send_header("Content-Range", f"bytes 0-{last}/{len(self.body)}")
                handler.send_header("Content-Length", str(last + 1))
                handler.end_headers()
                handler.wfile.write(self.body[:20_000])
                handler.wfile.flush()
                release.wait(60)
                handler.close_connection = True
                return True
            self.registry.send(handler, self.body)
            later.release()
            return True

        self.on_big(reply)
        process = self.lade.start("images", "pull", "--no-unpack", "--progress", "none", "--chunk-size", CHUNK, "--chunks", "4", self.ref)
        for _ in range(3):
            self.assertTrue(later.acquire(timeout=60))
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not any(i["offset"] == 20_000 for i in self.lade.json("content", "active")):
            time.sleep(0.02)
        process.kill()
        process.communicate()
        (left,) = [i for i in self.lade.json("content", "active") if self.big in i["ref"]]
        self.assertEqual(left["offset"], 20_000)
        self.registry.fault = None
        self.registry.requests.clear()
        self.chunked()
        # What the process that died had asked for may be written down as late as this; it began behind the first range.
        self.assertEqual(min(self.asked(), key=lambda asked: int(re.match(r"bytes=(\d+)-", asked)[1])), f"bytes=20000-{20_000 + CHUNK - 1}")
