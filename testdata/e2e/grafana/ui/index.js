// Nothing is drawn: every name of @grafana/ui is a function that gives itself.
const any = new Proxy(function () {}, {
  get: (target, key) => (key === '__esModule' ? true : key === Symbol.toPrimitive ? () => '' : any),
  apply: () => any,
  construct: () => any,
});
module.exports = any;
