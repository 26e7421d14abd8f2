/* schema_http.c - the client side of HTTP as Prometheus' sections share it: TLS, authentication, proxies. */
#include "server/config/schema_int.h"

const schema_field schema_tls[] = {
    {"ca", SCHEMA_STRING, NULL, NULL},
    {"cert", SCHEMA_STRING, NULL, NULL},
    {"key", SCHEMA_SECRET, NULL, NULL},
    {"ca_file", SCHEMA_STRING, NULL, NULL},
    {"cert_file", SCHEMA_STRING, NULL, NULL},
    {"key_file", SCHEMA_STRING, NULL, NULL},
    {"ca_ref", SCHEMA_STRING, NULL, NULL},
    {"cert_ref", SCHEMA_STRING, NULL, NULL},
    {"key_ref", SCHEMA_STRING, NULL, NULL},
    {"server_name", SCHEMA_STRING, NULL, NULL},
    {"insecure_skip_verify", SCHEMA_BOOL, NULL, NULL},
    {"min_version", SCHEMA_STRING, NULL, "TLS10|TLS11|TLS12|TLS13"},
    {"max_version", SCHEMA_STRING, NULL, "TLS10|TLS11|TLS12|TLS13"},
    END,
};

static const schema_field basic_auth[] = {
    {"username", SCHEMA_STRING, NULL, NULL},
    {"username_file", SCHEMA_STRING, NULL, NULL},
    {"username_ref", SCHEMA_STRING, NULL, NULL},
    {"password", SCHEMA_SECRET, NULL, NULL},
    {"password_file", SCHEMA_STRING, NULL, NULL},
    {"password_ref", SCHEMA_STRING, NULL, NULL},
    END,
};

static const schema_field authorization[] = {
    {"type", SCHEMA_STRING, NULL, NULL},
    {"credentials", SCHEMA_SECRET, NULL, NULL},
    {"credentials_file", SCHEMA_STRING, NULL, NULL},
    {"credentials_ref", SCHEMA_STRING, NULL, NULL},
    END,
};

static const schema_field http_header[] = {
    {"values", SCHEMA_STRINGS, NULL, NULL},
    {"secrets", SCHEMA_SECRETS, NULL, NULL},
    {"files", SCHEMA_STRINGS, NULL, NULL},
    END,
};

static const schema_field proxy[] = {
    {"proxy_url", SCHEMA_URL, NULL, NULL},
    {"no_proxy", SCHEMA_STRING, NULL, NULL},
    {"proxy_from_environment", SCHEMA_BOOL, NULL, NULL},
    {"proxy_connect_header", SCHEMA_SECRETS_MAP, NULL, NULL},
    END,
};

static const schema_field oauth2[] = {
    {"client_id", SCHEMA_STRING, NULL, NULL},
    {"client_secret", SCHEMA_SECRET, NULL, NULL},
    {"client_secret_file", SCHEMA_STRING, NULL, NULL},
    {"client_secret_ref", SCHEMA_STRING, NULL, NULL},
    {"client_certificate_key_id", SCHEMA_STRING, NULL, NULL},
    {"client_certificate_key", SCHEMA_SECRET, NULL, NULL},
    {"client_certificate_key_file", SCHEMA_STRING, NULL, NULL},
    {"client_certificate_key_ref", SCHEMA_STRING, NULL, NULL},
    {"grant_type", SCHEMA_STRING, NULL, NULL},
    {"signature_algorithm", SCHEMA_STRING, NULL, NULL},
    {"iss", SCHEMA_STRING, NULL, NULL},
    {"audience", SCHEMA_STRING, NULL, NULL},
    {"claims", SCHEMA_ANY, NULL, NULL},
    {"scopes", SCHEMA_STRINGS, NULL, NULL},
    {"token_url", SCHEMA_URL, NULL, NULL},
    {"endpoint_params", SCHEMA_STRING_MAP, NULL, NULL},
    {"tls_config", SCHEMA_SECTION, schema_tls, NULL},
    INLINE(proxy),
    END,
};

const schema_field schema_http_client[] = {
    {"basic_auth", SCHEMA_SECTION, basic_auth, NULL},
    {"authorization", SCHEMA_SECTION, authorization, NULL},
    {"oauth2", SCHEMA_SECTION, oauth2, NULL},
    {"bearer_token", SCHEMA_SECRET, NULL, NULL},
    {"bearer_token_file", SCHEMA_STRING, NULL, NULL},
    {"tls_config", SCHEMA_SECTION, schema_tls, NULL},
    {"follow_redirects", SCHEMA_BOOL, NULL, NULL},
    {"enable_http2", SCHEMA_BOOL, NULL, NULL},
    {"http_headers", SCHEMA_SECTION_MAP, http_header, NULL},
    INLINE(proxy),
    END,
};

const schema_field schema_sigv4[] = {
    {"region", SCHEMA_STRING, NULL, NULL},
    {"access_key", SCHEMA_STRING, NULL, NULL},
    {"secret_key", SCHEMA_SECRET, NULL, NULL},
    {"profile", SCHEMA_STRING, NULL, NULL},
    {"role_arn", SCHEMA_STRING, NULL, NULL},
    {"external_id", SCHEMA_STRING, NULL, NULL},
    {"use_fips_sts_endpoint", SCHEMA_BOOL, NULL, NULL},
    {"service_name", SCHEMA_STRING, NULL, NULL},
    END,
};

static const schema_field azure_identity[] = {
    {"client_id", SCHEMA_STRING, NULL, NULL},
    END,
};

static const schema_field azure_workload[] = {
    {"client_id", SCHEMA_STRING, NULL, NULL},
    {"tenant_id", SCHEMA_STRING, NULL, NULL},
    {"token_file_path", SCHEMA_STRING, NULL, NULL},
    END,
};

static const schema_field azure_oauth[] = {
    {"client_id", SCHEMA_STRING, NULL, NULL},
    {"client_secret", SCHEMA_SECRET, NULL, NULL},
    {"tenant_id", SCHEMA_STRING, NULL, NULL},
    END,
};

static const schema_field azure_sdk[] = {
    {"tenant_id", SCHEMA_STRING, NULL, NULL},
    END,
};

const schema_field schema_azuread[] = {
    {"managed_identity", SCHEMA_SECTION, azure_identity, NULL},
    {"workload_identity", SCHEMA_SECTION, azure_workload, NULL},
    {"oauth", SCHEMA_SECTION, azure_oauth, NULL},
    {"sdk", SCHEMA_SECTION, azure_sdk, NULL},
    {"cloud", SCHEMA_STRING, NULL, NULL},
    {"scope", SCHEMA_STRING, NULL, NULL},
    END,
};

const schema_field schema_google_iam[] = {
    {"credentials_file", SCHEMA_STRING, NULL, NULL},
    END,
};
