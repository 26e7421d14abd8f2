"""Random queries against Prometheus 3.5 on a copy of the same data directory: the same status, error,
values as text, warnings, infos and numbers of samples; over floats that Ferula has in its log, and over
floats and native histograms in its log and in a block that Prometheus wrote; with type and unit labels and delayed name
removal over both. What differs on purpose stands in testdata/differences.json.

FERULA_RANDOM_QUERIES, FERULA_RANDOM_SEED and FERULA_RANDOM_FEATURES (of both servers) make other runs (500 queries of each otherwise).
"""

import copy
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
import random_histograms
import random_types
import remote

COUNT = int(os.environ.get("FERULA_RANDOM_QUERIES", "500"))
SEED = int(os.environ.get("FERULA_RANDOM_SEED", "1"))
SHOWN_MAX = int(os.environ.get("SHOWN", "20"))
AGAIN = 20
STEPS_MAX = 5  # of a range, asked for alone
ALWAYS = ("promql-experimental-functions", "promql-duration-expr", "promql-per-step-stats")
FEATURES = tuple(os.environ.get("FERULA_RANDOM_FEATURES", "").split())


def ordinal(text):
    """Floats as integers in their order: neighbours differ by one."""
    bits = struct.unpack("<q", struct.pack("<d", float(text)))[0]
    return bits if bits >= 0 else -(bits & 0x7FFFFFFFFFFFFFFF)


def near(a, b):
    return a == b or (a not in ("NaN", "+Inf", "-Inf") and b not in ("NaN", "+Inf", "-Inf") and abs(ordinal(a) - ordinal(b)) <= 2)


def points(series):
    """Floats, then histograms."""
    ret = []
    for kind in ("value", "histogram"):
        ret += series.get(kind + "s") or ([series[kind]] if kind in series else [])
    return ret


def same_number(query, theirs, ours, inexact, in_histogram=False):
    return (theirs == ours or inexact and near(theirs, ours) or differences.of_value(query, theirs, ours, in_histogram)
            or differences.near(query, theirs, ours, in_histogram))


def numbers(histogram):
    """What it has counted, and what else it is."""
    buckets = histogram.get("buckets", [])
    return [histogram["count"], histogram["sum"], *(b[3] for b in buckets)], [b[:3] for b in buckets]


def same_point(query, theirs, ours, inexact):
    if theirs[0] != ours[0] or type(theirs[1]) is not type(ours[1]):
        return False
    if isinstance(theirs[1], str):
        return same_number(query, theirs[1], ours[1], inexact)
    (a, bounds_a), (b, bounds_b) = numbers(theirs[1]), numbers(ours[1])
    if differences.torn(query, a):
        return True
    if bounds_a == bounds_b and (all(same_number(query, x, y, inexact, True) for x, y in zip(a, b)) or differences.scaled(query, a, b)):
        return True
    return differences.near_histogram(query, by_bounds(a, bounds_a), by_bounds(b, bounds_b))


def by_bounds(values, bounds):
    return dict(zip(("count", "sum", *map(tuple, bounds)), values))


def of_text(histogram):
    """The numbers of a histogram, as count_values writes it."""
    return dict(part.rsplit(":", 1) for part in histogram.strip("{}").split(", "))


def same_value(query, theirs, ours):
    """Of a label that count_values made."""
    if theirs[:1] + ours[:1] != "{{":
        return differences.near(query, theirs, ours, False)
    a, b = of_text(theirs), of_text(ours)
    return a.keys() == b.keys() and differences.scaled(query, a.values(), b.values()) or differences.near_histogram(query, a, b)


def same_metric(query, theirs, ours):
    """count_values makes labels of values."""
    return theirs == ours or (theirs.keys() == ours.keys() and "count_values" in query and all(
        v == ours[k] or k == "v" and same_value(query, v, ours[k]) for k, v in theirs.items()))


def same_values(query, theirs, ours, inexact):
    return len(theirs) == len(ours) and all(
        same_metric(query, t["metric"], o["metric"]) and len(points(t)) == len(points(o))
        and all(same_point(query, a, b, inexact) for a, b in zip(points(t), points(o)))
        for t, o in zip(theirs, ours))


def is_point(x):
    return isinstance(x, list) and len(x) == 2 and isinstance(x[0], str) and isinstance(x[1], (str, dict))


def first_difference(query, theirs, ours, where=""):
    """Where two answers part, for people."""
    if theirs == ours or is_point(theirs) and is_point(ours) and same_point(query, theirs, ours, False):
        return None
    if isinstance(theirs, dict) and isinstance(ours, dict) and theirs.keys() == ours.keys():
        pairs = [(k, theirs[k], ours[k]) for k in theirs]
    elif isinstance(theirs, (list, tuple)) and isinstance(ours, (list, tuple)) and len(theirs) == len(ours):
        pairs = list(zip(itertools.count(), theirs, ours))
    elif where.endswith("/result"):
        return f"{where}: theirs has {[s['metric'] for s in theirs if s not in ours]} ours {[s['metric'] for s in ours if s not in theirs]}"
    else:
        return f"{where}: theirs {json.dumps(theirs)[:400]} ours {json.dumps(ours)[:400]}"
    found = (first_difference(query, t, o, f"{where}/{key}") for key, t, o in pairs)
    return next((f for f in found if f), None)


def by_time(data, with_values):
    """What an answer has at each time, whichever series has it."""
    return sorted((p[0], json.dumps(p[1]) if with_values else "") for series in data["result"] for p in points(series))


def metrics(answer):
    return {tuple(sorted(series["metric"].items())) for series in (answer[1].get("data") or {}).get("result", ())}


def ties_in_order(result):
    """An ordered vector with the series of equal value in the order of their labels."""
    ret = []
    for _, equal in itertools.groupby(result, key=lambda s: points(s)[0][1]):
        ret += sorted(equal, key=lambda s: sorted(s["metric"].items()))
    return ret


def groups_by_chance(query):
    """limitk and limit_ratio hand out series in the order of a heap, and topk's groups stand in the order it met them."""
    return re.match(r"\s*(topk|bottomk)\b", query) and re.search(r"\blimit(k|_ratio)\b", query)


def lacks_a_label(query, result):
    """Whether what sort_by_label sorts by is absent somewhere: its comparison then has no order, and its outcome none."""
    by = re.search(r'((?:, "\w+")+)\)\s*$', query)
    return by is not None and any(label not in series["metric"] for series in result for label in re.findall(r"\w+", by[1]))


def without_group(error):
    """An error about duplicates without which of several groups it met first."""
    return re.sub(r"match group \{.*?\} on", "match group on", error) if isinstance(error, str) else error


def is_close(a, b):
    return a == b or math.isclose(float(a), float(b), rel_tol=1e-12)


def in_reach(answers, ours):
    """Whether an answer is like the others: every number of it no further from theirs than twice what they are apart, or in the last digits."""
    if isinstance(ours, dict):
        return all(a.keys() == ours.keys() for a in answers) and all(in_reach([a[k] for a in answers], ours[k]) for k in ours)
    if isinstance(ours, (list, tuple)):
        return all(len(a) == len(ours) for a in answers) and all(in_reach(a, o) for *a, o in zip(*answers, ours))
    if ours in answers or isinstance(ours, str) and without_group(ours) in map(without_group, answers):
        return True
    try:
        theirs, own = [float(a) for a in answers], float(ours)
    except (TypeError, ValueError):
        return False
    reach = 2 * (max(theirs) - min(theirs))
    return min(theirs) - reach <= own <= max(theirs) + reach or any(math.isclose(own, t, rel_tol=1e-12) for t in theirs)


def written_by_ferula(data, folder):
    """The data as Ferula's log has them."""
    with programs.Ferula(data=folder) as server:
        for messages in data.requests():
            status, text = remote.write(server, *messages)
            assert status == 204, text


class Comparison:
    """Both servers on copies of one directory; subclasses say what is in it and what is asked."""

    features = FEATURES

    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="ferula-random-")
        cls.addClassCleanup(shutil.rmtree, folder)
        cls.data = cls.make_data(SEED, int(time.time()) // 15 * 15 - 5400)
        own = os.path.join(folder, "own")
        cls.make_folder(cls.data, own)
        shutil.copytree(own, os.path.join(folder, "copy"))
        enable = "--enable-feature=" + ",".join(ALWAYS + cls.features)
        cls.ferula = programs.Ferula(enable, data=own)
        cls.prometheus = programs.Prometheus("", enable, suite="sid", data=os.path.join(folder, "copy"))
        for server in (cls.ferula, cls.prometheus):
            cls.addClassCleanup(server.__exit__)
            server.start()

    @staticmethod
    def answer(server, path, params):
        status, _, body = server.request("/api/v1/" + path, {**params, "stats": "all"})
        answer = json.loads(body, parse_float=str, parse_int=str)  # texts, so that they are compared as they are
        data = answer.get("data") or {}
        if "stats" in data:
            answer["samples"] = data.pop("stats")["samples"]
            del answer["samples"]["peakSamples"]  # tells about the server
        if data.get("resultType") in ("vector", "matrix"):
            if path == "query" and re.match(r"\s*(sort|sort_desc|topk|bottomk)\b", params["query"]) and not groups_by_chance(params["query"]):
                data["result"] = ties_in_order(data["result"])  # Go's sort leaves them in an order of its own
            elif path != "query" or not re.match(r"\s*sort_by_label", params["query"]) or lacks_a_label(params["query"], data["result"]):
                data["result"].sort(key=lambda s: sorted(s["metric"].items()))
        return status, differences.normal_answer(answer)

    @classmethod
    def agree(cls, query, theirs, ours, inexact):
        if theirs == ours or differences.of_error(query, theirs, ours, cls.features):
            return True
        a, b = theirs[1], ours[1]
        if differences.of_notes(query, a, b):
            return True
        if theirs[0] != 200 or ours[0] != 200:
            return False
        if not (differences.same_notes(a["warnings"], b["warnings"]) and differences.same_notes(a["infos"], b["infos"])):
            return False
        if a["samples"] != b["samples"] and not differences.of_samples(query):
            return False
        return a["data"] == b["data"] or (
            a["data"]["resultType"] == b["data"]["resultType"] in ("vector", "matrix")
            and same_values(query, a["data"]["result"], b["data"]["result"], inexact))

    def unsteady(self, path, params, theirs, ours, inexact):
        """Prometheus keeps series in maps whose order changes from run to run; what it adds up over them in
        that order changes in the last bits, and which of several equal series topk takes, and any series limitk
        takes, is left to chance. One of its answers must be ours, or all its answers differ from each other in
        nothing but that."""
        others = [self.answer(self.prometheus, path, params) for _ in range(AGAIN)]
        if all(other == theirs for other in others):
            return False
        query = params["query"]
        if any(self.agree(query, other, ours, inexact) for other in others) or in_reach([theirs, *others], ours):
            return True
        chosen = re.search(r"\b(topk|bottomk|limitk)\b", query)
        if not chosen or ours[0] != 200:
            return False
        with_values = chosen[1] != "limitk"
        if not with_values and "[" in query and metrics(ours) <= set().union(*map(metrics, (theirs, *others))):
            return True  # what a subquery makes of series that chance chose
        return any(a[0] == 200 and by_time(a[1]["data"], with_values) == by_time(ours[1]["data"], with_values)
                   for a in (theirs, *others))

    def contradicts_itself(self, path, params, theirs, ours, inexact):
        """Whether Prometheus gives single steps of a range another value when it is asked for them alone, and then ours: what
        a step is worth does not depend on those beside it, but 3.5 hands on histograms that a later step changes."""
        query = params["query"]
        if path != "query_range" or theirs[0] != 200 or ours[0] != 200 or re.search(r"\b(start|end|step|range)\(\)", query):
            return False
        theirs = copy.deepcopy(theirs)
        for a, b in zip(theirs[1]["data"]["result"], ours[1]["data"]["result"]):
            apart = [p for p, q in zip(a.get("values", ()), b.get("values", ())) if not is_close(p[1], q[1])]
            if a["metric"] != b["metric"] or len(apart) > STEPS_MAX:
                return False
            for point in apart:
                status, alone = self.answer(self.prometheus, "query", {"query": query, "time": point[0]})
                same = [s for s in alone["data"]["result"] if s["metric"] == a["metric"] and "value" in s] if status == 200 else []
                point[1] = same[0]["value"][1] if same else point[1]
        return self.agree(query, theirs, ours, inexact)

    def test_random_queries_answer_the_same(self):
        queries = self.make_queries(SEED, self.data)
        differ, errors, empty, unsteady = [], 0, 0, 0
        for _ in range(COUNT):
            path, params, inexact = queries.request()
            theirs = self.answer(self.prometheus, path, params)
            ours = self.answer(self.ferula, path, params)
            errors += theirs[0] != 200
            empty += theirs[0] == 200 and not theirs[1]["data"]["result"]
            if self.agree(params["query"], theirs, ours, inexact):
                continue
            if differences.of_query(params["query"], self.features):
                continue
            if self.unsteady(path, params, theirs, ours, inexact) or self.contradicts_itself(path, params, theirs, ours, inexact):
                unsteady += 1
                continue
            differ.append((path, params, theirs, ours))
        print(f"# {COUNT} queries, seed {SEED}, data from {self.data.start_s}: {errors} errors, {empty} empty, "
              f"{unsteady} that Prometheus answers in several ways, {len(differ)} differ", flush=True)
        for path, params, theirs, ours in differ[:SHOWN_MAX]:
            print(f"# {path} {params}\n#   {first_difference(params['query'], theirs, ours)}", flush=True)
        self.assertEqual(len(differ), 0)


class RandomQueries(Comparison, unittest.TestCase):
    make_data = promql_random.Data
    make_folder = staticmethod(written_by_ferula)
    make_queries = promql_random.Queries


class RandomHistograms(Comparison, unittest.TestCase):
    make_data = random_histograms.Data
    make_folder = staticmethod(random_histograms.block)
    make_queries = random_histograms.Queries


class RandomHistogramsInLog(RandomHistograms):
    make_folder = staticmethod(written_by_ferula)

    @staticmethod
    def make_data(seed, start_s):
        """The first sample has a chunk of its own: chunks end every two hours."""
        return random_histograms.Data(seed, start_s // 7200 * 7200 - 15)


class RandomTypes(Comparison, unittest.TestCase):
    features = FEATURES + random_types.FEATURES
    make_data = random_types.Data
    make_folder = staticmethod(written_by_ferula)
    make_queries = random_types.Queries


class Page(unittest.TestCase):
    def test_it_lists_the_differences(self):
        with open(differences.PAGE, encoding="utf-8") as file:
            self.assertTrue(file.read().endswith(differences.page_section()),
                            "run python3 testdata/e2e/differences.py")


if __name__ == "__main__":
    unittest.main()
