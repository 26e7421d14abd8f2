/* labels.h - /api/v1/labels, /api/v1/label/NAME/values, /api/v1/series. Handlers; arg is the app. */
#ifndef FERULA_SERVER_API_LABELS_H
#define FERULA_SERVER_API_LABELS_H

#include "server/app.h"

void api_labels(http_req *r, void *arg);
void api_label_values(http_req *r, void *arg);
void api_series(http_req *r, void *arg);
/* Says, as Prometheus, that this is not how series are deleted. */
void api_series_delete(http_req *r, void *arg);

#endif
