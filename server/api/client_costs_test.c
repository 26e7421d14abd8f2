/* client_costs_test.c - costs fade, and decide who is let in first. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

#include <time.h>

#include "base/mem.h"
#include "base/thread.h"
#include "server/api/gate.h"

static void a_cost_is_halved_each_minute(void **state)
{
    (void)state;
    fer_clock_fake clock;
    fer_clock_fake_init(&clock, 0);
    client_costs *c = client_costs_new(&clock.base);
    assert_true(client_costs_of(c, 5) == 0);
    client_costs_add(c, 5, 800);
    assert_true(client_costs_of(c, 5) == 800);
    fer_clock_fake_advance(&clock, 60000);
    assert_true(client_costs_of(c, 5) == 400);
    client_costs_add(c, 5, 100);
    fer_clock_fake_advance(&clock, 60000);
    assert_true(client_costs_of(c, 5) == 250);
    assert_true(client_costs_of(c, 6) == 0);
    client_costs_free(c);
}

static void who_cost_much_is_not_forgotten_for_many_new_ones(void **state)
{
    (void)state;
    fer_clock_fake clock;
    fer_clock_fake_init(&clock, 0);
    client_costs *c = client_costs_new(&clock.base);
    client_costs_add(c, 1, 1000000);
    for (uint64_t i = 2; i < 100000; i++)
        client_costs_add(c, i, 10);
    assert_true(client_costs_of(c, 1) == 1000000);
    assert_int_equal(client_costs_count(c), 2048);
    client_costs_free(c);
}

enum { THREADS = 6 };

typedef struct row {
    query_gate *gate;
    fer_mutex mu;
    uint64_t order[THREADS];
    size_t n;
} row;

typedef struct one {
    row *r;
    uint64_t client;
} one;

static void pass(void *arg)
{
    one *o = arg;
    assert_int_equal(query_gate_enter(o->r->gate, o->client, NULL), FER_OK);
    fer_mutex_lock(&o->r->mu);
    o->r->order[o->r->n++] = o->client;
    fer_mutex_unlock(&o->r->mu);
    query_gate_leave(o->r->gate);
}

static void the_cheapest_goes_first_and_equals_in_turn(void **state)
{
    (void)state;
    static const uint64_t clients[THREADS] = {7, 7, 9, 8, 9, 7}, want[THREADS] = {8, 9, 9, 7, 7, 7};
    client_costs *costs = client_costs_new(fer_clock_system());
    row r = {.gate = query_gate_new(1, costs)};
    fer_thread threads[THREADS];
    one ones[THREADS];
    fer_mutex_init(&r.mu, "row", 0);
    client_costs_add(costs, 7, 1000000000000);
    client_costs_add(costs, 9, 1000000000);
    assert_int_equal(query_gate_enter(r.gate, 1, NULL), FER_OK);
    for (size_t i = 0; i < THREADS; i++) {
        ones[i] = (one){&r, clients[i]};
        assert_int_equal(fer_thread_start(&threads[i], "waiter", pass, &ones[i], NULL), FER_OK);
        while (query_gate_waiting(r.gate) != i + 1)
            nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
    query_gate_leave(r.gate);
    for (size_t i = 0; i < THREADS; i++)
        fer_thread_join(&threads[i]);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(r.order[i], want[i]);
    assert_int_equal(query_gate_running(r.gate), 0);
    query_gate_free(r.gate);
    client_costs_free(costs);
    fer_mutex_done(&r.mu);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cost_is_halved_each_minute),
        cmocka_unit_test(who_cost_much_is_not_forgotten_for_many_new_ones),
        cmocka_unit_test(the_cheapest_goes_first_and_equals_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
