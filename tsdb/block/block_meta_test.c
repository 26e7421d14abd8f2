#include "tsdb/block/block_meta.h"

#include "base/vfs_fault.h"
#include "tsdb/block/block_testing.h"

static const char *const goldens[] = {"promtool-2.42", "promtool-3.5", "prometheus-2.42",
                                      "prometheus-3.5"};

static void print(fer_buf *out, const block_meta *m)
{
    fer_buf_clear(out);
    block_meta_print(out, m);
}

static void prometheus_files_come_back_byte_for_byte(void **state)
{
    (void)state;
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_buf out;
    fer_buf_init(&out, 1 << 20, NULL);
    for (size_t i = 0; i < 4; i++) {
        char dir[PATH_MAX], path[PATH_MAX];
        snprintf(dir, sizeof dir, FERULA_TESTDATA "/blocks/%s", goldens[i]);
        block_names names = list_blocks(vfs_posix(), dir);
        assert_int_equal(names.n, 2);
        for (size_t k = 0; k < names.n; k++) {
            snprintf(path, sizeof path, "%s/%s/meta.json", dir, names.v[k]);
            fer_str json = read_file(vfs_posix(), path, a);
            block_meta m;
            fer_err err = {0};
            must(block_meta_parse(json, a, &m, &err), &err);
            assert_string_equal(m.id.text, names.v[k]);
            assert_true(m.stats.samples != 0 && m.min_time < m.max_time);
            print(&out, &m);
            assert_true(str_eq(fer_buf_str(&out), json));
        }
    }
    fer_buf_done(&out);
    fer_arena_free(a);
}

static const char everything[] = "{\n"
                                 "\t\"ulid\": \"01M7Z121HH5W3VWNVJFNBCQXZG\",\n"
                                 "\t\"minTime\": -5,\n"
                                 "\t\"maxTime\": 7200000,\n"
                                 "\t\"stats\": {\n"
                                 "\t\t\"numSamples\": 6,\n"
                                 "\t\t\"numFloatSamples\": 4,\n"
                                 "\t\t\"numHistogramSamples\": 2,\n"
                                 "\t\t\"numSeries\": 2,\n"
                                 "\t\t\"numChunks\": 3,\n"
                                 "\t\t\"numTombstones\": 1\n"
                                 "\t},\n"
                                 "\t\"compaction\": {\n"
                                 "\t\t\"level\": 2,\n"
                                 "\t\t\"sources\": [\n"
                                 "\t\t\t\"01M7Z121HH5W3VWNVJFNBCQXZG\",\n"
                                 "\t\t\t\"01M7Z121JR1RHEA8EAP77TYTXH\"\n"
                                 "\t\t],\n"
                                 "\t\t\"deletable\": true,\n"
                                 "\t\t\"parents\": [\n"
                                 "\t\t\t{\n"
                                 "\t\t\t\t\"ulid\": \"00000000000000000000000000\",\n"
                                 "\t\t\t\t\"minTime\": 0,\n"
                                 "\t\t\t\t\"maxTime\": 1\n"
                                 "\t\t\t}\n"
                                 "\t\t],\n"
                                 "\t\t\"failed\": true,\n"
                                 "\t\t\"hints\": [\n"
                                 "\t\t\t\"from-out-of-order\"\n"
                                 "\t\t]\n"
                                 "\t},\n"
                                 "\t\"version\": 1\n"
                                 "}";

static void every_member_is_read_and_written(void **state)
{
    (void)state;
    fer_arena *a = fer_arena_new(NULL, 0);
    block_meta m;
    fer_err err = {0};
    must(block_meta_parse(str_of(everything), a, &m, &err), &err);
    assert_int_equal(m.min_time, -5);
    assert_int_equal(m.stats.histogram_samples, 2);
    assert_int_equal(m.n_sources, 2);
    assert_string_equal(m.parents[0].id.text, "00000000000000000000000000");
    assert_true(m.deletable && m.failed);
    assert_true(block_meta_has_hint(&m, STR("from-out-of-order")));
    assert_false(block_meta_has_hint(&m, STR("from-out")));
    fer_buf out;
    fer_buf_init(&out, 1 << 20, NULL);
    print(&out, &m);
    assert_true(str_eq(fer_buf_str(&out), str_of(everything)));

    m = (block_meta){.level = 1};
    memcpy(m.id.text, "01M7Z121HH5W3VWNVJFNBCQXZG", 27);
    print(&out, &m);
    static const char least[] =
        "{\n\t\"ulid\": \"01M7Z121HH5W3VWNVJFNBCQXZG\",\n\t\"minTime\": 0,\n\t\"maxTime\": 0,\n"
        "\t\"stats\": {},\n\t\"compaction\": {\n\t\t\"level\": 1\n\t},\n\t\"version\": 1\n}";
    assert_true(str_eq(fer_buf_str(&out), str_of(least)));
    fer_buf_done(&out);
    fer_arena_free(a);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    fer_arena *a = fer_arena_new(NULL, 0);
    for (size_t cut = 0; cut + 1 < sizeof everything; cut++) {
        block_meta m = {.level = 77};
        fer_err err = {0};
        assert_int_equal(block_meta_parse((fer_str){everything, cut}, a, &m, &err), FER_CORRUPT);
        assert_true(err.msg[0] != '\0' && m.level == 77);
    }
    fer_arena_free(a);
}

static void wrong_members_are_named(void **state)
{
    (void)state;
#define ID "\"ulid\":\"01M7Z121HH5W3VWNVJFNBCQXZG\""
    static const char *const cases[][2] = {
        {"[]", "not an object"},
        {"{" ID "}", "version 0"},
        {"{" ID ",\"version\":2}", "version 2"},
        {"{\"version\":1}", "no ULID"},
        {"{\"version\":1,\"ulid\":\"81M7Z121HH5W3VWNVJFNBCQXZG\"}", "no ULID"},
        {"{\"version\":1,\"ulid\":\"01M7Z121HH5W3VWNVJFNBCQXZU\"}", "no ULID"},
        {"{\"version\":1," ID ",\"minTime\":\"1\"}", "minTime"},
        {"{\"version\":1," ID ",\"minTime\":2,\"maxTime\":1}", "after maxTime"},
        {"{\"version\":1," ID ",\"stats\":{\"numSeries\":-1}}", "numSeries"},
        {"{\"version\":1," ID ",\"compaction\":{\"sources\":7}}", "sources"},
        {"{\"version\":1," ID ",\"compaction\":{\"sources\":[7]}}", "no ULID"},
        {"{\"version\":1," ID ",\"compaction\":{\"parents\":[7]}}", "no ULID"},
        {"{\"version\":1," ID ",\"compaction\":{\"hints\":[7]}}", "hint"},
        {"{\"version\":1," ID ",\"compaction\":{\"failed\":7}}", "failed"},
    };
    fer_arena *a = fer_arena_new(NULL, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        block_meta m;
        fer_err err = {0};
        assert_int_equal(block_meta_parse(str_of(cases[i][0]), a, &m, &err), FER_CORRUPT);
        if (strstr(err.msg, cases[i][1]) == NULL)
            fail_msg("%s: %s", cases[i][0], err.msg);
    }
    block_meta m;
    fer_err err = {0};
    must(block_meta_parse(STR("{\"version\":1," ID ",\"thanos\":{\"x\":[1]},\"stats\":null}"), a,
                          &m, &err),
         &err);
    fer_arena_free(a);
}

static void replacing_is_whole_or_not_at_all(void **state)
{
    (void)state;
    fer_arena *a = fer_arena_new(NULL, 0);
    fer_err err = {0};
    vfs_fault *f = vfs_fault_new(NULL);
    vfs *fs = vfs_fault_fs(f);
    must(vfs_mkdir_all(fs, "/b", &err), &err);
    block_meta m, got;
    must(block_meta_parse(str_of(everything), a, &m, &err), &err);
    must(block_meta_store(fs, "/b", &m, &err), &err);
    m.level = 3;
    uint64_t before = vfs_fault_count(f, VFS_CALL_ANY);
    must(block_meta_store(fs, "/b", &m, &err), &err);
    uint64_t calls = vfs_fault_count(f, VFS_CALL_ANY) - before;
    for (uint64_t nth = 1; nth <= calls; nth++) {
        m.level = 4 + (int64_t)nth;
        vfs_fault_set(f, &(vfs_fault_rule){.kind = VFS_CALL_ANY, .nth = nth, .sys = 5});
        assert_int_not_equal(block_meta_store(fs, "/b", &m, &err), FER_OK);
        vfs_fault_clear(f);
        vfs_fault_crash(f, NULL);
        must(block_meta_load(fs, "/b", a, &got, &err), &err);
        assert_int_equal(got.level, 3);
    }
    vfs_fault_free(f);
    fer_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prometheus_files_come_back_byte_for_byte),
        cmocka_unit_test(every_member_is_read_and_written),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(wrong_members_are_named),
        cmocka_unit_test(replacing_is_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
