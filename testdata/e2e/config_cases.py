"""prometheus.yml in many forms, for test_config: each is judged by promtool and by Ferula.

Texts are our own; what they probe is in the documentation of Prometheus' configuration. GOOD and BAD say what both must
answer; where the Prometheus at hand (3.5 of Debian) knows less than 3.14, which Ferula follows, the case stands in NEWER.
"""

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
