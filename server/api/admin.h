/* admin.h - /api/v1/admin/tsdb/... and, ours, /api/v1/admin/queries, behind --web.enable-admin-api. Handlers; arg is the
 * app. */
#ifndef FERULA_SERVER_API_ADMIN_H
#define FERULA_SERVER_API_ADMIN_H

#include "server/app.h"

void api_admin_delete_series(http_req *r, void *arg);
void api_admin_clean_tombstones(http_req *r, void *arg);
void api_admin_snapshot(http_req *r, void *arg);
void api_admin_queries(
    http_req *r,
    void *arg); /* the queries under way; on the loop, so that it never waits for one */
void api_admin_kill_query(http_req *r, void *arg); /* ends the one of the wildcard's id */

#endif
