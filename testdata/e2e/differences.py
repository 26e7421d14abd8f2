"""testdata/differences.json: where answers differ from Prometheus 3.5 on purpose, each with its reason.

An entry has one of:

- `request`: a pattern of API requests whose data may differ (and headers; `same` lists what may not: status, headers,
  shape; with `header`, that header alone; with `drop`, these fields of the JSON)
- `note`: a pattern in errors, warnings and infos, with what it `becomes` on both sides (`merged`: what is then equal
  is said once, at one of its places)
- `config`: a pattern in the text of status/config, with what it `becomes` on both sides
- `query`: a pattern of PromQL whose answers may differ: altogether (with `feature`, where both servers have it enabled), or
  - with `error`, where the error of theirs holds the first pattern and that of ours the second ("no error" stands for
    none; null: whatever it is; with `feature`, as above)
  - with `value`, where a value of theirs is like that and ours is like what it `becomes` (`in`: only in histograms)
  - with `near`, where numbers are no further apart than that share of the larger, or than itself where a sum cancels
    (`in`: only in histograms)
  - with `scaled`, where all numbers of their histogram are ours times one factor above 1
  - with `torn`, where the buckets of their histogram do not add up to its count
  - with `notes`, where a warning, info or error of theirs holds the first pattern and one of ours the second (null: any)
  - with `samples`, in the statistics of samples

`python3 testdata/e2e/differences.py` writes the list into docs/compatibility.md.
"""

import json
import math
import os
import re

import programs

PAGE = os.path.join(programs.ROOT, "docs", "compatibility.md")
HEADING = "## Answers that differ\n"

with open(os.path.join(programs.ROOT, "testdata", "differences.json"), encoding="utf-8") as _file:
    _ALL = json.load(_file)
_REQUESTS = [re.compile(d["request"]) for d in _ALL if "request" in d and not {"same", "header", "drop"} & set(d)]
_PARTS = [(re.compile(d["request"]), d.get("same", ["status"])) for d in _ALL if "request" in d and not {"header", "drop"} & set(d)]
_DROPPED = [(re.compile(d["request"]), d["drop"]) for d in _ALL if "drop" in d]
_HEADERS = [(re.compile(d["header"]), re.compile(d["request"])) for d in _ALL if "header" in d]
_QUERIES = [(re.compile(d["query"]), d.get("feature")) for d in _ALL if "query" in d and not {"error", "value", "near", "scaled", "torn", "notes", "samples"} & set(d)]
_ERRORS = [d for d in _ALL if "query" in d and "error" in d]
_VALUES = [d for d in _ALL if "query" in d and "value" in d]
_NEAR = [d for d in _ALL if "near" in d]
_SCALED = [re.compile(d["query"]) for d in _ALL if "scaled" in d]
_SAMPLES = [re.compile(d["query"]) for d in _ALL if "samples" in d]
_TORN = [re.compile(d["query"]) for d in _ALL if "torn" in d]
_BY_NOTES = [d for d in _ALL if "notes" in d]
_MERGED = [re.compile(d["note"]) for d in _ALL if "merged" in d]
_CONFIGS = [(re.compile(d["config"]), d["becomes"]) for d in _ALL if "config" in d]
_NOTES = [(re.compile(d["note"]), d["becomes"]) for d in _ALL if "note" in d]


def of_request(path):
    return any(pattern.search(path) for pattern in _REQUESTS)


def same_of_request(text):
    """What must be equal in the answers to a request, given as `METHOD path Header: value`."""
    same = {"status", "headers", "body", "shape"}
    for pattern, parts in _PARTS:
        if pattern.search(text):
            same &= set(parts)
    return same


def dropped_fields(text):
    """Names of JSON fields whose values may differ in the answers to a request."""
    return {name for pattern, names in _DROPPED if pattern.search(text) for name in names}


def of_header(name, text):
    return any(header.search(name) and request.search(text) for header, request in _HEADERS)


def of_query(text, features=()):
    """`features`: those that both servers have; some entries are about one."""
    return any(pattern.search(text) for pattern, feature in _QUERIES if feature is None or feature in features)


def of_error(text, theirs, ours, features=()):
    """Whether two answers, as (status, answer), differ in an error on purpose. `features`: as of_query() has them."""
    def said(pattern, answer):
        return pattern is None or re.search(pattern, answer[1].get("error", "no error"))

    return any(d.get("feature") in (None, *features) and re.search(d["query"], text) and said(d["error"][0], theirs) and said(d["error"][1], ours) for d in _ERRORS)


def of_value(text, theirs, ours, in_histogram):
    return any(re.search(d["query"], text) and re.search(d["value"], theirs) and re.search(d["becomes"], ours)
               and (in_histogram or "in" not in d) for d in _VALUES)


def scaled(text, theirs, ours):
    """Whether the numbers of a histogram may be, and are, larger in theirs by one factor."""
    if not any(pattern.search(text) for pattern in _SCALED):
        return False
    pairs = [(float(a), float(b)) for a, b in zip(theirs, ours)]
    (a, b), = pairs[:1]
    return a > b > 0 and all(math.isclose(x * b, y * a, rel_tol=1e-9) for x, y in pairs)


def torn(text, theirs):
    """Whether a histogram may be, and is, one whose count (the first number) is not the sum of its buckets."""
    return any(pattern.search(text) for pattern in _TORN) and not math.isclose(float(theirs[0]), math.fsum(map(float, theirs[2:])), rel_tol=1e-14)


def of_samples(text):
    """Whether the statistics of samples may differ."""
    return any(pattern.search(text) for pattern in _SAMPLES)


def near(text, theirs, ours, in_histogram):
    """Whether two numbers, as their texts, differ by a little on purpose."""
    for d in _NEAR:
        if re.search(d["query"], text) and (in_histogram or "in" not in d):
            a, b = float(theirs), float(ours)
            if abs(a - b) <= d["near"] * max(abs(a), abs(b), 1):
                return True
    return False


def near_histogram(text, theirs, ours):
    """Whether two histograms, as numbers by what they count, differ by a little on purpose."""
    pairs = [(theirs.get(key, "0"), ours.get(key, "0")) for key in {**theirs, **ours}]
    return all(a == b or near(text, a, b, True) for a, b in pairs)


def of_notes(text, theirs, ours):
    """Whether two answers may differ for what they say beside the data."""
    def said(answer, pattern):
        return pattern is None or any(re.search(pattern, note) for note in answer["warnings"] + answer["infos"] + [answer.get("error", "")])

    return any(re.search(d["query"], text) and said(theirs, d["notes"][0]) and said(ours, d["notes"][1]) for d in _BY_NOTES)


def without_place(note):
    return re.sub(r" \(\d+:\d+\)$", "", note)


def same_notes(theirs, ours):
    """Equal; or, of those that are `merged`, ours has one of the places."""
    if theirs == ours:
        return True
    rest = set(theirs) - set(ours)
    return (set(map(without_place, theirs)) == set(map(without_place, ours)) and set(ours) <= set(theirs)
            and all(any(p.search(note) for p in _MERGED) for note in rest))


def normal(note):
    for pattern, becomes in _NOTES:
        note = pattern.sub(becomes, note)
    return note


def normal_config(text):
    for pattern, becomes in _CONFIGS:
        text = pattern.sub(becomes, text)
    return text


def normal_answer(answer):
    """The answer with its error, warnings and infos in the form that both sides share."""
    if "error" in answer:
        answer["error"] = normal(answer["error"])
    for notes in ("warnings", "infos"):
        answer[notes] = sorted({normal(note) for note in answer.get(notes, [])} - {""})
    return answer


def cell(pattern):
    return "`" + pattern.replace("|", "\\|") + "`"


def where(d):
    """One difference in words."""
    if "header" in d:
        return f"header {cell(d['header'])} of requests like {cell(d['request'])}"
    if "drop" in d:
        return f"{', '.join(d['drop'])} in requests like {cell(d['request'])}"
    if "request" in d:
        return f"requests like {cell(d['request'])}"
    if "config" in d:
        return f"{cell(d['config'])} in the text of `status/config`"
    if "note" in d:
        return f"errors, warnings and infos like {cell(d['note'])}"
    if "error" in d:
        theirs, ours = d["error"]
        own = cell(ours) if ours else "something else"
        return f"queries like {cell(d['query'])}, to which Prometheus says {cell(theirs)} and Ferula {own}"
    if "value" in d:
        return f"{cell(d['value'])} where Ferula has {cell(d['becomes'])}, of queries like {cell(d['query'])}"
    if "scaled" in d:
        return f"histograms larger by one factor in all their numbers, of queries like {cell(d['query'])}"
    if "samples" in d:
        return f"`totalQueryableSamples` of queries like {cell(d['query'])}"
    if "torn" in d:
        return f"histograms whose buckets are not their count in Prometheus, of queries like {cell(d['query'])}"
    if "near" in d:
        what = "numbers of histograms" if "in" in d else "numbers"
        return f"{what} within {d['near']:g} of each other, of queries like {cell(d['query'])}"
    if "notes" in d:
        said = [f"{who} says {cell(n)}" for who, n in zip(("Prometheus", "Ferula"), d["notes"]) if n]
        return f"queries like {cell(d['query'])} where {' and '.join(said)}"
    return f"queries like {cell(d['query'])}"


def page_section():
    """The section of docs/compatibility.md that this list is."""
    rows = "".join(f"| {where(d)} | {d['reason']} |\n" for d in _ALL)
    return (HEADING + "\nMade from `testdata/differences.json` by `testdata/e2e/differences.py`; the tests that compare answers with a "
            "running Prometheus let pass\nwhat is listed here, and nothing else. Patterns are regular expressions.\n\n"
            "| Where | Why |\n|---|---|\n" + rows)


def write_page():
    with open(PAGE, encoding="utf-8") as file:
        before = file.read().split(HEADING)[0]
    with open(PAGE, "w", encoding="utf-8") as file:
        file.write(before.rstrip("\n") + "\n\n" + page_section())


if __name__ == "__main__":
    write_page()
