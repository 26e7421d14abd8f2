"""prometheus.yml in many forms, for test_config: each is judged by promtool and by Ferula.

Texts are our own; what they probe is in the documentation of Prometheus' configuration. GOOD and BAD say what both must
answer, SHOWN is for what status/config shows of it; where the Prometheus at hand (3.5 of Debian) knows less than 3.14, which Ferula follows, the case stands in NEWER.
"""

import json

HEAD = "global:\n  scrape_interval: 15s\n"


def job(text, name="a"):
    return f"scrape_configs:\n- job_name: {name}\n" + text


def sd(kind, text):
    return job(f"  {kind}_sd_configs:\n  - " + text.replace("\n", "\n    ") + "\n")


GOOD = {
    "empty": "",
    "comment": "# nothing\n",
    "global": HEAD,
    "all of global": "global:\n  scrape_interval: 15s\n  scrape_timeout: 10s\n  evaluation_interval: 1m30s\n  rule_query_offset: 1m\n"
    "  query_log_file: q.log\n  scrape_failure_log_file: f.log\n  external_labels: {a: b, c.d: é}\n  body_size_limit: 10MB\n"
    "  sample_limit: 1\n  target_limit: 2\n  label_limit: 3\n  label_name_length_limit: 4\n  label_value_length_limit: 5\n"
    "  keep_dropped_targets: 6\n  metric_name_validation_scheme: utf8\n  metric_name_escaping_scheme: allow-utf-8\n"
    "  scrape_protocols: [PrometheusProto, OpenMetricsText1.0.0]\n  always_scrape_classic_histograms: true\n"
    "  convert_classic_histograms_to_nhcb: true\n",
    "runtime": "runtime:\n  gogc: 50\n",
    "job": job("  static_configs:\n  - targets: ['x:1', y]\n    labels: {a: b}\n"),
    "all of a job": job(
        "  honor_labels: true\n  honor_timestamps: false\n  track_timestamps_staleness: true\n  params: {m: [a, b]}\n"
        "  scrape_interval: 1m\n  scrape_timeout: 30s\n  scrape_protocols: [PrometheusText0.0.4]\n  fallback_scrape_protocol: PrometheusText1.0.0\n"
        "  metrics_path: /m\n  scheme: https\n  enable_compression: false\n  body_size_limit: 1KB\n  sample_limit: 1\n"
        "  native_histogram_bucket_limit: 100\n  native_histogram_min_bucket_factor: 1.1\n  relabel_configs: []\n"
        "  metric_relabel_configs:\n  - {source_labels: [a], regex: 'x(.*)', action: keep}\n"
    ),
    "clients": job(
        "  basic_auth: {username: u, password: p}\n  tls_config: {insecure_skip_verify: true, min_version: TLS12, server_name: x}\n"
        "  proxy_url: http://u:p@proxy:1\n  proxy_connect_header: {A: [b]}\n  follow_redirects: false\n  enable_http2: false\n"
        "  http_headers: {X-A: {values: [v], secrets: [s]}}\n"
    ),
    "oauth2": job("  oauth2:\n    client_id: a\n    client_secret: b\n    scopes: [x]\n    token_url: http://t\n    endpoint_params: {a: b}\n    tls_config: {server_name: x}\n"),
    "relabel actions": job(
        "  relabel_configs:\n  - {action: Replace, target_label: a}\n  - {action: keepequal, source_labels: [a], target_label: b}\n"
        "  - {action: dropequal, source_labels: [a], target_label: b}\n  - {action: hashmod, modulus: 8, source_labels: [a], target_label: b}\n"
        "  - {action: labelmap, regex: 'x_(.+)'}\n  - {action: labeldrop, regex: x}\n  - {action: labelkeep, regex: '.*'}\n"
        "  - {action: lowercase, source_labels: [a], target_label: b}\n  - {action: UPPERCASE, source_labels: [a], target_label: b}\n"
        "  - {source_labels: [a], separator: '', regex: '', replacement: '', target_label: b}\n"
    ),
    "alerting": "alerting:\n  alert_relabel_configs:\n  - {regex: x, action: labeldrop}\n  alertmanagers:\n  - scheme: http\n    path_prefix: /am\n"
    "    timeout: 5s\n    api_version: v2\n    static_configs:\n    - targets: [am:9093]\n    relabel_configs: []\n",
    "rules": "rule_files: []\n",
    "remote write": "remote_write:\n- url: http://u:p@x/w\n  name: a\n  remote_timeout: 30s\n  headers: {X-A: b}\n  send_exemplars: true\n  send_native_histograms: true\n"
    "  round_robin_dns: true\n  protobuf_message: io.prometheus.write.v2.Request\n"
    "  queue_config: {capacity: 1, max_shards: 4, min_shards: 2, max_samples_per_send: 1, batch_send_deadline: 1s, min_backoff: 1s, max_backoff: 2s, retry_on_http_429: true, sample_age_limit: 1h}\n"
    "  metadata_config: {send: false, send_interval: 1m, max_samples_per_send: 1}\n  write_relabel_configs:\n  - {regex: x, action: labeldrop}\n",
    "remote write sigv4": "remote_write:\n- url: http://x\n  sigv4: {region: r, access_key: a, secret_key: b, profile: p, role_arn: r}\n",
    "remote read": "remote_read:\n- url: http://x/r\n  read_recent: true\n  required_matchers: {a: b}\n  chunked_read_limit: 5\n  filter_external_labels: false\n",
    "storage": "storage:\n  tsdb: {out_of_order_time_window: 30m}\n  exemplars: {max_exemplars: 5}\n",
    "tracing": "tracing:\n  endpoint: x:1\n  client_type: http\n  sampling_fraction: 0.5\n  insecure: true\n  compression: gzip\n  headers: {a: b}\n  timeout: 1s\n",
    "otlp": "otlp:\n  promote_resource_attributes: [a.b]\n  translation_strategy: NoUTF8EscapingWithSuffixes\n  keep_identifying_resource_attributes: true\n",
    "flow": "{global: {scrape_interval: 15s}, scrape_configs: [{job_name: a}]}\n",
    "JSON": '{"global": {"scrape_interval": "15s"}, "scrape_configs": [{"job_name": "a"}]}\n',
    "document marks": "---\nglobal: {}\n...\n",
    "tabs in flow": "global: {\tscrape_interval: 15s}\n",
    "CRLF": "global:\r\n  scrape_interval: 15s\r\n",
    "block text": "global:\n  external_labels:\n    a: |\n      two\n      lines\n    b: >-\n      one\n      line\n",
    # anchors, aliases, merges
    "alias of a scalar": "global:\n  scrape_interval: &i 15s\n  evaluation_interval: *i\n",
    "alias of a list": job("  relabel_configs: &r\n  - {regex: x, action: labeldrop}\n  metric_relabel_configs: *r\n"),
    "alias of a mapping": job("  static_configs:\n  - targets: [x]\n    labels: &l {a: b}\n  - targets: [y]\n    labels: *l\n"),
    "merge": "scrape_configs:\n- &base\n  job_name: a\n  scrape_interval: 30s\n- <<: *base\n  job_name: b\n",
    "merge behind": "scrape_configs:\n- &base\n  scrape_interval: 30s\n  job_name: a\n- job_name: b\n  <<: {scrape_interval: 10s}\n",
    "merge of a list": "scrape_configs:\n- &a\n  job_name: a\n  honor_labels: true\n- &b\n  <<: *a\n  job_name: b\n- <<: [*b, *a]\n  job_name: c\n",
    "merge in labels": job("  static_configs:\n  - targets: [x]\n    labels: &l {a: b}\n  - targets: [y]\n    labels: {<<: *l, c: d}\n"),
    "merge of a flow mapping": "global:\n  <<: {scrape_interval: 15s}\n",
    "anchor named twice": "global:\n  scrape_interval: &i 15s\n  scrape_timeout: &i 5s\n  evaluation_interval: *i\n",
    "alias as a key": "global:\n  external_labels:\n    a: &k b\n    *k : c\n",
    "quoted numbers": job("  sample_limit: 5\n", "'5'"),
    "null sections": "global:\nscrape_configs:\nrule_files:\n",
    # service discovery
    "file_sd": sd("file", "files: ['/nowhere/*.yml']\nrefresh_interval: 5m"),
    "dns_sd": sd("dns", "names: [x]\ntype: A\nport: 1"),
    "http_sd": sd("http", "url: http://x/y\nrefresh_interval: 1m"),
    "kubernetes_sd": sd("kubernetes", "role: pod\nnamespaces:\n  names: [a]\n  own_namespace: true\nselectors:\n- role: pod\n  label: a=b\nattach_metadata: {node: true}"),
    "kubernetes_sd abroad": sd("kubernetes", "api_server: https://x\nrole: endpointslice\nauthorization: {credentials: s}\ntls_config: {insecure_skip_verify: true}"),
    "ec2_sd": sd("ec2", "region: r\naccess_key: a\nsecret_key: b\nport: 1\nfilters:\n- name: tag:x\n  values: [y]"),
    "lightsail_sd": sd("lightsail", "region: r\naccess_key: a\nsecret_key: b"),
    "digitalocean_sd": sd("digitalocean", "authorization: {credentials: x}\nport: 1"),
    "docker_sd": sd("docker", "host: unix:///var/run/docker.sock\nfilters:\n- name: n\n  values: [v]"),
    "dockerswarm_sd": sd("dockerswarm", "host: http://x:1\nrole: tasks"),
    "eureka_sd": sd("eureka", "server: http://x/eureka"),
    "gce_sd": sd("gce", "project: p\nzone: z\nfilter: f"),
    "hetzner_sd": sd("hetzner", "role: hcloud\nauthorization: {credentials: x}"),
    "ionos_sd": sd("ionos", "datacenter_id: d\nauthorization: {credentials: x}"),
    "linode_sd": sd("linode", "authorization: {credentials: x}\ntag_separator: ','"),
    "marathon_sd": sd("marathon", "servers: [http://x]\nauth_token: t"),
    "nerve_sd": sd("nerve", "servers: [x]\npaths: [/a]"),
    "ovhcloud_sd": sd("ovhcloud", "application_key: a\napplication_secret: b\nconsumer_key: c\nservice: vps\nendpoint: ovh-eu"),
    "puppetdb_sd": sd("puppetdb", "url: http://x\nquery: 'resources {}'\ninclude_parameters: true"),
    "scaleway_sd": sd("scaleway", "role: instance\nproject_id: 11111111-1111-1111-1111-111111111112\naccess_key: SCWXXXXXXXXXXXXXXXXX\nsecret_key: 11111111-1111-1111-1111-111111111111"),
    "serverset_sd": sd("serverset", "servers: [x]\npaths: [/a]\ntimeout: 10s"),
    "triton_sd": sd("triton", "account: a\ndns_suffix: d\nendpoint: e\nport: 1\nversion: 1"),
    "uyuni_sd": sd("uyuni", "server: https://x\nusername: u\npassword: p"),
    "vultr_sd": sd("vultr", "authorization: {credentials: x}"),
}

BAD = {
    "unknown section": "glob: {}\n",
    "unknown key": "global:\n  scrape_intervall: 15s\n",
    "a list for a mapping": "global: []\n",
    "a text for a list": "rule_files: a.yml\n",
    "a mapping for a text": "global:\n  scrape_interval: {a: b}\n",
    "duration": "global:\n  scrape_interval: 15x\n",
    "number": "global:\n  sample_limit: ten\n",
    "size": "global:\n  body_size_limit: 10Q\n",
    "bool": job("  honor_labels: maybe\n"),
    "tab": "global:\n\tscrape_interval: 15s\n",
    "key twice": "global:\n  scrape_interval: 15s\n  scrape_interval: 15s\n",
    "no job name": "scrape_configs:\n- metrics_path: /m\n",
    "null job": "scrape_configs:\n-\n",
    "job twice": "scrape_configs:\n- job_name: a\n- job_name: a\n",
    "timeout beyond interval": job("  scrape_interval: 5s\n  scrape_timeout: 6s\n"),
    "global timeout beyond interval": "global:\n  scrape_interval: 5s\n  scrape_timeout: 6s\n",
    "protocol": job("  scrape_protocols: [x]\n"),
    "protocol twice": job("  scrape_protocols: [PrometheusProto, PrometheusProto]\n"),
    "no protocol": job("  scrape_protocols: []\n"),
    "validation scheme": job("  metric_name_validation_scheme: x\n"),
    "URL as a target": job("  static_configs:\n  - targets: ['http://x']\n"),
    "two kinds of auth": job("  basic_auth: {username: u, password: p}\n  authorization: {credentials: x}\n"),
    "TLS version": job("  tls_config: {min_version: TLS9}\n"),
    "relabel action": job("  relabel_configs:\n  - {action: x}\n"),
    "relabel regex": job("  relabel_configs:\n  - {regex: '(', action: keep}\n"),
    "hashmod of nothing": job("  relabel_configs:\n  - {action: hashmod, source_labels: [a], target_label: b}\n"),
    "replace of nothing": job("  relabel_configs:\n  - {action: replace, source_labels: [a]}\n"),
    "labeldrop with a source": job("  relabel_configs:\n  - {action: labeldrop, regex: x, source_labels: [a]}\n"),
    "keepequal with a regex": job("  relabel_configs:\n  - {action: keepequal, source_labels: [a], target_label: b, regex: x}\n"),
    "lowercase with a replacement": job("  relabel_configs:\n  - {action: lowercase, source_labels: [a], target_label: b, replacement: x}\n"),
    "null rule": job("  relabel_configs:\n  -\n"),
    "unknown key of relabeling": job("  relabel_configs:\n  - {target: x}\n"),
    "remote write without URL": "remote_write:\n- name: a\n",
    "remote write twice": "remote_write:\n- {name: a, url: 'http://x'}\n- {name: a, url: 'http://y'}\n",
    "null remote write": "remote_write:\n-\n",
    "remote write message": "remote_write:\n- {url: 'http://x', protobuf_message: x}\n",
    "remote read without URL": "remote_read:\n- name: a\n",
    "alertmanager API": "alerting:\n  alertmanagers:\n  - api_version: v1\n",
    "tracing without endpoint": "tracing:\n  client_type: grpc\n",
    "tracing client": "tracing:\n  endpoint: x\n  client_type: x\n",
    "otlp strategy": "otlp:\n  translation_strategy: x\n",
    "unknown key of storage": "storage:\n  tsdb: {x: 1}\n",
    "star in the middle of a path": "rule_files: ['/a/*/b.yml']\n",
    "unknown anchor": "global:\n  scrape_interval: *i\n",
    "anchor within itself": job("  relabel_configs: &r\n  - *r\n"),
    "merge of a text": "global:\n  <<: x\n",
    "merge of a list of texts": "global:\n  <<: [x]\n",
    "quoted merge": "global:\n  '<<': {scrape_interval: 15s}\n",
    "merge of unknown keys": "global:\n  <<: {x: 1}\n",
    "merged label given again": "global:\n  external_labels: {<<: {a: b}, a: c}\n",
    "anchors of one's own": "x-base: &b {scrape_interval: 15s}\nglobal: *b\n",
    "unknown key of kubernetes_sd": sd("kubernetes", "role: pod\nx: y"),
    "role of kubernetes_sd": sd("kubernetes", "role: x"),
    "unknown key of consul_sd": sd("consul", "serverr: x"),
    "unknown key of ec2_sd": sd("ec2", "region: r\nx: y"),
    "unknown key of docker_sd": sd("docker", "host: unix:///x\nx: y"),
    "unknown kind of discovery": sd("x", "a: b"),
}

# 3.14 takes these; 3.5, or Debian's build of it, which leaves out kinds of discovery, does not.
NEWER = {
    "azure_sd": sd("azure", "subscription_id: s\ntenant_id: t\nclient_id: c\nclient_secret: x\nport: 1"),
    "consul_sd": sd("consul", "server: x:1\nservices: [a]\ntags: [b]\nnode_meta: {a: b}\nallow_stale: false\ntoken: t"),
    "kuma_sd": sd("kuma", "server: http://x:1"),
    "nomad_sd": sd("nomad", "server: http://x:4646\nnamespace: n"),
    "openstack_sd": sd("openstack", "role: instance\nregion: r\nidentity_endpoint: http://x\nusername: u\npassword: p\ndomain_name: d\nproject_name: p"),
    "stackit_sd": sd("stackit", "project: 11111111-1111-1111-1111-111111111111\nauthorization: {credentials: x}"),
    "remote write azuread": "remote_write:\n- url: http://x\n  azuread: {cloud: AzurePublic, managed_identity: {client_id: 00000000-0000-0000-0000-000000000000}}\n",
    "retention": "storage:\n  tsdb:\n    retention: {time: 1d, size: 1GB, percentage: 80}\n",
    "ecs_sd": sd("ecs", "region: r"),
    "oci_sd": sd("oci", "region: r\ntenancy: t"),
    "outscale_sd": sd("outscale", "region: r\naccess_key: a\nsecret_key: b"),
    "extra metrics": "global:\n  extra_scrape_metrics: true\n",
}


def jobs(key, values):
    """A job for each of the values of a key."""
    return "scrape_configs:\n" + "".join(f"- job_name: j{i}\n  {key}: {value}\n" for i, value in enumerate(values.split()))


def labels(*values):
    """External labels whose values these texts are."""
    return "global:\n  external_labels:\n" + "".join(f"    l{i}: {json.dumps(value)}\n" for i, value in enumerate(values))


WORDS = "lorem ipsum dolor sit amet, " * 6

# What GOOD does not show: what one key says for another, the form of values, quotes.
SHOWN = {
    "null global": "global:\n",
    "empty sections": "global: {}\nruntime: {}\notlp: {}\nstorage: {}\nalerting: {}\ntracing:\n",
    "zeros": "global: {evaluation_interval: 0s, scrape_interval: 0s, rule_query_offset: 0s, always_scrape_classic_histograms: false}\nruntime: {gogc: 0}\n"
    "storage: {tsdb: {}, exemplars: {max_exemplars: 0}}\n" + job("  scrape_timeout: 0s\n  sample_limit: 0\n"),
    "nulls": job("  metrics_path:\n  scheme: ~\n  scrape_interval:\n  static_configs:\n  params:\n  basic_auth:\n  tls_config:\n  relabel_configs:\n"
                 "  - {action: drop, source_labels: [a], regex: null}\n"),
    "empty texts": job("  metrics_path: ''\n  scheme: ''\n"),
    "inherited": "global:\n  scrape_interval: 90s\n  scrape_timeout: 15s\n  evaluation_interval: 3600s\n  body_size_limit: 1537KB\n  sample_limit: 10\n  target_limit: 3\n"
    "  label_limit: 4\n  label_name_length_limit: 5\n  label_value_length_limit: 6\n  keep_dropped_targets: 7\n  metric_name_validation_scheme: legacy\n"
    "  metric_name_escaping_scheme: underscores\n  scrape_failure_log_file: x.log\n  always_scrape_classic_histograms: true\n"
    "  convert_classic_histograms_to_nhcb: true\n  scrape_protocols: [PrometheusProto]\n" + job("") + "- job_name: b\n  scrape_interval: 5s\n  sample_limit: 0\n"
    "  always_scrape_classic_histograms: false\n  scrape_failure_log_file: y.log\n  metric_name_validation_scheme: utf8\n",
    "timeouts": "global: {scrape_interval: 5s}\n" + jobs("scrape_interval", "3s 5s 1h"),
    "legacy names": "global: {metric_name_validation_scheme: legacy}\n" + job("") + "- {job_name: b, metric_name_validation_scheme: utf8}\n",
    "durations": jobs("scrape_interval", "1y 1w 8d 90m 1500ms 1d1h 365d 2w3d 86400s 1h0m1s"),
    "sizes": jobs("body_size_limit", "1B 1KB 1.5MB 1000B 1GiB 1025KiB 1KiB1MiB 1TB"),
    "floats": jobs("native_histogram_min_bucket_factor", "2 1.0 1.1 0.00001 1e7"),
    "bools": job("  honor_labels: yes\n  honor_timestamps: off\n"),
    "paths": "rule_files: [a.yml, /b/../*.yml, ../c.yml, ../../../../../../d.yml, './e/../f', 'g//h', '..']\nscrape_config_files: [s/*.yml]\n",
    "names of jobs": "scrape_configs:\n- job_name: 'a: b'\n- job_name: it's\n- job_name: 12\n- job_name: \U0001F600\n",
    "keys": "global:\n  external_labels: {b: x, a10: x, a9: x, a: x, B: x, _x: x, a_b: x, a.b: x, 'é': x, '1': x, '10': x, '2': x, y: z, 'a b': x, 'true': x, a9b: x, aB: x, a-b: x, 'null': x}\n",
    "numbers as texts": labels(*"12 1.5 0x1F 1e3 010 .5 1_000 0b11 +1 -.5 1. 0.1.2 12e03 -0b1 99999999999999999999 0o7 1__0 0x 1e - + 0b 0x1G 08 0o _1 1_ -_1 .e1 1.5. 0x_1 "
                               "1.e3 . -. +0x1 0b2 1d ._5 1._5 -0 0_7 09_1 -09".split()),
    "words as texts": labels(*"true yes on Off N y tRue NaN .nan .inf +.inf .Inf Infinity null Null nULL ~ ~x << =".split(), ""),
    "times as texts": labels("2020-01-01", "2020-1-1", "2020-13-01", "2020-02-30", "2020-04-31", "2020-12-31", "12:30:45", "1:20", "1:99", "1:2.5", "10.0.0.1:9090", "x:1",
                             "2020-01-01T00:00:00Z", "2001-12-14t21:59:43.10-05:00", "2001-12-14 21:59:43", "2001-12-14 21:59:43.10 -5"),
    "marks in texts": labels(" x", "x ", "a: b", "a #b", "#x", "- x", "it's", '"q"', '"', "{x}", "[x]", "*x", "&x", "!x", "%x", "@x", "`x", "?x", "? x", ":x", "x:", "a,b", ">x", "|x", "---", "..."),
    "controls in texts": labels("tab\there", "two\nlines", "end\n", "\nbegin", "bell\a", "\u00a0x", "\u2028x", "a\r\nb", "é ü"),
    "long texts": labels(WORDS.strip(), "x" * 200, "a: " + WORDS.strip(), "\a " + WORDS.strip()),
    "parameters": job("  params: {z: ['1', 'b c'], a: [], y: ['true']}\n  static_configs:\n  - targets: []\n  - labels: {z: '1', a: '', bearer_token: x}\n"
                      "  - targets: ['x:9090']\n    labels: {}\n"),
    "relabeling": job("  relabel_configs:\n  - {source_labels: [a, b_c, '0', 'true', 'a.b'], regex: '(.*)', separator: ',', target_label: c, replacement: '${1}:80', action: REPLACE}\n"
                      "  - {source_labels: [], regex: '__meta_(.+): x', action: keep}\n  - {source_labels: [x], regex: '12', action: drop, modulus: 0}\n"
                      "  metric_relabel_configs:\n  - {source_labels: [" + ", ".join(f"a_long_name_of_a_label_{i}" for i in range(9)) + "], target_label: x, separator: ' '}\n"),
    "token": job("  bearer_token: x\n") + "- {job_name: b, bearer_token_file: t}\n- {job_name: c, authorization: {type: X, credentials_file: c}}\n- {job_name: d, authorization: {}}\n",
    "basic_auth": job("  basic_auth: {username: '', password_file: p}\n") + "- {job_name: b, basic_auth: {}, tls_config: {}}\n"
    "- {job_name: c, basic_auth: {username_file: u, password: ''}, tls_config: {insecure_skip_verify: false}, proxy_from_environment: true}\n",
    "TLS": job("  tls_config: {ca: a, cert: b, key: c, server_name: x, min_version: TLS12, max_version: TLS13}\n") + "- {job_name: b, tls_config: {ca_file: c, cert_file: d, key_file: /k}}\n",
    "proxies": job("  proxy_url: http://p:1/\n  no_proxy: a,b\n  http_headers: {X-B: {files: [h]}, X-A: {values: ['1', b], secrets: [s, t]}}\n  proxy_connect_header: {B: [x, y], A: []}\n"),
    "oauth2 of files": job("  oauth2: {client_id: a, client_secret_file: s, token_url: 'http://t', proxy_url: 'http://q:1', scopes: [], tls_config: {ca_file: x}}\n"),
    "alertmanagers": "alerting:\n  alertmanagers:\n  - {}\n  - {static_configs: [{targets: ['am:9093']}], timeout: 90s, scheme: https, basic_auth: {username: u, password: p},\n"
    "     relabel_configs: [{regex: a, action: labeldrop}], alert_relabel_configs: [{regex: b, action: labeldrop}]}\n"
    "  - {dns_sd_configs: [{names: [x], type: SRV}], follow_redirects: false, tls_config: {ca_file: x}, file_sd_configs: [{files: [f.json]}]}\n"
    "  - {sigv4: {region: r}, path_prefix: x}\n",
    "remote writes": "remote_write:\n- url: http://x/w\n- {url: 'http://y', name: n, queue_config: {}, metadata_config: {}}\n"
    "- {url: 'http://z?a=b', queue_config: {max_shards: 10, batch_send_deadline: 90s}, metadata_config: {send_interval: 5m}, remote_timeout: 0s,\n"
    "   authorization: {credentials: q}, headers: {B: x, A: '1'}, enable_http2: true, tls_config: {insecure_skip_verify: true}}\n"
    "- {url: 'http://q', queue_config: {retry_on_http_429: false}, send_exemplars: false, bearer_token: x, proxy_url: 'http://p'}\n",
    "remote reads": "remote_read:\n- url: http://u:p@x/r\n- {url: 'http://y', name: n, remote_timeout: 90s, read_recent: false, required_matchers: {b: x, a: y}, headers: {A: b},\n"
    "   basic_auth: {username: u, password: p}, follow_redirects: false}\n- {url: 'http://z', chunked_read_limit: 0, filter_external_labels: false}\n",
    "otlp": "otlp: {promote_resource_attributes: [b, a], keep_identifying_resource_attributes: false, convert_histograms_to_nhcb: true}\n",
    "all of otlp": "otlp: {promote_all_resource_attributes: true, ignore_resource_attributes: [x], translation_strategy: NoTranslation}\n",
    "window": "storage: {tsdb: {out_of_order_time_window: 600s}}\n",
    "tracing": "tracing: {endpoint: 'localhost:4317'}\n",
    "all of tracing": "tracing: {endpoint: x, insecure: true, client_type: http, sampling_fraction: 0.5, timeout: 90s, headers: {b: x, a: '1'}, tls_config: {insecure_skip_verify: true}}\n",
    "file_sd": sd("file", "files: [a.yml, /x/*.json]\nrefresh_interval: 90s"),
    "dns_sd": sd("dns", "names: [x, y]"),
    "http_sd": sd("http", "url: http://u:p@x/y\nbasic_auth: {username: u, password: p}"),
    "kubernetes_sd": sd("kubernetes", "role: node\nnamespaces: {own_namespace: true}\nattach_metadata: {node: true}\nselectors: [{role: node}]"),
    "kubernetes_sd of a file": sd("kubernetes", "role: endpoints\nkubeconfig_file: k\nnamespaces: {}\nselectors: []\nattach_metadata: {node: false}"),
    "kubernetes_sd selectors": sd("kubernetes", "role: service\nnamespaces: {names: [a, b]}\nselectors: [{role: service, label: 'a=b', field: 'c=d'}]"),
    "ec2_sd": sd("ec2", "region: r\nrefresh_interval: 2m\nprofile: p\nrole_arn: x\nfilters: []"),
    "triton_sd": sd("triton", "account: a\ndns_suffix: d\nendpoint: e\ntls_config: {ca_file: x}\ngroups: [a]\nrole: cn"),
    "scaleway_sd": sd("scaleway", "role: baremetal\nproject_id: 11111111-1111-1111-1111-111111111112\naccess_key: SCWXXXXXXXXXXXXXXXXX\nsecret_key_file: f\nname_filter: n\ntags_filter: [t]"),
    "order of discovery": job(
        "  http_sd_configs: [{url: 'http://x'}]\n  dns_sd_configs: [{names: [x]}]\n  file_sd_configs: [{files: [/x.yml]}]\n  static_configs: [{targets: [x]}]\n"
        "  kubernetes_sd_configs: [{role: pod}]\n  docker_sd_configs: [{host: 'tcp://x:1'}]\n  ec2_sd_configs: [{region: r}]\n  gce_sd_configs: [{project: p, zone: z}]\n"
        "  hetzner_sd_configs: [{role: robot}]\n  serverset_sd_configs: [{servers: [x], paths: [/a]}]\n  digitalocean_sd_configs: [{}]\n"
        "  dockerswarm_sd_configs: [{host: 'http://x:1', role: nodes}]\n  eureka_sd_configs: [{server: 'http://x'}]\n  linode_sd_configs: [{}]\n"
        "  marathon_sd_configs: [{servers: ['http://x'], auth_token_file: f}]\n  uyuni_sd_configs: [{server: 'http://x', username: u, password: p}]\n  vultr_sd_configs: [{}]\n"
    ),
}
