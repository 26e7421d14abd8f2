/* metrics_format_test.c - one page in OpenMetrics and in protobuf. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include "server/api/federate_format.h"
#include "server/api/metrics_format.h"

static const char page[] =
    "# HELP z_total What \"z\" is.\n# TYPE z_total counter\nz_total{a=\"x\"} 3\n"
    "# HELP b B\n# TYPE b gauge\n"
    "b{x=\"1\",y=\"a,}\\\"\\\\\\n\"} -1.5\nb{x=\"2\"} NaN\nb{x=\"3\"} 1e+06\n"
    "# HELP h H\n# TYPE h histogram\n"
    "h_bucket{c=\"d\",le=\"1\"} 1\nh_bucket{c=\"d\",le=\"+Inf\"} 2\n"
    "h_sum{c=\"d\"} 7\nh_count{c=\"d\"} 2\n"
    "# HELP s S\n# TYPE s summary\n"
    "s{quantile=\"0.9\"} 4\ns_sum 5\ns_count 6\n"
    "# HELP u U\n# TYPE u untyped\nu +Inf\n"
    "# HELP none N\n# TYPE none counter\n";

static void openmetrics_is_as_its_text_format_says(void **state)
{
    (void)state;
    fer_buf out;
    fer_buf_init(&out, 1 << 20, NULL);
    metrics_put_openmetrics(&out, str_of(page));
    fer_buf_putc(&out, '\0');
    assert_string_equal(out.p,
                        "# HELP b B\n# TYPE b gauge\n"
                        "b{x=\"1\",y=\"a,}\\\"\\\\\\n\"} -1.5\nb{x=\"2\"} NaN\nb{x=\"3\"} 1e+06\n"
                        "# HELP h H\n# TYPE h histogram\n"
                        "h_bucket{c=\"d\",le=\"1.0\"} 1\nh_bucket{c=\"d\",le=\"+Inf\"} 2\n"
                        "h_sum{c=\"d\"} 7.0\nh_count{c=\"d\"} 2\n"
                        "# HELP s S\n# TYPE s summary\n"
                        "s{quantile=\"0.9\"} 4.0\ns_sum 5.0\ns_count 6\n"
                        "# HELP u U\n# TYPE u unknown\nu +Inf\n"
                        "# HELP z What \\\"z\\\" is.\n# TYPE z counter\nz_total{a=\"x\"} 3.0\n"
                        "# EOF\n");
    fer_buf_done(&out);
}

static void protobuf_is_as_its_messages_say(void **state)
{
    (void)state;
    static const char two[] = "# HELP h H\n# TYPE h histogram\n"
                              "h_bucket{c=\"d\",le=\"1\"} 1\nh_bucket{c=\"d\",le=\"+Inf\"} 2\n"
                              "h_sum{c=\"d\"} 7\nh_count{c=\"d\"} 2\n"
                              "# HELP z_total Z\\n\n# TYPE z_total counter\nz_total 3\n";
    static const char want[] =
        "\x2c\x0a\x01h\x12\x01H\x18\x04"                   /* 44 bytes: name, help, HISTOGRAM */
        "\x22\x22\x0a\x06\x0a\x01\x63\x12\x01\x64"         /* a metric: its label */
        "\x3a\x18\x1a\x0b\x08\x01\x11\0\0\0\0\0\0\xf0\x3f" /* a bucket; +Inf is the count */
        "\x11\0\0\0\0\0\0\x1c\x40\x08\x02"                 /* sum and count */
        "\x1c\x0a\x07z_total\x12\x02Z\n\x18\0" /* the help without its escape; COUNTER */
        "\x22\x0b\x1a\x09\x09\0\0\0\0\0\0\x08\x40";
    fer_buf out;
    fer_buf_init(&out, 1 << 20, NULL);
    metrics_put_protobuf(&out, str_of(two));
    assert_int_equal(out.n, sizeof want - 1);
    assert_memory_equal(out.p, want, out.n);
    fer_buf_done(&out);
}

static void readers_get_what_they_ask_for(void **state)
{
    (void)state;
    static const struct {
        const char *accept;
        exposition want;
        const char *type;
    } cases[] = {
        {"", EXPOSE_TEXT, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"},
        {"*/*", EXPOSE_TEXT, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"},
        {"application/openmetrics-text", EXPOSE_OPENMETRICS_0_0_1,
         "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=underscores"},
        {"application/openmetrics-text;version=2.0.0,text/plain;q=0.1", EXPOSE_TEXT,
         "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"},
        /* Prometheus 3.5 */
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
         "application/openmetrics-text;version=0.0.1;q=0.5,"
         "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/"
         "*;q=0.2",
         EXPOSE_OPENMETRICS_1_0_0,
         "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8"},
        /* with native histograms */
        {"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding="
         "delimited;q=0.7,application/openmetrics-text;version=1.0.0;q=0.6",
         EXPOSE_PROTOBUF,
         "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
         "encoding=delimited; escaping=underscores"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        name_escaping e;
        exposition x =
            federate_negotiate(str_of(cases[i].accept), OFFER_PROTOBUF | OFFER_OPENMETRICS, &e);
        assert_int_equal(x, cases[i].want);
        assert_string_equal(federate_content_type(x, e), cases[i].type);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openmetrics_is_as_its_text_format_says),
        cmocka_unit_test(protobuf_is_as_its_messages_say),
        cmocka_unit_test(readers_get_what_they_ask_for),
    };
    return cmocka_run_group_tests_name("metrics_format", tests, NULL, NULL);
}
