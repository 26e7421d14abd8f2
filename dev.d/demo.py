#!/usr/bin/env python3
"""Ferula's main job on real input: node-exporter and Prometheus, Debian's own, scrape this machine and
remote-write into a Ferula on a free port; its answers to live queries are printed a few times. Ends
by itself, leaves nothing behind."""

import contextlib
import json
import os
import sys
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "testdata", "e2e"))
import programs  # noqa: E402

ROUNDS = 5
EVERY_S = 3
FIRST_DATA_S = 60

QUERIES = [
    ("targets up", "up", "job"),
    ("load of one minute", "node_load1", None),
    ("CPU by mode, cores", "topk(4, sum by (mode) (rate(node_cpu_seconds_total[15s])))", "mode"),
    ("samples received a second", "sum(rate(prometheus_remote_storage_samples_total[15s]))", None),
    ("series seen in the last minute", 'count(last_over_time({__name__=~".+"}[1m]))', None),
]


def config(ferula, exporter, prometheus_port):
    def job(name, port):
        return {"job_name": name, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}

    # JSON is YAML, too.
    return json.dumps(
        {
            "global": {"scrape_interval": "1s"},
            "remote_write": [{"url": ferula.url + "/api/v1/write", "queue_config": {"batch_send_deadline": "1s"}}],
            "scrape_configs": [
                job("node", exporter.port),
                job("prometheus", prometheus_port),
                job("ferula", ferula.port),
            ],
        }
    )


def wait_for_data(ferula):
    deadline = time.monotonic() + FIRST_DATA_S
    while not ferula.instant(QUERIES[3][1]) or len(ferula.instant("up")) < 3:
        if time.monotonic() > deadline:
            raise AssertionError(f"no data after {FIRST_DATA_S} s; the log:\n{ferula.log()}")
        time.sleep(0.5)


def show(ferula):
    print(time.strftime("\n%H:%M:%S"))
    for title, query, label in QUERIES:
        values = []
        for sample in ferula.instant(query):
            value = f"{float(sample['value'][1]):.4g}"
            values.append(f"{sample['metric'][label]} {value}" if label else value)
        print(f"  {title:32} {'   '.join(values)}")
    sys.stdout.flush()


def main():
    with contextlib.ExitStack() as stack:
        try:
            print("fetching Debian's prometheus and node-exporter (kept in .cache) ...", flush=True)
            exporter = stack.enter_context(programs.NodeExporter())
            ferula = stack.enter_context(programs.Ferula())
            port = programs.free_port()
            prometheus = programs.Prometheus(config(ferula, exporter, port), port=port)
            stack.enter_context(prometheus)
        except unittest.SkipTest as missing:
            sys.exit(f"demo: {missing}")
        print(f"Ferula on {ferula.url}: Prometheus scrapes node-exporter, itself and Ferula every second")
        print("and remote-writes to it; first figures in some seconds. The queries are:")
        for _, query, _ in QUERIES:
            print(f"  {query}")
        wait_for_data(ferula)
        for _ in range(ROUNDS):
            show(ferula)
            time.sleep(EVERY_S)
    print("\nDone; all stopped, nothing left behind. ./dev run serves for good.")


if __name__ == "__main__":
    main()
