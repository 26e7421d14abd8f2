/* schema_sd.c - service discovery: what each kind of *_sd_configs may say (Prometheus 3.14, and keys that
 * only 3.5 knows). */
#include "server/config/schema_int.h"

static const schema_field static_config[] = {
    {"targets", SCHEMA_STRINGS, NULL, NULL},
    {"labels", SCHEMA_STRING_MAP, NULL, NULL},
    END,
};

static const schema_field file_sd[] = {
    {"files", SCHEMA_STRINGS, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    END,
};

static const schema_field dns_sd[] = {
    {"names", SCHEMA_STRINGS, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"type", SCHEMA_STRING, NULL, NULL},
    {"port", SCHEMA_INT, NULL, NULL},
    END,
};

static const schema_field http_sd[] = {
    {"url", SCHEMA_URL, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field consul_sd[] = {
    {"server", SCHEMA_STRING, NULL, NULL},
    {"path_prefix", SCHEMA_STRING, NULL, NULL},
    {"token", SCHEMA_SECRET, NULL, NULL},
    {"datacenter", SCHEMA_STRING, NULL, NULL},
    {"namespace", SCHEMA_STRING, NULL, NULL},
    {"partition", SCHEMA_STRING, NULL, NULL},
    {"tag_separator", SCHEMA_STRING, NULL, NULL},
    {"scheme", SCHEMA_STRING, NULL, NULL},
    {"username", SCHEMA_STRING, NULL, NULL},
    {"password", SCHEMA_SECRET, NULL, NULL},
    {"allow_stale", SCHEMA_BOOL, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"services", SCHEMA_STRINGS, NULL, NULL},
    {"tags", SCHEMA_STRINGS, NULL, NULL},
    {"node_meta", SCHEMA_STRING_MAP, NULL, NULL},
    {"filter", SCHEMA_STRING, NULL, NULL},
    {"health_filter", SCHEMA_STRING, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field kubernetes_namespaces[] = {
    {"own_namespace", SCHEMA_BOOL, NULL, NULL},
    {"names", SCHEMA_STRINGS, NULL, NULL},
    END,
};

static const schema_field kubernetes_selector[] = {
    {"role", SCHEMA_STRING, NULL, NULL},
    {"label", SCHEMA_STRING, NULL, NULL},
    {"field", SCHEMA_STRING, NULL, NULL},
    END,
};

static const schema_field kubernetes_metadata[] = {
    {"node", SCHEMA_BOOL, NULL, NULL},       {"namespace", SCHEMA_BOOL, NULL, NULL},
    {"deployment", SCHEMA_BOOL, NULL, NULL}, {"job", SCHEMA_BOOL, NULL, NULL},
    {"cronjob", SCHEMA_BOOL, NULL, NULL},    END,
};

static const schema_field kubernetes_sd[] = {
    {"api_server", SCHEMA_URL, NULL, NULL},
    {"role", SCHEMA_STRING, NULL, "pod|service|endpoints|endpointslice|node|ingress"},
    {"kubeconfig_file", SCHEMA_STRING, NULL, NULL},
    {"namespaces", SCHEMA_SECTION, kubernetes_namespaces, NULL},
    {"selectors", SCHEMA_SECTIONS, kubernetes_selector, NULL},
    {"attach_metadata", SCHEMA_SECTION, kubernetes_metadata, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field filter[] = {
    {"name", SCHEMA_STRING, NULL, NULL},
    {"values", SCHEMA_STRINGS, NULL, NULL},
    END,
};

static const schema_field amazon[] = {
    {"region", SCHEMA_STRING, NULL, NULL},
    {"endpoint", SCHEMA_STRING, NULL, NULL},
    {"access_key", SCHEMA_STRING, NULL, NULL},
    {"secret_key", SCHEMA_SECRET, NULL, NULL},
    {"profile", SCHEMA_STRING, NULL, NULL},
    {"role_arn", SCHEMA_STRING, NULL, NULL},
    {"external_id", SCHEMA_STRING, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"port", SCHEMA_INT, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field ec2_sd[] = {
    INLINE(amazon),
    {"filters", SCHEMA_SECTIONS, filter, NULL},
    END,
};

static const schema_field amazon_clusters_sd[] = {
    INLINE(amazon),
    {"clusters", SCHEMA_STRINGS, NULL, NULL},
    {"request_concurrency", SCHEMA_INT, NULL, NULL},
    END,
};

static const schema_field rds_sd[] = {
    INLINE(amazon),
    {"filters", SCHEMA_SECTIONS, filter, NULL},
    {"clusters", SCHEMA_STRINGS, NULL, NULL},
    {"request_concurrency", SCHEMA_INT, NULL, NULL},
    END,
};

static const schema_field aws_sd[] = {
    INLINE(amazon),
    {"role", SCHEMA_STRING, NULL, NULL},
    {"filters", SCHEMA_SECTIONS, filter, NULL},
    {"clusters", SCHEMA_STRINGS, NULL, NULL},
    END,
};

static const schema_field azure_sd[] = {
    {"environment", SCHEMA_STRING, NULL, NULL},
    {"port", SCHEMA_INT, NULL, NULL},
    {"subscription_id", SCHEMA_STRING, NULL, NULL},
    {"tenant_id", SCHEMA_STRING, NULL, NULL},
    {"client_id", SCHEMA_STRING, NULL, NULL},
    {"client_secret", SCHEMA_SECRET, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"authentication_method", SCHEMA_STRING, NULL, NULL},
    {"resource_group", SCHEMA_STRING, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field digitalocean_sd[] = {
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"port", SCHEMA_INT, NULL, NULL},
    {"role", SCHEMA_STRING, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field docker_sd[] = {
    {"host", SCHEMA_STRING, NULL, NULL},
    {"port", SCHEMA_INT, NULL, NULL},
    {"filters", SCHEMA_SECTIONS, filter, NULL},
    {"host_networking_host", SCHEMA_STRING, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"match_first_network", SCHEMA_BOOL, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field dockerswarm_sd[] = {
    {"host", SCHEMA_STRING, NULL, NULL},
    {"role", SCHEMA_STRING, NULL, "services|tasks|nodes"},
    {"port", SCHEMA_INT, NULL, NULL},
    {"filters", SCHEMA_SECTIONS, filter, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field eureka_sd[] = {
    {"server", SCHEMA_STRING, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field gce_sd[] = {
    {"project", SCHEMA_STRING, NULL, NULL},
    {"zone", SCHEMA_STRING, NULL, NULL},
    {"filter", SCHEMA_STRING, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"port", SCHEMA_INT, NULL, NULL},
    {"tag_separator", SCHEMA_STRING, NULL, NULL},
    END,
};

static const schema_field hetzner_sd[] = {
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"port", SCHEMA_INT, NULL, NULL},
    {"role", SCHEMA_STRING, NULL, NULL},
    {"label_selector", SCHEMA_STRING, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field ionos_sd[] = {
    {"datacenter_id", SCHEMA_STRING, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"port", SCHEMA_INT, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field kuma_sd[] = {
    {"server", SCHEMA_STRING, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"fetch_timeout", SCHEMA_DURATION, NULL, NULL},
    {"client_id", SCHEMA_STRING, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field linode_sd[] = {
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"port", SCHEMA_INT, NULL, NULL},
    {"tag_separator", SCHEMA_STRING, NULL, NULL},
    {"region", SCHEMA_STRING, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field marathon_sd[] = {
    {"servers", SCHEMA_STRINGS, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"auth_token", SCHEMA_SECRET, NULL, NULL},
    {"auth_token_file", SCHEMA_STRING, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field zookeeper_sd[] = {
    {"servers", SCHEMA_STRINGS, NULL, NULL},
    {"paths", SCHEMA_STRINGS, NULL, NULL},
    {"timeout", SCHEMA_DURATION, NULL, NULL},
    END,
};

static const schema_field nomad_sd[] = {
    {"allow_stale", SCHEMA_BOOL, NULL, NULL},
    {"namespace", SCHEMA_STRING, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"region", SCHEMA_STRING, NULL, NULL},
    {"server", SCHEMA_STRING, NULL, NULL},
    {"tag_separator", SCHEMA_STRING, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field oci_sd[] = {
    {"auth", SCHEMA_STRING, NULL, NULL},
    {"tenancy", SCHEMA_STRING, NULL, NULL},
    {"user", SCHEMA_STRING, NULL, NULL},
    {"fingerprint", SCHEMA_STRING, NULL, NULL},
    {"key_file", SCHEMA_STRING, NULL, NULL},
    {"key_passphrase", SCHEMA_SECRET, NULL, NULL},
    {"key_passphrase_file", SCHEMA_STRING, NULL, NULL},
    {"region", SCHEMA_STRING, NULL, NULL},
    {"compartments", SCHEMA_STRINGS, NULL, NULL},
    {"port", SCHEMA_INT, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field openstack_sd[] = {
    {"identity_endpoint", SCHEMA_STRING, NULL, NULL},
    {"username", SCHEMA_STRING, NULL, NULL},
    {"userid", SCHEMA_STRING, NULL, NULL},
    {"password", SCHEMA_SECRET, NULL, NULL},
    {"project_name", SCHEMA_STRING, NULL, NULL},
    {"project_id", SCHEMA_STRING, NULL, NULL},
    {"domain_name", SCHEMA_STRING, NULL, NULL},
    {"domain_id", SCHEMA_STRING, NULL, NULL},
    {"application_credential_name", SCHEMA_STRING, NULL, NULL},
    {"application_credential_id", SCHEMA_STRING, NULL, NULL},
    {"application_credential_secret", SCHEMA_SECRET, NULL, NULL},
    {"role", SCHEMA_STRING, NULL, NULL},
    {"region", SCHEMA_STRING, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"port", SCHEMA_INT, NULL, NULL},
    {"all_tenants", SCHEMA_BOOL, NULL, NULL},
    {"tls_config", SCHEMA_SECTION, schema_tls, NULL},
    {"availability", SCHEMA_STRING, NULL, NULL},
    END,
};

static const schema_field outscale_sd[] = {
    {"endpoint", SCHEMA_STRING, NULL, NULL},
    {"region", SCHEMA_STRING, NULL, NULL},
    {"access_key", SCHEMA_STRING, NULL, NULL},
    {"secret_key", SCHEMA_SECRET, NULL, NULL},
    {"secret_key_file", SCHEMA_STRING, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"port", SCHEMA_INT, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field ovhcloud_sd[] = {
    {"endpoint", SCHEMA_STRING, NULL, NULL},
    {"application_key", SCHEMA_STRING, NULL, NULL},
    {"application_secret", SCHEMA_SECRET, NULL, NULL},
    {"consumer_key", SCHEMA_SECRET, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"service", SCHEMA_STRING, NULL, NULL},
    END,
};

static const schema_field puppetdb_sd[] = {
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"url", SCHEMA_URL, NULL, NULL},
    {"query", SCHEMA_STRING, NULL, NULL},
    {"include_parameters", SCHEMA_BOOL, NULL, NULL},
    {"port", SCHEMA_INT, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field scaleway_sd[] = {
    {"project_id", SCHEMA_STRING, NULL, NULL},
    {"api_url", SCHEMA_STRING, NULL, NULL},
    {"zone", SCHEMA_STRING, NULL, NULL},
    {"access_key", SCHEMA_STRING, NULL, NULL},
    {"secret_key", SCHEMA_SECRET, NULL, NULL},
    {"secret_key_file", SCHEMA_STRING, NULL, NULL},
    {"name_filter", SCHEMA_STRING, NULL, NULL},
    {"tags_filter", SCHEMA_STRINGS, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"port", SCHEMA_INT, NULL, NULL},
    {"role", SCHEMA_STRING, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field stackit_sd[] = {
    {"project", SCHEMA_STRING, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"port", SCHEMA_INT, NULL, NULL},
    {"region", SCHEMA_STRING, NULL, NULL},
    {"endpoint", SCHEMA_STRING, NULL, NULL},
    {"service_account_key", SCHEMA_SECRET, NULL, NULL},
    {"private_key", SCHEMA_SECRET, NULL, NULL},
    {"service_account_key_path", SCHEMA_STRING, NULL, NULL},
    {"private_key_path", SCHEMA_STRING, NULL, NULL},
    {"credentials_file_path", SCHEMA_STRING, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field triton_sd[] = {
    {"account", SCHEMA_STRING, NULL, NULL},
    {"role", SCHEMA_STRING, NULL, NULL},
    {"dns_suffix", SCHEMA_STRING, NULL, NULL},
    {"endpoint", SCHEMA_STRING, NULL, NULL},
    {"groups", SCHEMA_STRINGS, NULL, NULL},
    {"port", SCHEMA_INT, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"tls_config", SCHEMA_SECTION, schema_tls, NULL},
    {"version", SCHEMA_INT, NULL, NULL},
    END,
};

static const schema_field uyuni_sd[] = {
    {"server", SCHEMA_STRING, NULL, NULL},
    {"username", SCHEMA_STRING, NULL, NULL},
    {"password", SCHEMA_SECRET, NULL, NULL},
    {"entitlement", SCHEMA_STRING, NULL, NULL},
    {"separator", SCHEMA_STRING, NULL, NULL},
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

static const schema_field vultr_sd[] = {
    {"refresh_interval", SCHEMA_DURATION, NULL, NULL},
    {"port", SCHEMA_INT, NULL, NULL},
    INLINE(schema_http_client),
    END,
};

const schema_field schema_discovery[] = {
    {"static_configs", SCHEMA_SECTIONS, static_config, NULL},
    {"file_sd_configs", SCHEMA_SECTIONS, file_sd, NULL},
    {"dns_sd_configs", SCHEMA_SECTIONS, dns_sd, NULL},
    {"http_sd_configs", SCHEMA_SECTIONS, http_sd, NULL},
    {"consul_sd_configs", SCHEMA_SECTIONS, consul_sd, NULL},
    {"kubernetes_sd_configs", SCHEMA_SECTIONS, kubernetes_sd, NULL},
    {"ec2_sd_configs", SCHEMA_SECTIONS, ec2_sd, NULL},
    {"ecs_sd_configs", SCHEMA_SECTIONS, amazon_clusters_sd, NULL},
    {"lightsail_sd_configs", SCHEMA_SECTIONS, amazon, NULL},
    {"rds_sd_configs", SCHEMA_SECTIONS, rds_sd, NULL},
    {"elasticache_sd_configs", SCHEMA_SECTIONS, amazon_clusters_sd, NULL},
    {"msk_sd_configs", SCHEMA_SECTIONS, amazon_clusters_sd, NULL},
    {"aws_sd_configs", SCHEMA_SECTIONS, aws_sd, NULL},
    {"azure_sd_configs", SCHEMA_SECTIONS, azure_sd, NULL},
    {"digitalocean_sd_configs", SCHEMA_SECTIONS, digitalocean_sd, NULL},
    {"docker_sd_configs", SCHEMA_SECTIONS, docker_sd, NULL},
    {"dockerswarm_sd_configs", SCHEMA_SECTIONS, dockerswarm_sd, NULL},
    {"eureka_sd_configs", SCHEMA_SECTIONS, eureka_sd, NULL},
    {"gce_sd_configs", SCHEMA_SECTIONS, gce_sd, NULL},
    {"hetzner_sd_configs", SCHEMA_SECTIONS, hetzner_sd, NULL},
    {"ionos_sd_configs", SCHEMA_SECTIONS, ionos_sd, NULL},
    {"kuma_sd_configs", SCHEMA_SECTIONS, kuma_sd, NULL},
    {"linode_sd_configs", SCHEMA_SECTIONS, linode_sd, NULL},
    {"marathon_sd_configs", SCHEMA_SECTIONS, marathon_sd, NULL},
    {"nerve_sd_configs", SCHEMA_SECTIONS, zookeeper_sd, NULL},
    {"nomad_sd_configs", SCHEMA_SECTIONS, nomad_sd, NULL},
    {"oci_sd_configs", SCHEMA_SECTIONS, oci_sd, NULL},
    {"openstack_sd_configs", SCHEMA_SECTIONS, openstack_sd, NULL},
    {"outscale_sd_configs", SCHEMA_SECTIONS, outscale_sd, NULL},
    {"ovhcloud_sd_configs", SCHEMA_SECTIONS, ovhcloud_sd, NULL},
    {"puppetdb_sd_configs", SCHEMA_SECTIONS, puppetdb_sd, NULL},
    {"scaleway_sd_configs", SCHEMA_SECTIONS, scaleway_sd, NULL},
    {"serverset_sd_configs", SCHEMA_SECTIONS, zookeeper_sd, NULL},
    {"stackit_sd_configs", SCHEMA_SECTIONS, stackit_sd, NULL},
    {"triton_sd_configs", SCHEMA_SECTIONS, triton_sd, NULL},
    {"uyuni_sd_configs", SCHEMA_SECTIONS, uyuni_sd, NULL},
    {"vultr_sd_configs", SCHEMA_SECTIONS, vultr_sd, NULL},
    END,
};
