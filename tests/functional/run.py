#!/usr/bin/env python3
"""Runs the functional tests: run.py --lade PATH [--sanitized] [PATTERN]. Closes with 'N passed, N failed, N skipped'."""

import argparse
import os
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lade", default="build/src/lade")
    parser.add_argument("--sanitized", action="store_true", help="the binary is a sanitizer build: fewer repetitions, longer waits")
    parser.add_argument("pattern", nargs="?", default="")
    options = parser.parse_args()
    os.environ["LADE"] = str(Path(options.lade).resolve())
    if options.sanitized:
        os.environ["LADE_SANITIZED"] = "1"
    here = Path(__file__).parent
    sys.path.insert(0, str(here))
    suite = unittest.TestSuite()

    def select(tests):
        for test in tests:
            if isinstance(test, unittest.TestSuite):
                select(test)
            elif options.pattern in test.id():
                suite.addTest(test)

    select(unittest.defaultTestLoader.discover(str(here), pattern="test_*.py", top_level_dir=str(here)))
    result = unittest.TextTestRunner(resultclass=Report, verbosity=0, stream=sys.stdout).run(suite)
    failed = len(result.failures) + len(result.errors)
    print(f"{getattr(result, 'passed', 0)} passed, {failed} failed, {len(result.skipped)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
