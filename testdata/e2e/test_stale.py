"""Series that have ended give their memory back when the head is cut: tables, dictionary, chunks, what requests needed, pages of files."""

import os
import re
import subprocess
import time
import unittest

import programs

LOADGEN = os.environ.get("LOADGEN", os.path.join(programs.ROOT, "build", "bench", "loadgen"))
SERIES, FEW, HOURS, STEP_S = 100_000, 5, 5, 15
LEFT_MIB = 5  # above an empty server; what 100,000 series take is 30
MIB = 2**20


def resident(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1]) * 1024


def series_of(server):
    return int(server.api("status/tsdb")["headStats"]["numSeries"])


class Stale(unittest.TestCase):
    def load(self, server, *arguments):
        subprocess.run([LOADGEN, "--target", f"127.0.0.1:{server.port}", *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)

    def wait_for(self, what, condition, timeout_s):
        deadline = time.monotonic() + timeout_s
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.1)

    def test_memory_comes_back_when_series_have_ended(self):
        samples = HOURS * 3600 // STEP_S
        start = str((int(time.time()) // STEP_S * STEP_S - 60 - samples * STEP_S) * 1000)
        os.environ["MALLOC_CONF"] = "dirty_decay_ms:100"  # else the allocator keeps what was freed for seconds
        self.addCleanup(os.environ.pop, "MALLOC_CONF")
        with programs.Ferula() as server:
            empty = resident(server)
            self.load(server, "--series", str(SERIES), "--samples", "2", "--start", start)
            self.load(server, "--series", str(FEW), "--samples", str(samples - 2), "--from", "2", "--start", start)
            full = resident(server)
            self.assertGreater(full, empty + 2 * LEFT_MIB * MIB)
            server.kill()
            server.start()  # and cuts the head: the first pass of maintenance comes at once
            self.wait_for("the head is not cut", lambda: series_of(server) <= FEW, 60)
            self.wait_for(f"{full / MIB:.1f} MiB, empty {empty / MIB:.1f}, and does not come back",
                          lambda: resident(server) < empty + LEFT_MIB * MIB, 30)


if __name__ == "__main__":
    unittest.main()
