"""testdata/differences.json: where answers differ from Prometheus 3.5 on purpose, each with its reason.

An entry has one of: `request`, a pattern of API paths whose data may differ; `query`, a pattern of PromQL whose
values may differ; `note`, a pattern in errors, warnings and infos, with what it `becomes` on both sides.
"""

import json
import os
import re

import programs

with open(os.path.join(programs.ROOT, "testdata", "differences.json"), encoding="utf-8") as _file:
    _ALL = json.load(_file)
_REQUESTS = [re.compile(d["request"]) for d in _ALL if "request" in d]
_QUERIES = [re.compile(d["query"]) for d in _ALL if "query" in d]
_NOTES = [(re.compile(d["note"]), d["becomes"]) for d in _ALL if "note" in d]


def of_request(path):
    return any(pattern.search(path) for pattern in _REQUESTS)


def of_query(text):
    return any(pattern.search(text) for pattern in _QUERIES)


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
