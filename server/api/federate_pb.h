/* federate_pb.h - io.prometheus.client.MetricFamily messages, each with its length before it.
 *
 * A family goes out when the next begins: its length stands first, so it is gathered whole. As Prometheus does, one name
 * becomes several families where floats and histograms, or their kinds, take turns.
 * Threads: one at a time.
 */
#ifndef FERULA_SERVER_API_FEDERATE_PB_H
#define FERULA_SERVER_API_FEDERATE_PB_H

#include "server/api/federate_format.h"
#include "tsdb/histogram.h"

typedef struct federate_pb {
    fer_buf name;           /* of the family, as stored */
    fer_buf family, metric; /* messages being made */
    int kind;               /* of the family; 0: none begun */
} federate_pb;

/* What is gathered is charged to acct. */
void federate_pb_init(federate_pb *p, fer_account *acct);
void federate_pb_done(federate_pb *p);
bool federate_pb_full(const federate_pb *p);

/* A series of this name: labels follow in p->metric, then federate_pb_end(). h NULL: a float. */
void federate_pb_begin(federate_pb *p, name_escaping e, fer_str name, const histogram *h,
                       fer_buf *out);
void federate_pb_label(fer_buf *metric, name_escaping e, fer_str name, fer_str value);
void federate_pb_end(federate_pb *p, int64_t t_ms, double v, const histogram *h);
/* Sends the family at hand, if any. */
void federate_pb_flush(federate_pb *p, fer_buf *out);

#endif
