/* json.h - OTLP/JSON to OTLP/protobuf.
 *
 * The JSON form of a metrics request (opentelemetry-proto, "JSON Protobuf Encoding": lowerCamelCase names, 64-bit
 * numbers as text or numbers, ids in hex, enumerations as numbers; their names and snake_case are taken as well) is
 * written anew as the protobuf message it stands for, so that one scan serves both. Unknown names are skipped.
 * Threads: any.
 */
#ifndef FERULA_SERVER_OTLP_JSON_H
#define FERULA_SERVER_OTLP_JSON_H

#include "base/buf.h"
#include "base/err.h"

enum { OTLP_JSON_DEPTH_MAX = 64 };

/* An ExportMetricsServiceRequest, appended to out. FER_INVALID names the byte where the text is none;
 * FER_LIMIT when out is full. */
FER_MUST_CHECK fer_code otlp_json_to_protobuf(fer_str text, fer_buf *out, fer_err *err);

#endif
