/* metrics_rooms.h - the parts of the page /metrics, each with its families (metrics_text.h). */
#ifndef FERULA_SERVER_API_METRICS_ROOMS_H
#define FERULA_SERVER_API_METRICS_ROOMS_H

#include "server/app.h"

/* metrics_serving.c: queries, HTTP, readers and writers. */
void metrics_put_serving(fer_buf *out, app *a);
/* metrics_query.c: the query log, what queries have cost. */
void metrics_put_queries(fer_buf *out, app *a);
/* metrics_store.c: the database, once there is one. */
void metrics_put_store(fer_buf *out, app *a, tsdb *db);
/* metrics_idle.c: what is 0 here. */
void metrics_put_idle(fer_buf *out);

#endif
