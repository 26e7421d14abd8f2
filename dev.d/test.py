#!/usr/bin/env python3
"""test.py BUILD [NAME]: runs the tests of a build folder and counts their cases.

Without NAME all tests of the folder run (under a sanitizer: the unit tests); with NAME those that
have it in their name. meson runs them; the cases are counted from the TAP each one printed, so a
program that dies half-way costs one failure besides the cases it did not reach. The output of what
failed and the reason of each skip are printed; the last line is `N passed, N failed, N skipped`.
"""

import json
import os
import re
import shutil
import subprocess
import sys

CASE = re.compile(r"(not )?ok\b *(\d*)(?: *- *)?([^#]*)(?:# *(skip|todo)\w* *(.*))?$", re.IGNORECASE)
PLAN = re.compile(r"1\.\.(\d+)(?: *# *skip\w* *(.*))?$", re.IGNORECASE)
PROGRESS = re.compile(r" *\d+/\d+ ")

# What a finding of a sanitizer does: it ends the program, and with that fails the test.
SANITIZERS = {
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1:check_initialization_order=1",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


class Counts:
    def __init__(self):
        self.passed = 0
        self.failures = []
        self.skips = []

    def add(self, test):
        """Adds the cases of one test program, as meson logged it."""
        name, code, out = test["name"], test["returncode"], test.get("stdout", "")
        seen = failed = 0
        planned = None
        for line in out.splitlines():
            if plan := PLAN.match(line):
                planned = int(plan[1])
                if planned == 0:
                    self.skips.append((name, plan[2] or "no reason given"))
            elif case := CASE.match(line):
                seen += 1
                label = f"{name}: {case[3].strip() or case[2]}"
                # cmocka 1.1.5 says `not ok N # SKIP name`.
                if (case[4] or "").lower() == "skip":
                    self.skips.append((label, case[5] or "no reason given"))
                elif case[1]:
                    failed += 1
                    self.failures.append(label)
                else:
                    self.passed += 1
        if planned is None and seen == 0:
            if code == 77:
                self.skips.append((name, out.strip() or "no reason given"))
            elif code == 0 and test["result"] == "OK":
                self.passed += 1
            else:
                failed += 1
                self.failures.append(f"{name}: {ending(test)}")
        elif planned is not None and seen < planned:
            failed += 1
            self.failures.append(f"{name}: {ending(test)} after {seen} of {planned} cases")
        elif failed == 0 and (code != 0 or test["result"] == "TIMEOUT"):
            failed += 1
            self.failures.append(f"{name}: {ending(test)} after its last case")
        if failed:
            print(f"\n--- {name}\n{out}{test.get('stderr', '')}", end="")


def ending(test):
    if test["result"] == "TIMEOUT":
        return "timed out"
    code = test["returncode"]
    return f"killed by signal {-code}" if code < 0 else f"ended with status {code}"


def steady_addresses(folder):
    """ThreadSanitizer of gcc 12 does not bear the address randomization of newer kernels."""
    prefix = ["setarch", "-R"]
    if folder != "build-tsan" or shutil.which("setarch") is None:
        return []
    refused = subprocess.run([*prefix, "true"], stderr=subprocess.DEVNULL).returncode
    return [] if refused else prefix


def selection(folder, name):
    """The arguments for meson that choose the tests."""
    if name is None:
        sanitized = folder in ("build-asan", "build-tsan")
        return ["--suite", "unit"] if sanitized else []
    tests = json.loads(subprocess.check_output(["meson", "introspect", "--tests", folder]))
    names = [test["name"] for test in tests if name in test["name"]]
    if not names:
        sys.exit(f"no test has '{name}' in its name; there are: " + " ".join(t["name"] for t in tests))
    return names


def main(folder, name=None):
    arguments = selection(folder, name)
    for variable, value in SANITIZERS.items():
        os.environ.setdefault(variable, value)
    slow = "5" if folder in ("build-asan", "build-tsan") else "1"
    log = os.path.join(folder, "meson-logs", "testlog.json")
    if os.path.exists(log):
        os.unlink(log)
    command = [*steady_addresses(folder), "meson", "test", "-C", folder, "--no-rebuild", "-t", slow, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as ran:
        said = []
        for line in ran.stdout:
            said.append(line)
            if PROGRESS.match(line):
                print(line, end="", flush=True)
    if not os.path.exists(log):
        sys.exit("".join(said))

    counts = Counts()
    with open(log, encoding="utf-8") as lines:
        for line in lines:
            counts.add(json.loads(line))
    print()
    for label, reason in counts.skips:
        print(f"skipped {label}: {reason}")
    for label in counts.failures:
        print(f"FAILED  {label}")
    print(f"{counts.passed} passed, {len(counts.failures)} failed, {len(counts.skips)} skipped")
    return 1 if counts.failures or counts.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
