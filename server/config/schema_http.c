/* schema_http.c - the client side of HTTP as Prometheus' sections share it: TLS, authentication, proxies. */
#include "server/config/schema_int.h"

const schema_field schema_tls[] = {
    {.key = "ca", .kind = SCHEMA_STRING},
    {.key = "cert", .kind = SCHEMA_STRING},
    {.key = "key", .kind = SCHEMA_SECRET},
    {.key = "ca_file", .kind = SCHEMA_PATH},
    {.key = "cert_file", .kind = SCHEMA_PATH},
    {.key = "key_file", .kind = SCHEMA_PATH},
    {.key = "ca_ref", .kind = SCHEMA_STRING},
    {.key = "cert_ref", .kind = SCHEMA_STRING},
    {.key = "key_ref", .kind = SCHEMA_STRING},
    {.key = "server_name", .kind = SCHEMA_STRING},
    {.key = "insecure_skip_verify", .kind = SCHEMA_BOOL, .flags = SCHEMA_ALWAYS},
    {.key = "min_version", .kind = SCHEMA_STRING, .choices = "TLS10|TLS11|TLS12|TLS13"},
    {.key = "max_version", .kind = SCHEMA_STRING, .choices = "TLS10|TLS11|TLS12|TLS13"},
    END,
};

static const schema_field basic_auth[] = {
    {.key = "username", .kind = SCHEMA_STRING},
    {.key = "username_file", .kind = SCHEMA_PATH},
    {.key = "username_ref", .kind = SCHEMA_STRING},
    {.key = "password", .kind = SCHEMA_SECRET},
    {.key = "password_file", .kind = SCHEMA_PATH},
    {.key = "password_ref", .kind = SCHEMA_STRING},
    END,
};

static const schema_field authorization[] = {
    {.key = "type", .kind = SCHEMA_STRING, .silent = "Bearer"},
    {.key = "credentials", .kind = SCHEMA_SECRET},
    {.key = "credentials_file", .kind = SCHEMA_PATH},
    {.key = "credentials_ref", .kind = SCHEMA_STRING},
    END,
};

static const schema_field http_header[] = {
    {.key = "values", .kind = SCHEMA_STRINGS},
    {.key = "secrets", .kind = SCHEMA_SECRETS},
    {.key = "files", .kind = SCHEMA_PATHS},
    END,
};

static const schema_field proxy[] = {
    {.key = "proxy_url", .kind = SCHEMA_URL},
    {.key = "no_proxy", .kind = SCHEMA_STRING},
    {.key = "proxy_from_environment", .kind = SCHEMA_BOOL},
    {.key = "proxy_connect_header", .kind = SCHEMA_SECRETS_MAP},
    END,
};

static const schema_field oauth2[] = {
    {.key = "client_id", .kind = SCHEMA_STRING, .flags = SCHEMA_ALWAYS},
    {.key = "client_secret", .kind = SCHEMA_SECRET},
    {.key = "client_secret_file", .kind = SCHEMA_PATH},
    {.key = "client_secret_ref", .kind = SCHEMA_STRING},
    {.key = "client_certificate_key_id", .kind = SCHEMA_STRING},
    {.key = "client_certificate_key", .kind = SCHEMA_SECRET},
    {.key = "client_certificate_key_file", .kind = SCHEMA_PATH},
    {.key = "client_certificate_key_ref", .kind = SCHEMA_STRING},
    {.key = "grant_type", .kind = SCHEMA_STRING},
    {.key = "signature_algorithm", .kind = SCHEMA_STRING},
    {.key = "iss", .kind = SCHEMA_STRING},
    {.key = "audience", .kind = SCHEMA_STRING},
    {.key = "claims", .kind = SCHEMA_ANY},
    {.key = "scopes", .kind = SCHEMA_STRINGS},
    {.key = "token_url", .kind = SCHEMA_URL, .flags = SCHEMA_ALWAYS},
    {.key = "endpoint_params", .kind = SCHEMA_STRING_MAP},
    {.key = "tls_config", .kind = SCHEMA_SECTION, .fields = schema_tls},
    INLINE(proxy),
    END,
};

/* Whether they speak HTTP/2 where nothing is said differs. */
#define HTTP_CLIENT_FIELDS(http2)                                                                  \
    {.key = "basic_auth", .kind = SCHEMA_SECTION, .fields = basic_auth, .flags = SCHEMA_GIVEN},    \
        {.key = "authorization",                                                                   \
         .kind = SCHEMA_SECTION,                                                                   \
         .fields = authorization,                                                                  \
         .flags = SCHEMA_GIVEN},                                                                   \
        {.key = "oauth2", .kind = SCHEMA_SECTION, .fields = oauth2, .flags = SCHEMA_GIVEN},        \
        {.key = "bearer_token", .kind = SCHEMA_SECRET},                                            \
        {.key = "bearer_token_file", .kind = SCHEMA_PATH},                                         \
        {.key = "tls_config", .kind = SCHEMA_SECTION, .fields = schema_tls},                       \
        {.key = "follow_redirects",                                                                \
         .kind = SCHEMA_BOOL,                                                                      \
         .silent = "true",                                                                         \
         .flags = SCHEMA_ALWAYS},                                                                  \
        {.key = "enable_http2", .kind = SCHEMA_BOOL, .silent = http2, .flags = SCHEMA_ALWAYS},     \
        INLINE(proxy), {.key = "http_headers", .kind = SCHEMA_SECTION_MAP, .fields = http_header}, \
        END

const schema_field schema_http_client[] = {HTTP_CLIENT_FIELDS("true")};
const schema_field schema_http1_client[] = {HTTP_CLIENT_FIELDS("false")};

const schema_field schema_sigv4[] = {
    {.key = "region", .kind = SCHEMA_STRING},
    {.key = "access_key", .kind = SCHEMA_STRING},
    {.key = "secret_key", .kind = SCHEMA_SECRET},
    {.key = "profile", .kind = SCHEMA_STRING},
    {.key = "role_arn", .kind = SCHEMA_STRING},
    {.key = "external_id", .kind = SCHEMA_STRING},
    {.key = "use_fips_sts_endpoint", .kind = SCHEMA_BOOL},
    {.key = "service_name", .kind = SCHEMA_STRING},
    END,
};

static const schema_field azure_identity[] = {
    {.key = "client_id", .kind = SCHEMA_STRING},
    END,
};

static const schema_field azure_workload[] = {
    {.key = "client_id", .kind = SCHEMA_STRING},
    {.key = "tenant_id", .kind = SCHEMA_STRING},
    {.key = "token_file_path", .kind = SCHEMA_STRING},
    END,
};

static const schema_field azure_oauth[] = {
    {.key = "client_id", .kind = SCHEMA_STRING},
    {.key = "client_secret", .kind = SCHEMA_SECRET},
    {.key = "tenant_id", .kind = SCHEMA_STRING},
    END,
};

static const schema_field azure_sdk[] = {
    {.key = "tenant_id", .kind = SCHEMA_STRING},
    END,
};

const schema_field schema_azuread[] = {
    {.key = "managed_identity", .kind = SCHEMA_SECTION, .fields = azure_identity},
    {.key = "workload_identity", .kind = SCHEMA_SECTION, .fields = azure_workload},
    {.key = "oauth", .kind = SCHEMA_SECTION, .fields = azure_oauth},
    {.key = "sdk", .kind = SCHEMA_SECTION, .fields = azure_sdk},
    {.key = "cloud", .kind = SCHEMA_STRING},
    {.key = "scope", .kind = SCHEMA_STRING},
    END,
};

const schema_field schema_google_iam[] = {
    {.key = "credentials_file", .kind = SCHEMA_PATH},
    END,
};
