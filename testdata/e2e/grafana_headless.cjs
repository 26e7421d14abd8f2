// What npm's @grafana/prometheus asks of a server and makes of the answers, without a browser or Grafana: see test_grafana_npm.py.
//
//   node grafana_headless.cjs FOLDER URL END_S     FOLDER has node_modules; prints one JSON object
//
// Grafana's runtime is replaced by a fetch to URL, its components by nothing: the datasource, its resource clients, its variables and
// annotations, and the code that makes requests of queries, are the package's own.
'use strict';
const path = require('path');
const Module = require('module');
const [folder, url, endText] = process.argv.slice(2);
const end = Number(endText);
const need = Module.createRequire(path.join(path.resolve(folder), 'package.json'));

const { JSDOM } = need('jsdom');
const dom = new JSDOM('<!doctype html><html><body></body></html>', { url: 'http://localhost/', pretendToBeVisual: true });
const give = (name, value) => Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
give('window', dom.window);
for (const name of ['document', 'navigator', 'HTMLElement', 'Element', 'Node', 'DOMParser', 'getComputedStyle', 'localStorage', 'sessionStorage', 'MutationObserver', 'Storage', 'CustomEvent', 'Event'])
  give(name, dom.window[name]);
for (const name of ['matchMedia']) dom.window[name] = () => ({ matches: false, addListener() {}, addEventListener() {} });
give('requestAnimationFrame', (f) => setTimeout(f, 0));
give('ResizeObserver', class { observe() {} unobserve() {} disconnect() {} });

// Style sheets and editors that only a browser can load.
const any = new Proxy(function () {}, { get: (t, k) => (k === '__esModule' ? true : k === Symbol.toPrimitive ? () => '' : any), apply: () => any, construct: () => any });
const original = Module._load;
Module._load = function (name, ...rest) {
  if (/\.(css|svg|scss)$|^monaco|^@grafana\/(ui|plugin-ui|assistant)|^@hello-pangea|^react-window|^@emotion/.test(name)) return any;
  return original.call(this, name, ...rest);
};

const asked = [];
async function ask(options) {
  const target = new URL(options.url.replace(/^.*\/resources\//, url + '/').replace(/^\/api\/datasources\/proxy\/[^/]+\/[^/]+/, url));
  for (const [k, v] of Object.entries(options.params || {})) for (const one of [].concat(v)) if (one !== undefined && one !== null) target.searchParams.append(k, String(one));
  const init = { method: options.method || 'GET', headers: { ...(options.headers || {}) } };
  if (init.method === 'POST' && options.data) {
    init.body = typeof options.data === 'string' ? options.data : new URLSearchParams(Object.entries(options.data).flatMap(([k, v]) => [].concat(v).map((one) => [k, one]))).toString();
    init.headers['Content-Type'] = 'application/x-www-form-urlencoded';
  }
  const answer = await fetch(target, init);
  const text = await answer.text();
  asked.push([init.method, target.pathname, answer.status]);
  const data = text === '' ? null : JSON.parse(text);
  if (!answer.ok) throw Object.assign(new Error(text), { status: answer.status, data });
  return { data, status: answer.status, statusText: '', ok: true, headers: answer.headers, config: options, url: String(target) };
}

const { from } = need('rxjs');
const runtime = need('@grafana/runtime');
runtime.setBackendSrv({ fetch: (o) => from(ask(o)), datasourceRequest: ask, get: async (u, params) => (await ask({ url: u, params })).data, post: async (u, data) => (await ask({ url: u, method: 'POST', data })).data });
runtime.setTemplateSrv({ getVariables: () => [], replace: (text) => text, containsTemplate: () => false, updateTimeRange() {} });

async function main() {
  const out = { steps: {}, errors: {} };
  const prometheus = need('@grafana/prometheus');
  const { dateTime } = need('@grafana/data');
  const settings = { id: 1, uid: 'x', type: 'prometheus', name: 'ferula', url: '/api/datasources/proxy/uid/x', access: 'proxy', meta: {}, jsonData: { httpMethod: 'POST', prometheusType: 'Prometheus', prometheusVersion: '3.5.0' } };
  const range = { from: dateTime((end - 3600) * 1000), to: dateTime(end * 1000), raw: { from: 'now-1h', to: 'now' } };
  const source = new prometheus.PrometheusDatasource(settings);
  const step = async (name, run) => {
    try {
      out.steps[name] = await run();
    } catch (error) {
      out.errors[name] = String((error && error.stack) || error).slice(0, 600);
    }
  };
  const names = (list) => (list || []).map((x) => (typeof x === 'string' ? x : x.text ?? x.value));
  await step('metric find: label_values(job)', async () => names(await source.metricFindQuery('label_values(job)', { range })));
  await step('metric find: label_values(up, job)', async () => names(await source.metricFindQuery('label_values(up, job)', { range })));
  await step('metric find: metrics', async () => names(await source.metricFindQuery('metrics(u.+)', { range })));
  await step('metric find: label_names()', async () => names(await source.metricFindQuery('label_names()', { range })));
  await step('metric find: query_result', async () => names(await source.metricFindQuery('query_result(up)', { range })));
  await step('tag keys', async () => names(await source.getTagKeys({ timeRange: range, filters: [] })));
  await step('tag values', async () => names(await source.getTagValues({ key: 'job', timeRange: range, filters: [] })));
  await step('language provider', async () => {
    const provider = source.languageProvider;
    await provider.start(range);
    return { metrics: provider.retrieveMetrics(), labels: provider.retrieveLabelKeys(), metadata: Object.keys(provider.retrieveMetricsMetadata()) };
  });
  await step('label values', async () => source.languageProvider.queryLabelValues(range, 'job', '{__name__="up"}'));
  await step('label keys', async () => source.languageProvider.queryLabelKeys(range, '{__name__="up"}'));
  await step('rules', async () => { await source.loadRules(); return source.ruleMappings; });
  await step('exemplars', async () => source.areExemplarsAvailable());
  out.asked = asked;
  console.log(JSON.stringify(out));
}
main().then(() => process.exit(0), (error) => { console.log(JSON.stringify({ failed: String(error.stack || error).slice(0, 1500), asked })); process.exit(0); });
