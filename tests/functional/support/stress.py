"""Pulls, collections, removals and tags in loops, at the same time, on one store."""

import os
import random
import threading
import time

from support.images import Image, Layer

PULLS, COLLECTIONS = 8, 4


def images():
    """Four images that share layers in every way."""
    layers = [Layer().file(f"f{i}", bytes([i]) * 20_000).file(f"r{i}", os.urandom(60_000)).bytes() for i in range(5)]
    return [Image([layers[i] for i in chosen]) for chosen in ((0, 1), (0, 1, 2), (3,), (0, 3, 4))]


class Stress:
    """`failures` has one text for each command that failed though nothing excuses it."""

    def __init__(self, lade, refs, seconds, seed):
        self.lade, self.refs, self.seconds, self.seed = lade, refs, seconds, seed
        self.failures = []
        self.counts = {}
        self.lock = threading.Lock()

    def command(self, excused, *args):
        result = self.lade.run(*args, timeout=600)
        with self.lock:
            self.counts[args[:2]] = self.counts.get(args[:2], 0) + 1
            # A name that somebody else removed or made in between is the only thing that may go wrong.
            if result.code not in (0, *excused):
                self.failures.append(f"lade {' '.join(args)}: exit {result.code}: {result.err}")

    def pull(self, chance):
        self.command((), "images", "pull", "--progress", "none", chance.choice(self.refs))

    def change(self, chance):
        tagged = [f"example.org/tag:{i}" for i in range(3)]
        if chance.random() < 0.5:
            self.command((3,), "images", "rm", chance.choice(self.refs + tagged))
        else:
            self.command((3,), "images", "tag", "--force", chance.choice(self.refs), chance.choice(tagged))

    def collect(self, _chance):
        self.command((), "gc")

    def run(self):
        end = time.monotonic() + self.seconds

        def loop(work, number):
            chance = random.Random(f"{self.seed}-{number}")
            while time.monotonic() < end and not self.failures:
                work(chance)

        works = [self.pull] * PULLS + [self.collect] * COLLECTIONS + [self.change] * 2
        threads = [threading.Thread(target=loop, args=(work, number)) for number, work in enumerate(works)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self
