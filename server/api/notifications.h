/* notifications.h - what an operator should know at once: starting, stopping, a configuration that was not taken.
 *
 * The list follows from the server's state; nothing is stored. Handlers; arg is the app. They serve before the
 * database is there. */
#ifndef FERULA_SERVER_API_NOTIFICATIONS_H
#define FERULA_SERVER_API_NOTIFICATIONS_H

#include "server/app.h"

void api_notifications(http_req *r, void *arg);
/* Server-sent events: what stands, then each change within a second; 204 beyond --web.max-notifications-subscribers. */
void api_notifications_live(http_req *r, void *arg);

#endif
