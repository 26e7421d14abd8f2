/* yaml_out.c - events to libyaml's emitter. */
#include "server/config/yaml_out.h"

#include <yaml.h>

#include "base/regex.h"

/* Plain texts that YAML 1.1, as the library reads it, takes for null, truth values, numbers, times or sexagesimals. */
#define DAY "(0?[1-9]|[12][0-9]"
#define DATE "[0-9]{4}-((0?[13578]|1[02])-" DAY "|3[01])|(0?[469]|11)-" DAY "|30)|0?2-" DAY "))"
#define CLOCK "[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2}(\\.[0-9]+)?"
static const char other_than_text[] =
    "|~|null|Null|NULL"
    "|y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|FALSE|off|Off|OFF"
    "|\\.nan|\\.NaN|\\.NAN|[-+]?\\.(inf|Inf|INF)"
    "|[-+]?0_*[0-7][0-7_]*|[-+]?0_*[oO][0-7_]*[0-7][0-7_]*"
    "|[-+]?0_*[xX]_*([0-9a-fA-F]_*){1,16}|[-+]?0_*[bB]_*([01]_*){1,64}"
    "|([-+]_*)?[0-9][0-9_]*(\\.[0-9_]*)?([eE]_*[-+]?_*[0-9][0-9_]*)?"
    "|[-+]_*\\.[0-9_]*[0-9][0-9_]*([eE][-+]?[0-9]+)?|\\.[0-9]+([eE][-+]?[0-9]+)?"
    "|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\\.[0-9_]*)?"
    "|" DATE "([Tt]" CLOCK "(Z|[-+][0-9]{2}:[0-9]{2})| " CLOCK ")?";

struct yaml_out {
    yaml_emitter_t emitter;
    fer_buf *to;
    fer_regex *other; /* than text, were it not quoted */
    bool failed;
};

static int write_some(void *data, unsigned char *p, size_t n)
{
    yaml_out *o = data;
    fer_buf_put(o->to, p, n);
    return !o->to->full;
}

/* Takes over the event, where it could be made. */
static void emit(yaml_out *o, int made, yaml_event_t *ev)
{
    if (made && o->failed)
        yaml_event_delete(ev);
    else if (!made || !yaml_emitter_emit(&o->emitter, ev))
        o->failed = true;
}

yaml_out *yaml_out_begin(fer_buf *to)
{
    yaml_out *o = fer_calloc(1, sizeof *o);
    yaml_event_t ev;
    if (!yaml_emitter_initialize(&o->emitter)) {
        fer_free(o);
        return NULL;
    }
    o->to = to;
    if (fer_regex_new(str_of(other_than_text), &o->other, NULL) != FER_OK)
        o->failed = true;
    yaml_emitter_set_output(&o->emitter, write_some, o);
    yaml_emitter_set_unicode(&o->emitter, 1);
    emit(o, yaml_stream_start_event_initialize(&ev, YAML_UTF8_ENCODING), &ev);
    emit(o, yaml_document_start_event_initialize(&ev, NULL, NULL, NULL, 1), &ev);
    return o;
}

fer_code yaml_out_end(yaml_out *o)
{
    yaml_event_t ev;
    if (o == NULL)
        return FER_NOMEM;
    emit(o, yaml_document_end_event_initialize(&ev, 1), &ev);
    emit(o, yaml_stream_end_event_initialize(&ev), &ev);
    fer_code c = o->to->full ? FER_LIMIT : o->failed ? FER_INVALID : FER_OK;
    yaml_emitter_delete(&o->emitter);
    fer_regex_free(o->other);
    fer_free(o);
    return c;
}

static void put_scalar(yaml_out *o, fer_str s, yaml_scalar_style_t style)
{
    yaml_event_t ev;
    const char *p = s.n == 0 ? "" : s.p;
    emit(o,
         yaml_scalar_event_initialize(&ev, NULL, NULL, (const yaml_char_t *)p, (int)s.n, 1, 1,
                                      style),
         &ev);
}

void yaml_out_text(yaml_out *o, fer_str s)
{
    yaml_scalar_style_t style = YAML_PLAIN_SCALAR_STYLE;
    if (s.n != 0 && memchr(s.p, '\n', s.n) != NULL)
        style = YAML_LITERAL_SCALAR_STYLE;
    else if (o->other != NULL && fer_regex_match(o->other, s))
        style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    put_scalar(o, s, style);
}

void yaml_out_plain(yaml_out *o, fer_str s)
{
    put_scalar(o, s, YAML_PLAIN_SCALAR_STYLE);
}

void yaml_out_map(yaml_out *o)
{
    yaml_event_t ev;
    emit(o, yaml_mapping_start_event_initialize(&ev, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE), &ev);
}

void yaml_out_end_map(yaml_out *o)
{
    yaml_event_t ev;
    emit(o, yaml_mapping_end_event_initialize(&ev), &ev);
}

void yaml_out_list(yaml_out *o, bool flow)
{
    yaml_event_t ev;
    emit(o,
         yaml_sequence_start_event_initialize(
             &ev, NULL, NULL, 1, flow ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE),
         &ev);
}

void yaml_out_end_list(yaml_out *o)
{
    yaml_event_t ev;
    emit(o, yaml_sequence_end_event_initialize(&ev), &ev);
}
