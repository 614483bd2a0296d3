#!/usr/bin/env python3
"""Runs the functional tests: run.py --lade PATH [--sanitized] [--jobs N] [PATTERN]. Closes with 'N passed, N failed, N skipped'."""

import argparse
import concurrent.futures
import io
import multiprocessing
import os
import re
import sys
import time
import unittest
from pathlib import Path


class Report(unittest.TextTestResult):
    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def line(self, test, word):
        self.stream.writeln(f"{word:7} {time.monotonic() - self.began:6.1f}s  {test.id()}")
        self.stream.flush()

    def addSuccess(self, test):
        unittest.TestResult.addSuccess(self, test)
        self.passed = getattr(self, "passed", 0) + 1
        self.line(test, "ok")

    def addFailure(self, test, err):
        unittest.TestResult.addFailure(self, test, err)
        self.line(test, "FAILED")

    def addError(self, test, err):
        unittest.TestResult.addError(self, test, err)
        self.began = getattr(self, "began", time.monotonic())
        self.line(test, "FAILED")

    def addSkip(self, test, reason):
        unittest.TestResult.addSkip(self, test, reason)
        self.began = getattr(self, "began", time.monotonic())
        self.line(test, "skip")
        self.stream.writeln(f"        {reason}")


def run(tests):
    """Runs the tests of one class; its report, and how many passed, failed and were skipped."""
    sys.stdout = stream = io.StringIO()
    try:
        result = unittest.TextTestRunner(resultclass=Report, verbosity=0, stream=stream).run(unittest.TestSuite(tests))
    finally:
        sys.stdout = sys.__stdout__
    # Each class would have a summary of its own.
    report = re.sub(r"-{70}\nRan \d+ tests? in [\d.]+s\n\n(OK|FAILED).*\n", "", stream.getvalue())
    return report, (getattr(result, "passed", 0), len(result.failures) + len(result.errors), len(result.skipped))


def choose_worker(numbers):
    os.environ["LADE_TEST_WORKER"] = str(numbers.get())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lade", default="build/src/lade")
    parser.add_argument("--sanitized", action="store_true", help="the binary is a sanitizer build: fewer repetitions, longer waits")
    parser.add_argument("--jobs", type=int, default=1, help="classes of tests run at the same time")
    parser.add_argument("pattern", nargs="?", default="")
    options = parser.parse_args()
    os.environ["LADE"] = str(Path(options.lade).resolve())
    if options.sanitized:
        os.environ["LADE_SANITIZED"] = "1"
    here = Path(__file__).parent
    sys.path.insert(0, str(here))
    classes = {}

    def select(tests):
        for test in tests:
            if isinstance(test, unittest.TestSuite):
                select(test)
            elif options.pattern in test.id():
                classes.setdefault(type(test), []).append(test)

    select(unittest.defaultTestLoader.discover(str(here), pattern="test_*.py", top_level_dir=str(here)))
    fork = multiprocessing.get_context("fork")
    numbers = fork.SimpleQueue()
    for number in range(options.jobs):
        numbers.put(number)
    total = [0, 0, 0]
    with concurrent.futures.ProcessPoolExecutor(options.jobs, mp_context=fork, initializer=choose_worker, initargs=(numbers,)) as pool:
        for done in concurrent.futures.as_completed([pool.submit(run, tests) for tests in classes.values()]):
            report, counts = done.result()
            print(report, end="", flush=True)
            total = [sum(pair) for pair in zip(total, counts)]
    print("{} passed, {} failed, {} skipped".format(*total))
    return 1 if total[1] else 0


if __name__ == "__main__":
    sys.exit(main())
