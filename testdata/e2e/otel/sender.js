// sender.js proto|http URL: the OpenTelemetry SDK exports metrics of all its kinds every 300 ms, until SIGTERM.
// Prints one line for each export that ended: {"ok": whether the receiver took it, "metrics": what was exported}.
"use strict";
const { AggregationType, MeterProvider, PeriodicExportingMetricReader } = require("@opentelemetry/sdk-metrics");
const { resourceFromAttributes } = require("@opentelemetry/resources");

const [format, url] = process.argv.slice(2);
const { OTLPMetricExporter } = require(`@opentelemetry/exporter-metrics-otlp-${format}`);

const nanos = ([s, ns]) => (BigInt(s) * 1000000000n + BigInt(ns)).toString();

function describe(exported) {
  return exported.scopeMetrics.flatMap((scope) =>
    scope.metrics.map((metric) => ({
      name: metric.descriptor.name,
      points: metric.dataPoints.map((p) => ({ attributes: p.attributes, time: nanos(p.endTime), value: p.value })),
    }))
  );
}

// One at a time: several under way would overtake each other when they are repeated.
const exporter = new OTLPMetricExporter({ url, concurrencyLimit: 1, timeoutMillis: 20000 });
const send = exporter.export.bind(exporter);
exporter.export = (exported, done) => {
  const metrics = describe(exported);
  send(exported, (result) => {
    console.log(JSON.stringify({ ok: result.code === 0, error: String(result.error ?? ""), metrics }));
    done(result);
  });
};

const provider = new MeterProvider({
  resource: resourceFromAttributes({ "service.name": `js-${format}`, "service.instance.id": "1", "host.name": "here" }),
  views: [{ instrumentName: "app.size", aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
  readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 300, exportTimeoutMillis: 300 })],
});
const meter = provider.getMeter("sender", "1.0");
const requests = meter.createCounter("app.requests", { unit: "{request}", description: "Requests." });
const active = meter.createUpDownCounter("app.active");
const duration = meter.createHistogram("app.duration", { unit: "s", advice: { explicitBucketBoundaries: [0.1, 0.5, 1, 5] } });
const size = meter.createHistogram("app.size", { unit: "By" });
meter.createObservableGauge("app.load", { unit: "1" }).addCallback((result) => result.observe(Math.random()));

const work = setInterval(() => {
  for (const route of ["/", "/cart", "/größe"]) {
    requests.add(1, { route, "http.method": "GET" });
    active.add(Math.random() < 0.5 ? 1 : -1, { route });
    duration.record(Math.random() * 6, { route });
    size.record(Math.random() * 1e6, { route });
  }
}, 7);

process.once("SIGTERM", async () => {
  clearInterval(work);
  await provider.shutdown().catch((error) => console.error(String(error)));
  process.exit(0);
});
