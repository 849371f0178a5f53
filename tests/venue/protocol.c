/*
 * Tests of the lines between host and exchange: what is written is read back equal, what is not such a line is refused, and
 * no bytes whatever make the reader leave its buffer.
 */
#include "venue_test.h"

#include "sim/dice.h"
#include "sim/protocol.h"

#define ROUNDS 200000

static int64_t any_number(struct dice *dice) {
    int64_t n = (int64_t)(dice_next(dice) >> dice_below(dice, 63));
    return n > 0 ? n : 1;
}

static int parse(struct message *m, struct message_line *line) {
    size_t bytes = message_end(line);
    assert_true(bytes > 2);
    return message_parse(m, line->bytes, bytes - 1);
}

static void test_orders_and_reports_come_back_equal(void **state) {
    (void)state;
    struct dice dice = dice_init(4);
    for (int i = 0; i < 20000; i++) {
        struct message_line line;
        struct message m;
        struct order o, order_back;
        memset(&o, 0, sizeof(o));
        snprintf(o.client_id, sizeof(o.client_id), "a-%d", i);
        o.instrument = (uint16_t)dice_next(&dice);
        o.position = (uint16_t)dice_next(&dice);
        o.purpose = (uint8_t)dice_next(&dice);
        o.lots = any_number(&dice) * (dice_once_in(&dice, 2) ? 1 : -1);
        o.limit_ticks = any_number(&dice), o.stop_ticks = any_number(&dice), o.target_ticks = any_number(&dice);
        o.created_ns = any_number(&dice), o.expires_ns = any_number(&dice);
        protocol_put_order(&line, &o);
        assert_int_equal(parse(&m, &line), 0);
        assert_int_equal(protocol_get_order(&m, &order_back), 0);
        assert_memory_equal(&o, &order_back, sizeof(o));
        struct venue_report r, report_back;
        memset(&r, 0, sizeof(r));
        r.kind = (uint8_t)dice_below(&dice, VENUE_LINK_DOWN + 1);
        r.purpose = (uint8_t)dice_below(&dice, PURPOSE_HOST + 1), r.order_state = (uint8_t)dice_below(&dice, ORDER_STATES);
        r.maker = dice_once_in(&dice, 2), r.instrument = (uint16_t)dice_next(&dice), r.position = (uint16_t)dice_next(&dice);
        r.time_ns = any_number(&dice), r.lots = -any_number(&dice), r.price_ticks = any_number(&dice), r.fee_e8 = -1;
        snprintf(r.client_id, sizeof(r.client_id), "b-%d", i);
        snprintf(r.venue_fill_id, sizeof(r.venue_fill_id), "%llx", (unsigned long long)dice_next(&dice));
        snprintf(r.text, sizeof(r.text), "a \"text\" with \\ %d", i);
        protocol_put_report(&line, "report", &r, r.instrument);
        assert_int_equal(parse(&m, &line), 0);
        assert_int_equal(protocol_get_report(&m, &report_back), 0);
        assert_memory_equal(&r, &report_back, sizeof(r));
    }
}

static void test_what_is_no_line_is_refused(void **state) {
    (void)state;
    const char *const bad[] = {"", "{", "}", "{}", "[]", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":1}}", "{\"a\":1,}", "{\"a\":1 }",
                               "{\"a\":1.5}", "{\"a\":01}", "{\"a\":-}", "{\"a\":null}", "{\"a\":{}}", "{\"a\":[]}", "{a:1}",
                               "{\"a\":9223372036854775808}", "{\"a\":1,\"a\":2}", "{\"a\":\"\\u0041\"}", "{\"a\":\"\n\"}",
                               "{\"a_key_that_is_too_long\":1}", "{\"a\":tru}"};
    struct message m;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(message_parse(&m, bad[i], strlen(bad[i])), ERROR_FORMAT);
    }
    const char *good = "{\"a\":-9223372036854775808,\"b\":true,\"c\":\"x\\\"y\"}";
    assert_int_equal(message_parse(&m, good, strlen(good)), 0);
    assert_true(message_number(&m, "a", 0) == INT64_MIN && message_number(&m, "b", 0) == 1 && message_number(&m, "c", 7) == 7);
    assert_string_equal(message_text(&m, "c"), "x\"y");
    assert_string_equal(message_text(&m, "a"), "");
}

/* The bytes lie at the end of an allocation of exactly their size, so that a sanitizer sees every step outside. */
static void test_random_bytes(void **state) {
    (void)state;
    struct dice dice = dice_init(6);
    const char *seed = "{\"op\":\"order\",\"id\":\"a-1\",\"i\":0,\"lots\":-5,\"maker\":true,\"x\":\"\\\\\"}";
    uint32_t good = 0;
    for (int i = 0; i < ROUNDS; i++) {
        size_t length = dice_once_in(&dice, 3) ? dice_below(&dice, strlen(seed) + 1) : strlen(seed);
        char *bytes = malloc(length > 0 ? length : 1);
        memcpy(bytes, seed, length);
        for (uint64_t n = dice_below(&dice, 4); n > 0 && length > 0; n--) {
            bytes[dice_below(&dice, length)] = (char)dice_next(&dice);
        }
        struct message m;
        struct order o;
        struct venue_report r;
        struct venue_market e;
        struct instrument instrument;
        uint16_t index;
        if (message_parse(&m, bytes, length) == 0) {
            good++;
            protocol_get_order(&m, &o);
            protocol_get_report(&m, &r);
            protocol_get_market(&m, &e);
            protocol_get_instrument(&m, &index, &instrument);
        }
        free(bytes);
    }
    print_message("# %d damaged lines, %u of them still lines\n", ROUNDS, good);
    assert_true(good > 100 && good < ROUNDS);
}

static void test_a_line_that_does_not_fit(void **state) {
    (void)state;
    struct message_line line;
    char key[8], text[MESSAGE_TEXT_MAX];
    memset(text, '"', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    message_begin(&line, "op", "x");
    for (int i = 0; i < 20; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        message_add_text(&line, key, text);
    }
    assert_int_equal(message_end(&line), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders_and_reports_come_back_equal),
        cmocka_unit_test(test_what_is_no_line_is_refused),
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_a_line_that_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
