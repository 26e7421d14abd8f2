/* schema_int.h - tables that the parts of the schema share. */
#ifndef FERULA_SERVER_CONFIG_SCHEMA_INT_H
#define FERULA_SERVER_CONFIG_SCHEMA_INT_H

#include "server/config/schema.h"

#define END                                                                                        \
    {                                                                                              \
        .key = NULL                                                                                \
    }
#define INLINE(table)                                                                              \
    {                                                                                              \
        .key = "", .kind = SCHEMA_INLINE, .fields = table                                          \
    }

/* schema_http.c: how requests to others are made. */
extern const schema_field schema_tls[];
extern const schema_field schema_http_client[];
extern const schema_field schema_http1_client[]; /* HTTP/2 only where it is asked for */
extern const schema_field schema_sigv4[];
extern const schema_field schema_azuread[];
extern const schema_field schema_google_iam[];
/* schema_sd.c: static_configs and all *_sd_configs. */
extern const schema_field schema_discovery[];

#endif
