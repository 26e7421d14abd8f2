"""A memory cgroup of the test's own, version 1 or 2, for a program that must live within a limit."""

import contextlib
import os
import unittest

ROOT = "/sys/fs/cgroup"


@contextlib.contextmanager
def limited(name, limit_bytes):
    """Yields the path of a fresh cgroup with the memory limit; skips where none can be made."""
    v1 = os.path.join(ROOT, "memory")
    folder = os.path.join(v1 if os.path.isdir(v1) else ROOT, f"{name}-{os.getpid()}")
    file = "memory.limit_in_bytes" if os.path.isdir(v1) else "memory.max"
    try:
        os.mkdir(folder)
        with open(os.path.join(folder, file), "w", encoding="ascii") as out:
            out.write(str(limit_bytes))
    except OSError as error:
        with contextlib.suppress(OSError):
            os.rmdir(folder)
        raise unittest.SkipTest(f"no memory cgroup can be made here: {error}") from None
    try:
        yield folder
    finally:
        os.rmdir(folder)


def command_in(folder, command):
    """The command, begun inside the cgroup."""
    return ["/bin/sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', folder, *command]
