"""testdata/differences.json: where answers differ from Prometheus 3.5 on purpose, each with its reason.

An entry has one of: `request`, a pattern of API paths whose data may differ (and headers; `same` lists what may not: status, headers,
shape; with `header`, that header alone; with `drop`, these fields of the JSON); `note`, a pattern in errors, warnings
and infos, with what it `becomes` on both sides; `query`, a pattern of PromQL whose answers may differ: altogether, or,
with `error`, where the error of one side holds that pattern (`status`: and theirs and ours have these statuses),
or, with `value`, where a value of theirs is like that and ours is like what it `becomes`.

`python3 testdata/e2e/differences.py` writes the list into docs/compatibility.md.
"""

import json
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
_QUERIES = [re.compile(d["query"]) for d in _ALL if "query" in d and not {"error", "value"} & set(d)]
_ERRORS = [d for d in _ALL if "query" in d and "error" in d]
_VALUES = [d for d in _ALL if "query" in d and "value" in d]
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


def of_query(text):
    return any(pattern.search(text) for pattern in _QUERIES)


def of_error(text, theirs, ours):
    """Whether two answers, as (status, answer), differ in an error on purpose."""
    errors = [a["error"] for _, a in (theirs, ours) if "error" in a]
    statuses = [theirs[0], ours[0]]
    return any(
        re.search(d["query"], text) and d.get("status", statuses) == statuses
        and any(re.search(d["error"], error) for error in errors) for d in _ERRORS)


def of_value(text, theirs, ours):
    return any(re.search(d["query"], text) and re.search(d["value"], theirs) and re.search(d["becomes"], ours)
               for d in _VALUES)


def normal(note):
    for pattern, becomes in _NOTES:
        note = pattern.sub(becomes, note)
    return note


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
    if "note" in d:
        return f"errors, warnings and infos like {cell(d['note'])}"
    if "error" in d:
        return f"errors like {cell(d['error'])} of queries like {cell(d['query'])}"
    if "value" in d:
        return f"{cell(d['value'])} where Ferula has {cell(d['becomes'])}, of queries like {cell(d['query'])}"
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
