"""Random queries against Prometheus 3.5 on a copy of the same data directory: the same status, error,
values bit for bit, warnings and infos. What differs on purpose stands in testdata/differences.json.

FERULA_RANDOM_QUERIES and FERULA_RANDOM_SEED make longer runs (500 queries otherwise).
"""

import itertools
import json
import math
import os
import re
import shutil
import struct
import tempfile
import time
import unittest

import differences
import programs
import promql_random
import remote

COUNT = int(os.environ.get("FERULA_RANDOM_QUERIES", "500"))
SEED = int(os.environ.get("FERULA_RANDOM_SEED", "1"))
SHOWN_MAX = 20
AGAIN = 20
FEATURES = "--enable-feature=promql-experimental-functions"


def first_difference(theirs, ours, where=""):
    """Where two answers part, for people."""
    if isinstance(theirs, dict) and isinstance(ours, dict) and theirs.keys() == ours.keys():
        pairs = [(k, theirs[k], ours[k]) for k in theirs]
    elif isinstance(theirs, (list, tuple)) and isinstance(ours, (list, tuple)) and len(theirs) == len(ours):
        pairs = [(i, t, o) for i, (t, o) in enumerate(zip(theirs, ours))]
    else:
        return f"{where}: theirs {json.dumps(theirs)[:400]} ours {json.dumps(ours)[:400]}"
    for key, t, o in pairs:
        if t != o:
            return first_difference(t, o, f"{where}/{key}")
    return where


def ordinal(text):
    """Floats as integers in their order: neighbours differ by one."""
    bits = struct.unpack("<q", struct.pack("<d", float(text)))[0]
    return bits if bits >= 0 else -(bits & 0x7FFFFFFFFFFFFFFF)


def near(a, b):
    return a == b or (a not in ("NaN", "+Inf", "-Inf") and b not in ("NaN", "+Inf", "-Inf") and abs(ordinal(a) - ordinal(b)) <= 2)


def points(series):
    return series.get("values") or ([series["value"]] if "value" in series else [])


def same_values(query, theirs, ours):
    return len(theirs) == len(ours) and all(
        t["metric"] == o["metric"] and len(points(t)) == len(points(o))
        and all(a[0] == b[0] and (near(a[1], b[1]) or differences.of_value(query, a[1], b[1]))
                for a, b in zip(points(t), points(o)))
        for t, o in zip(theirs, ours))


def by_time(data, with_values):
    """What an answer has at each time, whichever series has it."""
    return sorted((p[0], p[1] if with_values else "") for series in data["result"] for p in points(series))


def ties_in_order(result):
    """An ordered vector with the series of equal value in the order of their labels."""
    ret = []
    for _, equal in itertools.groupby(result, key=lambda s: s["value"][1]):
        ret += sorted(equal, key=lambda s: sorted(s["metric"].items()))
    return ret


def close(theirs, ours):
    """Equal but for values a billionth apart."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return theirs.keys() == ours.keys() and all(close(theirs[k], ours[k]) for k in theirs)
    if isinstance(theirs, (list, tuple)) and isinstance(ours, (list, tuple)):
        return len(theirs) == len(ours) and all(close(t, o) for t, o in zip(theirs, ours))
    if theirs == ours:
        return True
    try:
        return math.isclose(float(theirs), float(ours), rel_tol=1e-9)
    except (TypeError, ValueError):
        return False


class RandomQueries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="ferula-random-")
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.data = promql_random.Data(SEED, int(time.time()) // 15 * 15 - 5400)
        own = os.path.join(folder, "own")
        with programs.Ferula(data=own) as server:
            status, text = remote.write(server, *cls.data.messages())
            assert status == 204, text
        shutil.copytree(own, os.path.join(folder, "copy"))
        cls.ferula = programs.Ferula(FEATURES, data=own)
        cls.prometheus = programs.Prometheus("", FEATURES, suite="sid", data=os.path.join(folder, "copy"))
        for server in (cls.ferula, cls.prometheus):
            cls.addClassCleanup(server.__exit__)
            server.start()

    @staticmethod
    def answer(server, path, params):
        status, _, body = server.request("/api/v1/" + path, params)
        answer = json.loads(body)
        data = answer.get("data") or {}
        if data.get("resultType") in ("vector", "matrix"):
            if path == "query" and re.match(r"\s*(sort|sort_desc|topk|bottomk)\b", params["query"]):
                data["result"] = ties_in_order(data["result"])  # Go's sort leaves them in an order of its own
            elif path != "query" or not re.match(r"\s*sort_by_label", params["query"]):
                data["result"].sort(key=lambda s: sorted(s["metric"].items()))
        return status, differences.normal_answer(answer)

    @staticmethod
    def agree(query, theirs, ours, inexact):
        if theirs == ours or differences.of_error(query, theirs, ours):
            return True
        if not inexact or theirs[0] != 200 or ours[0] != 200:
            return False
        a, b = theirs[1], ours[1]
        return (a["warnings"], a["infos"], a["data"]["resultType"]) == (b["warnings"], b["infos"], b["data"]["resultType"]) and (
            a["data"]["resultType"] in ("vector", "matrix")
            and same_values(query, a["data"]["result"], b["data"]["result"]))

    def unsteady(self, path, params, theirs, ours, inexact):
        """Prometheus keeps series in maps whose order changes from run to run; what it adds up over them in
        that order changes in the last bits, and which of several equal series topk takes, and any series limitk
        takes, is left to chance. One of its answers must be ours, or all its answers differ from each other in
        nothing but that."""
        others = [self.answer(self.prometheus, path, params) for _ in range(AGAIN)]
        if all(other == theirs for other in others):
            return False
        query = params["query"]
        if any(self.agree(query, other, ours, inexact) for other in others) or close(theirs, ours):
            return True
        chosen = re.search(r"\b(topk|bottomk|limitk)\b", query)
        if not chosen or theirs[0] != 200 or ours[0] != 200:
            return False
        with_values = chosen[1] != "limitk"
        return by_time(theirs[1]["data"], with_values) == by_time(ours[1]["data"], with_values)

    def test_the_page_on_compatibility_lists_the_differences(self):
        with open(differences.PAGE, encoding="utf-8") as file:
            self.assertTrue(file.read().endswith(differences.page_section()),
                            "run python3 testdata/e2e/differences.py")

    def test_random_queries_answer_the_same(self):
        queries = promql_random.Queries(SEED, self.data)
        differ, errors, empty, unsteady = [], 0, 0, 0
        for _ in range(COUNT):
            path, params, inexact = queries.request()
            theirs = self.answer(self.prometheus, path, params)
            ours = self.answer(self.ferula, path, params)
            errors += theirs[0] != 200
            empty += theirs[0] == 200 and not theirs[1]["data"]["result"]
            if self.agree(params["query"], theirs, ours, inexact):
                continue
            if differences.of_query(params["query"]):
                continue
            if self.unsteady(path, params, theirs, ours, inexact):
                unsteady += 1
                continue
            differ.append((path, params, theirs, ours))
        print(f"# {COUNT} queries, seed {SEED}: {errors} errors, {empty} empty, "
              f"{unsteady} that Prometheus answers in several ways, {len(differ)} differ", flush=True)
        for path, params, theirs, ours in differ[:SHOWN_MAX]:
            print(f"# {path} {params}\n#   {first_difference(theirs, ours)}", flush=True)
        self.assertEqual(len(differ), 0)


if __name__ == "__main__":
    unittest.main()
