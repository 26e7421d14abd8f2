/* admin.h - /api/v1/admin/tsdb/..., behind --web.enable-admin-api. Handlers; arg is the app. */
#ifndef FERULA_SERVER_API_ADMIN_H
#define FERULA_SERVER_API_ADMIN_H

#include "server/app.h"

void api_admin_delete_series(http_req *r, void *arg);
void api_admin_clean_tombstones(http_req *r, void *arg);
void api_admin_snapshot(http_req *r, void *arg);

#endif
