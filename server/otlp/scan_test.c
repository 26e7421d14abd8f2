/* Requests to series: what each kind of point turns into, and the labels. Requests are written as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "server/otlp/json.h"
#include "server/otlp/scan_model.h"

static void check_lines_with(const otlp_options *o, const char *json, const char *expected)
{
    fer_buf msg, lines;
    fer_err err;
    fer_buf_init(&msg, 1 << 20, NULL);
    fer_buf_init(&lines, 1 << 20, NULL);
    if (otlp_json_to_protobuf(str_of(json), &msg, &err) != FER_OK)
        fail_msg("%s", err.msg);
    model_scan(fer_buf_str(&msg), o, &lines);
    fer_buf_putc(&lines, 0);
    assert_string_equal(lines.p, expected);
    fer_buf_done(&msg);
    fer_buf_done(&lines);
}

static void check_lines(const char *json, const char *expected)
{
    check_lines_with(&model_options, json, expected);
}

#define T1 "\"timeUnixNano\":\"1700000000123456789\","
#define LABEL(k, v) "{\"key\":\"" k "\",\"value\":{\"stringValue\":\"" v "\"}}"
/* A request of one resource and one metric. */
#define METRIC(resource, metric)                                                                   \
    "{\"resourceMetrics\":[{\"resource\":{\"attributes\":[" resource "]},"                         \
    "\"scopeMetrics\":[{\"scope\":{\"name\":\"lib\"},\"metrics\":[" metric "]}]}]}"

static void test_numbers(void **state)
{
    (void)state;
    check_lines(METRIC("", "{\"name\":\"a.b\",\"unit\":\"By\",\"gauge\":{\"dataPoints\":["
                           "{" T1 "\"asDouble\":1.5},{" T1 "\"asInt\":\"-7\"},{" T1
                           "\"flags\":1},{" T1 "\"asDouble\":\"NaN\"}]}}"),
                "a_b_bytes 1.5 @1700000000123\na_b_bytes -7 @1700000000123\n"
                "a_b_bytes NaN @1700000000123\na_b_bytes NaN @1700000000123\n");
    check_lines(METRIC("", "{\"name\":\"c\",\"sum\":{\"aggregationTemporality\":2,"
                           "\"isMonotonic\":true,\"dataPoints\":[{" T1 "\"asInt\":5}]}},"
                           "{\"name\":\"d\",\"sum\":{\"aggregationTemporality\":"
                           "\"AGGREGATION_TEMPORALITY_CUMULATIVE\",\"dataPoints\":[{" T1
                           "\"asInt\":6}]}}"),
                "c_total 5 @1700000000123\nd 6 @1700000000123\n");
}

static void test_histograms(void **state)
{
    (void)state;
    check_lines(METRIC("", "{\"name\":\"h\",\"unit\":\"s\",\"histogram\":{"
                           "\"aggregationTemporality\":2,\"dataPoints\":[{" T1
                           "\"count\":\"6\",\"sum\":10.25,\"bucketCounts\":[\"1\",2,\"3\"],"
                           "\"explicitBounds\":[0.5,10],\"attributes\":[" LABEL("k", "v") "]}]}}"),
                "h_seconds_sum{k=\"v\"} 10.25 @1700000000123\n"
                "h_seconds_count{k=\"v\"} 6 @1700000000123\n"
                "h_seconds_bucket{k=\"v\", le=\"0.5\"} 1 @1700000000123\n"
                "h_seconds_bucket{k=\"v\", le=\"10\"} 3 @1700000000123\n"
                "h_seconds_bucket{k=\"v\", le=\"+Inf\"} 6 @1700000000123\n");
    check_lines(METRIC("", "{\"name\":\"h\",\"histogram\":{\"aggregationTemporality\":2,"
                           "\"dataPoints\":[{" T1 "\"count\":4}]}}"),
                "h_count 4 @1700000000123\nh_bucket{le=\"+Inf\"} 4 @1700000000123\n");
    check_lines(METRIC("", "{\"name\":\"s\",\"summary\":{\"dataPoints\":[{" T1
                           "\"count\":3,\"sum\":1.5,\"quantileValues\":["
                           "{\"quantile\":0.99,\"value\":9}]}]}}"),
                "s_sum 1.5 @1700000000123\ns_count 3 @1700000000123\n"
                "s{quantile=\"0.99\"} 9 @1700000000123\n");
}

#define EXPONENTIAL(fields)                                                                        \
    METRIC("", "{\"name\":\"e\",\"unit\":\"s\",\"exponentialHistogram\":{"                         \
               "\"aggregationTemporality\":2,\"dataPoints\":[{" T1 fields "}]}}")

static void test_exponential_histograms(void **state)
{
    (void)state;
    /* Bucket i becomes i + 1; two empty ones are kept, three make a gap. */
    check_lines(
        EXPONENTIAL("\"count\":\"21\",\"sum\":7.5,\"scale\":3,\"zeroCount\":2,"
                    "\"zeroThreshold\":0.25,\"positive\":{\"offset\":-2,\"bucketCounts\":"
                    "[0,1,0,0,2,0,0,0,3]},\"negative\":{\"offset\":4,\"bucketCounts\":"
                    "[6,\"7\"]},\"attributes\":[" LABEL("k", "v") "]"),
        "e_seconds{k=\"v\"} schema 3, 21 of sum 7.5, zero 2 to 0.25, +[0+4] +[3+1] 1 -1 0 2 "
        "1 -[5+2] 6 1 @1700000000123\n");
    /* Without a threshold there is a small one; a finer scale is reduced. */
    check_lines(EXPONENTIAL("\"count\":4,\"scale\":9,\"positive\":{\"offset\":0,"
                            "\"bucketCounts\":[1,1,1,1]}"),
                "e_seconds schema 8, 4 of sum 0, zero 0 to 1e-128, +[1+2] 2 0 @1700000000123\n");
    check_lines(EXPONENTIAL("\"flags\":1"),
                "e_seconds schema 0, 0 of sum nan, zero 0 to 0, @1700000000123\n");
    check_lines(
        EXPONENTIAL("\"scale\":-5"),
        "e_seconds refused: an exponential histogram of a scale below -4 cannot be stored\n");
    check_lines(
        EXPONENTIAL("\"scale\":0,\"positive\":{\"offset\":2147483647,"
                    "\"bucketCounts\":[1]}"),
        "e_seconds refused: an exponential histogram has too many buckets, or too far out\n");
}

static void test_histograms_become_custom_buckets_when_asked_to(void **state)
{
    (void)state;
    otlp_options custom = model_options;
    custom.convert_to_custom = true;
    check_lines_with(&custom,
                     METRIC("", "{\"name\":\"h\",\"histogram\":{\"aggregationTemporality\":2,"
                                "\"dataPoints\":[{" T1
                                "\"count\":\"6\",\"sum\":10.25,\"bucketCounts\":[0,1,\"5\"],"
                                "\"explicitBounds\":[0.5,10]}]}}"),
                     "h schema -53, 6 of sum 10.25, zero 0 to 0, +[1+2] 1 4 le 0.5 le 10 "
                     "@1700000000123\n");
}

static void test_what_is_refused(void **state)
{
    (void)state;
    check_lines(METRIC("", "{\"name\":\"d\",\"sum\":{\"aggregationTemporality\":1,\"dataPoints\":"
                           "[{" T1 "\"asInt\":5}]}},{\"name\":\"g\",\"gauge\":{\"dataPoints\":[{" T1
                           "\"asInt\":5}]}}"),
                "invalid temporality and type combination for metric \"d\"\ng 5 @1700000000123\n");
    check_lines(METRIC("", "{\"name\":\"--\",\"gauge\":{\"dataPoints\":[{" T1 "\"asInt\":5}]}}"),
                "nothing remains of the metric name \"--\" for metric \"--\"\n");
    check_lines(METRIC("", "{\"name\":\"g\",\"gauge\":{\"dataPoints\":[]}}"), "");
    check_lines(METRIC("", "{\"name\":\"g\"}"), "");
}

static void test_attributes(void **state)
{
    (void)state;
    check_lines(
        METRIC("", "{\"name\":\"g\",\"gauge\":{\"dataPoints\":[{" T1 "\"asInt\":1,\"attributes\":["
                   "{\"key\":\"yes\",\"value\":{\"boolValue\":true}},"
                   "{\"key\":\"n\",\"value\":{\"intValue\":\"-42\"}},"
                   "{\"key\":\"f\",\"value\":{\"doubleValue\":1e-7}},"
                   "{\"key\":\"raw\",\"value\":{\"bytesValue\":\"AP9hYmM=\"}},"
                   "{\"key\":\"list\",\"value\":{\"arrayValue\":{\"values\":["
                   "{\"stringValue\":\"<a>\"},{\"intValue\":1},{}]}}},"
                   "{\"key\":\"map\",\"value\":{\"kvlistValue\":{\"values\":["
                   "{\"key\":\"b\",\"value\":{\"intValue\":1}},"
                   "{\"key\":\"a\",\"value\":{\"boolValue\":false}}]}}},"
                   "{\"key\":\"none\",\"value\":{}}," LABEL("empty", "") "]}]}}"),
        "g{f=\"1e-7\", list=\"[\\\"\\\\u003ca\\\\u003e\\\",1,null]\", "
        "map=\"{\\\"a\\\":false,\\\"b\\\":1}\", n=\"-42\", raw=\"AP9hYmM=\", yes=\"true\"} 1 "
        "@1700000000123\n");
    check_lines(METRIC("",
                       "{\"name\":\"g\",\"gauge\":{\"dataPoints\":[{" T1
                       "\"asInt\":1,\"attributes\":[" LABEL("a_b", "2") "," LABEL(
                           "a.b", "1") "," LABEL("a-b", "0") "," LABEL("__name__", "x") "]}]}}"),
                "g{a_b=\"0;1;2\"} 1 @1700000000123\n");
}

static void test_resources(void **state)
{
    (void)state;
    check_lines(
        METRIC(LABEL("service.name", "shop") "," LABEL("service.namespace", "web") "," LABEL(
                   "service.instance.id", "i-1") "," LABEL("host.name", "h"),
               "{\"name\":\"g\",\"gauge\":{\"dataPoints\":[{" T1
               "\"asInt\":1,\"attributes\":[" LABEL("job", "mine") "]}]}}"),
        "g{instance=\"i-1\", job=\"web/shop\"} 1 @1700000000123\n"
        "target_info{host_name=\"h\", instance=\"i-1\", job=\"web/shop\"} 1 @1700000000123\n");
    /* Nothing but what identifies it, and nothing that does: no target_info. */
    check_lines(METRIC(LABEL("service.name", "shop"),
                       "{\"name\":\"g\",\"gauge\":{\"dataPoints\":[{" T1 "\"asInt\":1}]}}"),
                "g{job=\"shop\"} 1 @1700000000123\n");
    check_lines(METRIC(LABEL("host.name", "h"),
                       "{\"name\":\"g\",\"gauge\":{\"dataPoints\":[{" T1 "\"asInt\":1}]}}"),
                "g 1 @1700000000123\n");
}

static void test_type_and_unit_become_labels_when_asked_to(void **state)
{
    (void)state;
    otlp_options typed = model_options;
    typed.type_and_unit = true;
    check_lines_with(
        &typed,
        METRIC(
            LABEL("service.name", "shop") "," LABEL("x", "y"),
            "{\"name\":\"a\",\"unit\":\"By/s\",\"gauge\":{\"dataPoints\":[{" T1
            "\"asInt\":1,\"attributes\":[" LABEL(
                "__type__",
                "mine") "]}]}},"
                        "{\"name\":\"b\",\"sum\":{\"aggregationTemporality\":2,\"isMonotonic\":"
                        "true,"
                        "\"dataPoints\":[{" T1 "\"asInt\":2,\"attributes\":[" LABEL(
                            "__unit__",
                            "mine") "]}]}},"
                                    "{\"name\":\"c\",\"unit\":\"1\",\"sum\":{"
                                    "\"aggregationTemporality\":2,"
                                    "\"dataPoints\":[{" T1 "\"asInt\":3,\"attributes\":[" LABEL(
                                        "__unit__",
                                        "mine") "]}]}},"
                                                "{\"name\":\"h\",\"unit\":\"s\",\"histogram\":{"
                                                "\"aggregationTemporality\":2,"
                                                "\"dataPoints\":[{" T1 "\"count\":4}]}},"
                                                "{\"name\":\"s\",\"summary\":{\"dataPoints\":[{" T1
                                                "\"quantileValues\":[{\"quantile\":0.5,\"value\":9}"
                                                "]}]}}"),
        "a_bytes_per_second{__type__=\"gauge\", __unit__=\"bytes_per_second\", job=\"shop\"} 1 "
        "@1700000000123\n"
        "b_total{__type__=\"counter\", __unit__=\"mine\", job=\"shop\"} 2 @1700000000123\n"
        "c{__type__=\"gauge\", job=\"shop\"} 3 @1700000000123\n"
        "h_seconds_count{__type__=\"histogram\", __unit__=\"seconds\", job=\"shop\"} 4 "
        "@1700000000123\n"
        "h_seconds_bucket{__type__=\"histogram\", __unit__=\"seconds\", job=\"shop\", le=\"+Inf\"} "
        "4 @1700000000123\n"
        "s_sum{__type__=\"summary\", job=\"shop\"} 0 @1700000000123\n"
        "s_count{__type__=\"summary\", job=\"shop\"} 0 @1700000000123\n"
        "s{__type__=\"summary\", job=\"shop\", quantile=\"0.5\"} 9 @1700000000123\n"
        "target_info{job=\"shop\", x=\"y\"} 1 @1700000000123\n");
    /* Names without suffixes: two metrics of a name differ by type alone, as their fingerprints must. */
    typed.strategy = OTLP_ESCAPE;
    check_lines_with(&typed,
                     METRIC("", "{\"name\":\"a\",\"unit\":\"s\",\"gauge\":{\"dataPoints\":[{" T1
                                "\"asInt\":1}]}},{\"name\":\"a\",\"unit\":\"ms\",\"gauge\":{"
                                "\"dataPoints\":[{" T1 "\"asInt\":1}]}}"),
                     "a{__type__=\"gauge\", __unit__=\"seconds\"} 1 @1700000000123\n"
                     "a{__type__=\"gauge\", __unit__=\"milliseconds\"} 1 @1700000000123\n");
    typed.native_delta = true;
    check_lines_with(&typed,
                     METRIC("", "{\"name\":\"d\",\"unit\":\"s\",\"sum\":{"
                                "\"aggregationTemporality\":1,\"isMonotonic\":true,"
                                "\"dataPoints\":[{" T1 "\"asInt\":1}]}}"),
                     "d{__unit__=\"seconds\"} 1 @1700000000123\n");
}

static void test_target_info_covers_the_time_of_its_points(void **state)
{
    (void)state;
    check_lines(METRIC(LABEL("service.name", "shop") "," LABEL("x", "y"),
                       "{\"name\":\"g\",\"gauge\":{\"dataPoints\":["
                       "{\"timeUnixNano\":\"1000000000000\",\"asInt\":1},"
                       "{\"timeUnixNano\":\"1400000000000\",\"asInt\":2}]}}"),
                "g{job=\"shop\"} 1 @1000000\ng{job=\"shop\"} 2 @1400000\n"
                "target_info{job=\"shop\", x=\"y\"} 1 @1000000\n"
                "target_info{job=\"shop\", x=\"y\"} 1 @1150000\n"
                "target_info{job=\"shop\", x=\"y\"} 1 @1300000\n"
                "target_info{job=\"shop\", x=\"y\"} 1 @1400000\n");
}

static void test_every_truncation_ends_in_an_error_or_rows(void **state)
{
    (void)state;
    fer_buf msg, lines;
    fer_err err;
    fer_buf_init(&msg, 1 << 20, NULL);
    assert_int_equal(
        otlp_json_to_protobuf(
            STR(METRIC(LABEL("service.name", "shop") "," LABEL("x", "y"),
                       "{\"name\":\"h\",\"histogram\":{\"aggregationTemporality\":2,"
                       "\"dataPoints\":[{" T1 "\"count\":6,\"sum\":10.25,\"bucketCounts\":[1,2,3],"
                       "\"explicitBounds\":[0.5,10],\"attributes\":[" LABEL("k", "v") "]}]}}")),
            &msg, &err),
        FER_OK);
    for (size_t n = 1; n < msg.n; n++) {
        fer_buf_init(&lines, 1 << 20, NULL);
        assert_false(model_scan((fer_str){msg.p, n}, &model_options, &lines));
        fer_buf_done(&lines);
    }
    fer_buf_done(&msg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_histograms),
        cmocka_unit_test(test_exponential_histograms),
        cmocka_unit_test(test_histograms_become_custom_buckets_when_asked_to),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_attributes),
        cmocka_unit_test(test_resources),
        cmocka_unit_test(test_type_and_unit_become_labels_when_asked_to),
        cmocka_unit_test(test_target_info_covers_the_time_of_its_points),
        cmocka_unit_test(test_every_truncation_ends_in_an_error_or_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
