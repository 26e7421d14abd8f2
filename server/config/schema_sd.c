/* schema_sd.c - service discovery: what each kind of *_sd_configs may say (Prometheus 3.14, and keys that
 * only 3.5 knows). */
#include "server/config/schema_int.h"

static const schema_field static_config[] = {
    {.key = "targets", .kind = SCHEMA_STRINGS, .flags = SCHEMA_ALWAYS},
    {.key = "labels", .kind = SCHEMA_STRING_MAP},
    END,
};

static const schema_field file_sd[] = {
    {.key = "files", .kind = SCHEMA_PATHS, .flags = SCHEMA_ALWAYS},
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "5m"},
    END,
};

static const schema_field dns_sd[] = {
    {.key = "names", .kind = SCHEMA_STRINGS, .flags = SCHEMA_ALWAYS},
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "30s"},
    {.key = "type", .kind = SCHEMA_STRING, .silent = "SRV", .flags = SCHEMA_ALWAYS},
    {.key = "port", .kind = SCHEMA_INT, .flags = SCHEMA_ALWAYS},
    END,
};

static const schema_field http_sd[] = {
    INLINE(schema_http_client),
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "1m"},
    {.key = "url", .kind = SCHEMA_URL, .flags = SCHEMA_ALWAYS},
    END,
};

static const schema_field consul_sd[] = {
    {.key = "server", .kind = SCHEMA_STRING, .silent = "localhost:8500"},
    {.key = "path_prefix", .kind = SCHEMA_STRING},
    {.key = "token", .kind = SCHEMA_SECRET},
    {.key = "datacenter", .kind = SCHEMA_STRING},
    {.key = "namespace", .kind = SCHEMA_STRING},
    {.key = "partition", .kind = SCHEMA_STRING},
    {.key = "tag_separator", .kind = SCHEMA_STRING, .silent = ","},
    {.key = "scheme", .kind = SCHEMA_STRING, .silent = "http"},
    {.key = "username", .kind = SCHEMA_STRING},
    {.key = "password", .kind = SCHEMA_SECRET},
    {.key = "allow_stale", .kind = SCHEMA_BOOL, .silent = "true", .flags = SCHEMA_ALWAYS},
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "30s"},
    {.key = "services", .kind = SCHEMA_STRINGS},
    {.key = "tags", .kind = SCHEMA_STRINGS},
    {.key = "node_meta", .kind = SCHEMA_STRING_MAP},
    {.key = "filter", .kind = SCHEMA_STRING},
    {.key = "health_filter", .kind = SCHEMA_STRING},
    INLINE(schema_http_client),
    END,
};

static const schema_field kubernetes_namespaces[] = {
    {.key = "own_namespace", .kind = SCHEMA_BOOL, .flags = SCHEMA_ALWAYS},
    {.key = "names", .kind = SCHEMA_STRINGS, .flags = SCHEMA_ALWAYS},
    END,
};

static const schema_field kubernetes_selector[] = {
    {.key = "role", .kind = SCHEMA_STRING},
    {.key = "label", .kind = SCHEMA_STRING},
    {.key = "field", .kind = SCHEMA_STRING},
    END,
};

static const schema_field kubernetes_metadata[] = {
    {.key = "node", .kind = SCHEMA_BOOL, .flags = SCHEMA_ALWAYS},
    {.key = "namespace", .kind = SCHEMA_BOOL},
    {.key = "deployment", .kind = SCHEMA_BOOL},
    {.key = "job", .kind = SCHEMA_BOOL},
    {.key = "cronjob", .kind = SCHEMA_BOOL},
    END,
};

static const schema_field kubernetes_sd[] = {
    {.key = "api_server", .kind = SCHEMA_URL},
    {.key = "role",
     .kind = SCHEMA_STRING,
     .choices = "pod|service|endpoints|endpointslice|node|ingress",
     .flags = SCHEMA_ALWAYS},
    {.key = "kubeconfig_file", .kind = SCHEMA_PATH, .flags = SCHEMA_ALWAYS},
    INLINE(schema_http_client),
    {.key = "namespaces", .kind = SCHEMA_SECTION, .fields = kubernetes_namespaces},
    {.key = "selectors", .kind = SCHEMA_SECTIONS, .fields = kubernetes_selector},
    {.key = "attach_metadata", .kind = SCHEMA_SECTION, .fields = kubernetes_metadata},
    END,
};

static const schema_field filter[] = {
    {.key = "name", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "values", .kind = SCHEMA_STRINGS, .flags = SCHEMA_ALWAYS},
    END,
};

static const schema_field amazon[] = {
    {.key = "access_key", .kind = SCHEMA_STRING},
    {.key = "secret_key", .kind = SCHEMA_SECRET},
    {.key = "profile", .kind = SCHEMA_STRING},
    {.key = "role_arn", .kind = SCHEMA_STRING},
    {.key = "external_id", .kind = SCHEMA_STRING},
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "1m"},
    {.key = "port", .kind = SCHEMA_INT, .silent = "80"},
    END,
};

static const schema_field ec2_sd[] = {
    {.key = "endpoint", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "region", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    INLINE(amazon),
    {.key = "filters", .kind = SCHEMA_SECTIONS, .fields = filter, .flags = SCHEMA_ALWAYS},
    INLINE(schema_http_client),
    END,
};

static const schema_field lightsail_sd[] = {
    {.key = "endpoint", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "region", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    INLINE(amazon),
    INLINE(schema_http_client),
    END,
};

static const schema_field amazon_clusters_sd[] = {
    {.key = "endpoint", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "region", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    INLINE(amazon),
    {.key = "clusters", .kind = SCHEMA_STRINGS},
    {.key = "request_concurrency", .kind = SCHEMA_INT},
    INLINE(schema_http_client),
    END,
};

static const schema_field rds_sd[] = {
    {.key = "endpoint", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "region", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    INLINE(amazon),
    {.key = "filters", .kind = SCHEMA_SECTIONS, .fields = filter},
    {.key = "clusters", .kind = SCHEMA_STRINGS},
    {.key = "request_concurrency", .kind = SCHEMA_INT},
    INLINE(schema_http_client),
    END,
};

static const schema_field aws_sd[] = {
    {.key = "endpoint", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "region", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    INLINE(amazon),
    {.key = "role", .kind = SCHEMA_STRING},
    {.key = "filters", .kind = SCHEMA_SECTIONS, .fields = filter},
    {.key = "clusters", .kind = SCHEMA_STRINGS},
    INLINE(schema_http_client),
    END,
};

static const schema_field azure_sd[] = {
    {.key = "environment", .kind = SCHEMA_STRING},
    {.key = "port", .kind = SCHEMA_INT},
    {.key = "subscription_id", .kind = SCHEMA_STRING},
    {.key = "tenant_id", .kind = SCHEMA_STRING},
    {.key = "client_id", .kind = SCHEMA_STRING},
    {.key = "client_secret", .kind = SCHEMA_SECRET},
    {.key = "refresh_interval", .kind = SCHEMA_DURATION},
    {.key = "authentication_method", .kind = SCHEMA_STRING},
    {.key = "resource_group", .kind = SCHEMA_STRING},
    INLINE(schema_http_client),
    END,
};

static const schema_field digitalocean_sd[] = {
    INLINE(schema_http_client),
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "1m"},
    {.key = "port", .kind = SCHEMA_INT, .silent = "80"},
    {.key = "role", .kind = SCHEMA_STRING},
    END,
};

static const schema_field docker_sd[] = {
    INLINE(schema_http_client),
    {.key = "host", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "port", .kind = SCHEMA_INT, .silent = "80"},
    {.key = "filters", .kind = SCHEMA_SECTIONS, .fields = filter, .flags = SCHEMA_ALWAYS},
    {.key = "host_networking_host", .kind = SCHEMA_STRING, .silent = "localhost"},
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "1m"},
    {.key = "match_first_network", .kind = SCHEMA_BOOL, .silent = "true", .flags = SCHEMA_ALWAYS},
    END,
};

static const schema_field dockerswarm_sd[] = {
    INLINE(schema_http_client),
    {.key = "host", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "role",
     .kind = SCHEMA_STRING,
     .choices = "services|tasks|nodes",
     .flags = SCHEMA_ALWAYS},
    {.key = "port", .kind = SCHEMA_INT, .silent = "80"},
    {.key = "filters", .kind = SCHEMA_SECTIONS, .fields = filter, .flags = SCHEMA_ALWAYS},
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "1m"},
    END,
};

static const schema_field eureka_sd[] = {
    {.key = "server", .kind = SCHEMA_STRING},
    INLINE(schema_http_client),
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "30s"},
    END,
};

static const schema_field gce_sd[] = {
    {.key = "project", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "zone", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "filter", .kind = SCHEMA_STRING},
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "1m"},
    {.key = "port", .kind = SCHEMA_INT, .silent = "80"},
    {.key = "tag_separator", .kind = SCHEMA_STRING, .silent = ","},
    END,
};

static const schema_field hetzner_sd[] = {
    INLINE(schema_http_client),
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "1m"},
    {.key = "port", .kind = SCHEMA_INT, .silent = "80"},
    {.key = "role", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "label_selector", .kind = SCHEMA_STRING},
    END,
};

static const schema_field ionos_sd[] = {
    {.key = "datacenter_id", .kind = SCHEMA_STRING},
    INLINE(schema_http_client),
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "1m"},
    {.key = "port", .kind = SCHEMA_INT, .silent = "80"},
    END,
};

static const schema_field kuma_sd[] = {
    {.key = "server", .kind = SCHEMA_STRING},
    {.key = "refresh_interval", .kind = SCHEMA_DURATION},
    {.key = "fetch_timeout", .kind = SCHEMA_DURATION},
    {.key = "client_id", .kind = SCHEMA_STRING},
    INLINE(schema_http_client),
    END,
};

static const schema_field linode_sd[] = {
    INLINE(schema_http_client),
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "1m"},
    {.key = "port", .kind = SCHEMA_INT, .silent = "80"},
    {.key = "tag_separator", .kind = SCHEMA_STRING, .silent = ","},
    {.key = "region", .kind = SCHEMA_STRING},
    END,
};

static const schema_field marathon_sd[] = {
    {.key = "servers", .kind = SCHEMA_STRINGS},
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "30s"},
    {.key = "auth_token", .kind = SCHEMA_SECRET},
    {.key = "auth_token_file", .kind = SCHEMA_PATH},
    INLINE(schema_http_client),
    END,
};

static const schema_field zookeeper_sd[] = {
    {.key = "servers", .kind = SCHEMA_STRINGS, .flags = SCHEMA_ALWAYS},
    {.key = "paths", .kind = SCHEMA_STRINGS, .flags = SCHEMA_ALWAYS},
    {.key = "timeout", .kind = SCHEMA_DURATION, .silent = "10s"},
    END,
};

static const schema_field nomad_sd[] = {
    {.key = "allow_stale", .kind = SCHEMA_BOOL},
    {.key = "namespace", .kind = SCHEMA_STRING},
    {.key = "refresh_interval", .kind = SCHEMA_DURATION},
    {.key = "region", .kind = SCHEMA_STRING},
    {.key = "server", .kind = SCHEMA_STRING},
    {.key = "tag_separator", .kind = SCHEMA_STRING},
    INLINE(schema_http_client),
    END,
};

static const schema_field oci_sd[] = {
    {.key = "auth", .kind = SCHEMA_STRING},
    {.key = "tenancy", .kind = SCHEMA_STRING},
    {.key = "user", .kind = SCHEMA_STRING},
    {.key = "fingerprint", .kind = SCHEMA_STRING},
    {.key = "key_file", .kind = SCHEMA_STRING},
    {.key = "key_passphrase", .kind = SCHEMA_SECRET},
    {.key = "key_passphrase_file", .kind = SCHEMA_STRING},
    {.key = "region", .kind = SCHEMA_STRING},
    {.key = "compartments", .kind = SCHEMA_STRINGS},
    {.key = "port", .kind = SCHEMA_INT},
    {.key = "refresh_interval", .kind = SCHEMA_DURATION},
    INLINE(schema_http_client),
    END,
};

static const schema_field openstack_sd[] = {
    {.key = "identity_endpoint", .kind = SCHEMA_STRING},
    {.key = "username", .kind = SCHEMA_STRING},
    {.key = "userid", .kind = SCHEMA_STRING},
    {.key = "password", .kind = SCHEMA_SECRET},
    {.key = "project_name", .kind = SCHEMA_STRING},
    {.key = "project_id", .kind = SCHEMA_STRING},
    {.key = "domain_name", .kind = SCHEMA_STRING},
    {.key = "domain_id", .kind = SCHEMA_STRING},
    {.key = "application_credential_name", .kind = SCHEMA_STRING},
    {.key = "application_credential_id", .kind = SCHEMA_STRING},
    {.key = "application_credential_secret", .kind = SCHEMA_SECRET},
    {.key = "role", .kind = SCHEMA_STRING},
    {.key = "region", .kind = SCHEMA_STRING},
    {.key = "refresh_interval", .kind = SCHEMA_DURATION},
    {.key = "port", .kind = SCHEMA_INT},
    {.key = "all_tenants", .kind = SCHEMA_BOOL},
    {.key = "tls_config", .kind = SCHEMA_SECTION, .fields = schema_tls},
    {.key = "availability", .kind = SCHEMA_STRING},
    END,
};

static const schema_field outscale_sd[] = {
    {.key = "endpoint", .kind = SCHEMA_STRING},
    {.key = "region", .kind = SCHEMA_STRING},
    {.key = "access_key", .kind = SCHEMA_STRING},
    {.key = "secret_key", .kind = SCHEMA_SECRET},
    {.key = "secret_key_file", .kind = SCHEMA_STRING},
    {.key = "refresh_interval", .kind = SCHEMA_DURATION},
    {.key = "port", .kind = SCHEMA_INT},
    INLINE(schema_http_client),
    END,
};

static const schema_field ovhcloud_sd[] = {
    {.key = "endpoint", .kind = SCHEMA_STRING, .silent = "ovh-eu", .flags = SCHEMA_ALWAYS},
    {.key = "application_key", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "application_secret", .kind = SCHEMA_SECRET, .flags = SCHEMA_ALWAYS},
    {.key = "consumer_key", .kind = SCHEMA_SECRET, .flags = SCHEMA_ALWAYS},
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "1m", .flags = SCHEMA_ALWAYS},
    {.key = "service", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    END,
};

static const schema_field puppetdb_sd[] = {
    INLINE(schema_http_client),
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "1m"},
    {.key = "url", .kind = SCHEMA_URL, .flags = SCHEMA_ALWAYS},
    {.key = "query", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "include_parameters", .kind = SCHEMA_BOOL, .flags = SCHEMA_ALWAYS},
    {.key = "port", .kind = SCHEMA_INT, .silent = "80", .flags = SCHEMA_ALWAYS},
    END,
};

static const schema_field scaleway_sd[] = {
    {.key = "project_id", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "api_url", .kind = SCHEMA_STRING, .silent = "https://api.scaleway.com"},
    {.key = "zone", .kind = SCHEMA_STRING, .silent = "fr-par-1", .flags = SCHEMA_ALWAYS},
    {.key = "access_key", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "secret_key", .kind = SCHEMA_SECRET, .flags = SCHEMA_ALWAYS},
    {.key = "secret_key_file", .kind = SCHEMA_PATH, .flags = SCHEMA_ALWAYS},
    {.key = "name_filter", .kind = SCHEMA_STRING},
    {.key = "tags_filter", .kind = SCHEMA_STRINGS},
    INLINE(schema_http_client),
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "1m", .flags = SCHEMA_ALWAYS},
    {.key = "port", .kind = SCHEMA_INT, .silent = "80", .flags = SCHEMA_ALWAYS},
    {.key = "role", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    END,
};

static const schema_field stackit_sd[] = {
    {.key = "project", .kind = SCHEMA_STRING},
    {.key = "refresh_interval", .kind = SCHEMA_DURATION},
    {.key = "port", .kind = SCHEMA_INT},
    {.key = "region", .kind = SCHEMA_STRING},
    {.key = "endpoint", .kind = SCHEMA_STRING},
    {.key = "service_account_key", .kind = SCHEMA_SECRET},
    {.key = "private_key", .kind = SCHEMA_SECRET},
    {.key = "service_account_key_path", .kind = SCHEMA_STRING},
    {.key = "private_key_path", .kind = SCHEMA_STRING},
    {.key = "credentials_file_path", .kind = SCHEMA_STRING},
    INLINE(schema_http_client),
    END,
};

static const schema_field triton_sd[] = {
    {.key = "account", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "role", .kind = SCHEMA_STRING, .silent = "container", .flags = SCHEMA_ALWAYS},
    {.key = "dns_suffix", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "endpoint", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "groups", .kind = SCHEMA_STRINGS},
    {.key = "port", .kind = SCHEMA_INT, .silent = "9163", .flags = SCHEMA_ALWAYS},
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "1m"},
    {.key = "tls_config", .kind = SCHEMA_SECTION, .fields = schema_tls},
    {.key = "version", .kind = SCHEMA_INT, .silent = "1", .flags = SCHEMA_ALWAYS},
    END,
};

static const schema_field uyuni_sd[] = {
    {.key = "server", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "username", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "password", .kind = SCHEMA_SECRET, .flags = SCHEMA_ALWAYS},
    INLINE(schema_http_client),
    {.key = "entitlement", .kind = SCHEMA_STRING, .silent = "monitoring_entitled"},
    {.key = "separator", .kind = SCHEMA_STRING, .silent = ","},
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "1m"},
    END,
};

static const schema_field vultr_sd[] = {
    INLINE(schema_http_client),
    {.key = "refresh_interval", .kind = SCHEMA_DURATION, .silent = "1m"},
    {.key = "port", .kind = SCHEMA_INT, .silent = "80", .flags = SCHEMA_ALWAYS},
    END,
};

const schema_field schema_discovery[] = {
    {.key = "aws_sd_configs", .kind = SCHEMA_SECTIONS, .fields = aws_sd},
    {.key = "azure_sd_configs", .kind = SCHEMA_SECTIONS, .fields = azure_sd},
    {.key = "consul_sd_configs", .kind = SCHEMA_SECTIONS, .fields = consul_sd},
    {.key = "digitalocean_sd_configs", .kind = SCHEMA_SECTIONS, .fields = digitalocean_sd},
    {.key = "dns_sd_configs", .kind = SCHEMA_SECTIONS, .fields = dns_sd},
    {.key = "docker_sd_configs", .kind = SCHEMA_SECTIONS, .fields = docker_sd},
    {.key = "dockerswarm_sd_configs", .kind = SCHEMA_SECTIONS, .fields = dockerswarm_sd},
    {.key = "ec2_sd_configs", .kind = SCHEMA_SECTIONS, .fields = ec2_sd},
    {.key = "ecs_sd_configs", .kind = SCHEMA_SECTIONS, .fields = amazon_clusters_sd},
    {.key = "elasticache_sd_configs", .kind = SCHEMA_SECTIONS, .fields = amazon_clusters_sd},
    {.key = "eureka_sd_configs", .kind = SCHEMA_SECTIONS, .fields = eureka_sd},
    {.key = "file_sd_configs", .kind = SCHEMA_SECTIONS, .fields = file_sd},
    {.key = "gce_sd_configs", .kind = SCHEMA_SECTIONS, .fields = gce_sd},
    {.key = "hetzner_sd_configs", .kind = SCHEMA_SECTIONS, .fields = hetzner_sd},
    {.key = "http_sd_configs", .kind = SCHEMA_SECTIONS, .fields = http_sd},
    {.key = "ionos_sd_configs", .kind = SCHEMA_SECTIONS, .fields = ionos_sd},
    {.key = "kubernetes_sd_configs", .kind = SCHEMA_SECTIONS, .fields = kubernetes_sd},
    {.key = "kuma_sd_configs", .kind = SCHEMA_SECTIONS, .fields = kuma_sd},
    {.key = "lightsail_sd_configs", .kind = SCHEMA_SECTIONS, .fields = lightsail_sd},
    {.key = "linode_sd_configs", .kind = SCHEMA_SECTIONS, .fields = linode_sd},
    {.key = "marathon_sd_configs", .kind = SCHEMA_SECTIONS, .fields = marathon_sd},
    {.key = "msk_sd_configs", .kind = SCHEMA_SECTIONS, .fields = amazon_clusters_sd},
    {.key = "nerve_sd_configs", .kind = SCHEMA_SECTIONS, .fields = zookeeper_sd},
    {.key = "nomad_sd_configs", .kind = SCHEMA_SECTIONS, .fields = nomad_sd},
    {.key = "oci_sd_configs", .kind = SCHEMA_SECTIONS, .fields = oci_sd},
    {.key = "openstack_sd_configs", .kind = SCHEMA_SECTIONS, .fields = openstack_sd},
    {.key = "outscale_sd_configs", .kind = SCHEMA_SECTIONS, .fields = outscale_sd},
    {.key = "ovhcloud_sd_configs", .kind = SCHEMA_SECTIONS, .fields = ovhcloud_sd},
    {.key = "puppetdb_sd_configs", .kind = SCHEMA_SECTIONS, .fields = puppetdb_sd},
    {.key = "rds_sd_configs", .kind = SCHEMA_SECTIONS, .fields = rds_sd},
    {.key = "scaleway_sd_configs", .kind = SCHEMA_SECTIONS, .fields = scaleway_sd},
    {.key = "serverset_sd_configs", .kind = SCHEMA_SECTIONS, .fields = zookeeper_sd},
    {.key = "stackit_sd_configs", .kind = SCHEMA_SECTIONS, .fields = stackit_sd},
    {.key = "static_configs", .kind = SCHEMA_SECTIONS, .fields = static_config},
    {.key = "triton_sd_configs", .kind = SCHEMA_SECTIONS, .fields = triton_sd},
    {.key = "uyuni_sd_configs", .kind = SCHEMA_SECTIONS, .fields = uyuni_sd},
    {.key = "vultr_sd_configs", .kind = SCHEMA_SECTIONS, .fields = vultr_sd},
    END,
};
