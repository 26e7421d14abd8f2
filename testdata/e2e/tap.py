#!/usr/bin/env python3
"""tap.py FILE [CASE...]: runs the unittest cases of FILE and reports them as TAP on standard output."""

import importlib.util
import os
import sys
import unittest


class TapResult(unittest.TestResult):
    """Prints a line per case as it ends, and what went wrong as comments."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def line(self, good, test, remark=""):
        self.count += 1
        name = test.id().split(".", 1)[-1]
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}{remark}", flush=True)

    def explain(self, test, err):
        for line in self._exc_info_to_string(err, test).splitlines():
            print(f"# {line}", flush=True)

    def addSuccess(self, test):
        self.line(True, test)

    def addSkip(self, test, reason):
        self.line(True, test, f" # SKIP {reason}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line(False, test)
        self.explain(test, err)

    def addError(self, test, err):
        super().addError(test, err)
        self.line(False, test)
        self.explain(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.line(False, subtest)
            self.explain(test, err)


def main(path, *cases):
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    loader = unittest.defaultTestLoader
    suite = loader.loadTestsFromNames(cases, module) if cases else loader.loadTestsFromModule(module)
    result = TapResult()
    suite.run(result)
    print(f"1..{result.count}", flush=True)
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
