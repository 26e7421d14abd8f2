"""parse_query and format_query beside Prometheus 3.5: the parse cases, and random queries that are long enough to be
laid out over many lines."""

import json
import os
import re
import unittest

import differences
import programs
import promql_random

CASES = os.path.join(programs.ROOT, "testdata", "promql", "parse_cases.txt")
COUNT = int(os.environ.get("FERULA_RANDOM_QUERIES", "500"))
SEED = int(os.environ.get("FERULA_RANDOM_SEED", "1"))
FEATURES = "--enable-feature=promql-experimental-functions"
# Ferula has duration expressions always, and keeps an empty ignoring () so that what is printed parses again.
THEIRS = "--enable-feature=promql-experimental-functions,promql-duration-expr"
# 3.14 ends an offset behind its parenthesis, 3.5 goes on reading a duration expression.
READ_OTHERWISE = re.compile(r"offset\s*[-+]*\s*\(")
PRINTED_OTHERWISE = re.compile(r"ignoring\s*\(\s*\)|group_(left|right)|min_of|max_of")


def parse_cases():
    """The expressions of the file that Prometheus takes."""
    expression = ""
    with open(CASES, encoding="utf-8") as file:
        for line in file.read().split("\n"):
            if line.startswith("= "):
                expression = line[2:]
            elif line.startswith("+ "):
                expression += "\n" + line[2:]
            elif line.startswith("ok "):
                yield expression


class ParsedQueries(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.servers = programs.Prometheus("", THEIRS, suite="sid"), programs.Ferula(FEATURES)
        for server in cls.servers:
            cls.addClassCleanup(server.__exit__)
            server.start()

    def answers(self, path, query):
        ret = []
        for server in self.servers:
            status, _, body = server.request("/api/v1/" + path, {"query": query})
            ret.append((status, differences.normal_answer(json.loads(body))))
        return ret

    def compare(self, queries, path, skip=None):
        compared, differ = 0, []
        for query in queries:
            theirs, ours = self.answers(path, query)
            if theirs[0] != 200 or ours[0] != 200 or skip and skip.search(query):
                continue
            compared += 1
            if theirs != ours:
                differ.append((query, theirs[1]["data"], ours[1]["data"]))
        print(f"# {path}: {compared} compared, {len(differ)} differ", flush=True)
        for query, theirs, ours in differ[:10]:
            print(f"# {query}\n#   theirs {json.dumps(theirs)}\n#   ours   {json.dumps(ours)}", flush=True)
        self.assertEqual(differ, [])
        self.assertGreater(compared, 0)

    def test_trees_of_the_parse_cases(self):
        self.compare(parse_cases(), "parse_query", READ_OTHERWISE)

    def test_trees_of_random_queries(self):
        queries = promql_random.Queries(SEED, promql_random.Data(SEED, 1700000000))
        self.compare((queries.next()[0] for _ in range(COUNT)), "parse_query")

    def test_lines_of_the_parse_cases(self):
        self.compare((f"sum by (a_rather_long_name, another_rather_long_name) ({case}) + -topk(3, {case})"
                      for case in parse_cases()), "format_query", PRINTED_OTHERWISE)

    def test_lines_of_random_queries(self):
        queries = promql_random.Queries(SEED, promql_random.Data(SEED, 1700000000))
        self.compare((queries.vector(5) for _ in range(COUNT)), "format_query", PRINTED_OTHERWISE)


if __name__ == "__main__":
    unittest.main()
