/*
 * layout.c - the contract's layout, member by member, against tests/abi/layout.ok.
 *
 * The digest says that something changed; this says what moved. A member that is added, dropped, moved or resized shows as a
 * line. `BUILD/tests/abi/layout --print > tests/abi/layout.ok` accepts the change; the commit has to say why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent_abi.h"

#define GOLDEN "tests/abi/layout.ok"

struct member {
    const char *name;
    size_t offset, size;
};

#define WHOLE(s) {"struct " #s, 0, sizeof(struct s)}
#define MEMBER(s, m) {"  " #m, offsetof(struct s, m), sizeof(((struct s *)0)->m)}

static const struct member members[] = {
    WHOLE(agent_needs),
    MEMBER(agent_needs, events),
    MEMBER(agent_needs, timeframe_count),
    MEMBER(agent_needs, timeframe_s),
    MEMBER(agent_needs, bars),
    MEMBER(agent_needs, ticks),
    MEMBER(agent_needs, depth),
    MEMBER(agent_needs, timer_ms),
    MEMBER(agent_needs, decide_us_max),
    WHOLE(agent_param),
    MEMBER(agent_param, name),
    MEMBER(agent_param, text),
    WHOLE(agent_instrument),
    MEMBER(agent_instrument, name),
    MEMBER(agent_instrument, currency),
    MEMBER(agent_instrument, tick),
    MEMBER(agent_instrument, lot),
    MEMBER(agent_instrument, quantity_min),
    MEMBER(agent_instrument, notional_min),
    MEMBER(agent_instrument, multiplier),
    MEMBER(agent_instrument, fee_maker),
    MEMBER(agent_instrument, fee_taker),
    MEMBER(agent_instrument, fee_per_unit),
    MEMBER(agent_instrument, margin_per_unit),
    MEMBER(agent_instrument, tier),
    MEMBER(agent_instrument, flags),
    WHOLE(agent_quote),
    MEMBER(agent_quote, time_ns),
    MEMBER(agent_quote, bid),
    MEMBER(agent_quote, ask),
    MEMBER(agent_quote, last),
    MEMBER(agent_quote, bid_ticks),
    MEMBER(agent_quote, ask_ticks),
    MEMBER(agent_quote, last_ticks),
    MEMBER(agent_quote, bid_size),
    MEMBER(agent_quote, ask_size),
    MEMBER(agent_quote, volume_24h),
    MEMBER(agent_quote, change_24h),
    MEMBER(agent_quote, data_quality),
    MEMBER(agent_quote, execution_quality),
    MEMBER(agent_quote, session_phase),
    MEMBER(agent_quote, minutes_since_open),
    WHOLE(agent_bar),
    MEMBER(agent_bar, start_ns),
    MEMBER(agent_bar, open),
    MEMBER(agent_bar, high),
    MEMBER(agent_bar, low),
    MEMBER(agent_bar, close),
    MEMBER(agent_bar, volume),
    MEMBER(agent_bar, trades),
    MEMBER(agent_bar, open_ticks),
    MEMBER(agent_bar, high_ticks),
    MEMBER(agent_bar, low_ticks),
    MEMBER(agent_bar, close_ticks),
    MEMBER(agent_bar, flags),
    WHOLE(agent_series),
    MEMBER(agent_series, ring),
    MEMBER(agent_series, count),
    MEMBER(agent_series, mask),
    MEMBER(agent_series, visible),
    MEMBER(agent_series, timeframe_ns),
    WHOLE(agent_tick),
    MEMBER(agent_tick, time_ns),
    MEMBER(agent_tick, price),
    MEMBER(agent_tick, price_ticks),
    MEMBER(agent_tick, size),
    WHOLE(agent_level),
    MEMBER(agent_level, price),
    MEMBER(agent_level, price_ticks),
    MEMBER(agent_level, size),
    WHOLE(agent_depth),
    MEMBER(agent_depth, ticks),
    MEMBER(agent_depth, tick_count),
    MEMBER(agent_depth, tick_mask),
    MEMBER(agent_depth, bids),
    MEMBER(agent_depth, asks),
    MEMBER(agent_depth, bid_count),
    MEMBER(agent_depth, ask_count),
    WHOLE(agent_position),
    MEMBER(agent_position, instrument),
    MEMBER(agent_position, wish_state),
    MEMBER(agent_position, wish_end),
    MEMBER(agent_position, reason_code),
    MEMBER(agent_position, tag),
    MEMBER(agent_position, wish_id),
    MEMBER(agent_position, quantity),
    MEMBER(agent_position, working),
    MEMBER(agent_position, entry_price),
    MEMBER(agent_position, stop),
    MEMBER(agent_position, target),
    MEMBER(agent_position, unrealised),
    MEMBER(agent_position, mae),
    MEMBER(agent_position, mfe),
    MEMBER(agent_position, opened_ns),
    WHOLE(agent_order),
    MEMBER(agent_order, order_id),
    MEMBER(agent_order, wish_id),
    MEMBER(agent_order, instrument),
    MEMBER(agent_order, state),
    MEMBER(agent_order, tag),
    MEMBER(agent_order, quantity),
    MEMBER(agent_order, filled),
    MEMBER(agent_order, limit),
    MEMBER(agent_order, expires_ns),
    WHOLE(agent_book),
    MEMBER(agent_book, equity),
    MEMBER(agent_book, cash),
    MEMBER(agent_book, day_pnl),
    MEMBER(agent_book, drawdown),
    MEMBER(agent_book, realised),
    MEMBER(agent_book, fees),
    MEMBER(agent_book, loss_streak),
    MEMBER(agent_book, trades_today),
    MEMBER(agent_book, position_count),
    MEMBER(agent_book, order_count),
    WHOLE(agent_limits),
    MEMBER(agent_limits, generation),
    MEMBER(agent_limits, trading_state),
    MEMBER(agent_limits, positions_max),
    MEMBER(agent_limits, position_notional_max),
    MEMBER(agent_limits, trade_notional_max),
    MEMBER(agent_limits, position_fraction_max),
    MEMBER(agent_limits, trade_fraction_max),
    MEMBER(agent_limits, daily_loss_max),
    MEMBER(agent_limits, daily_loss_fraction_max),
    MEMBER(agent_limits, drawdown_fraction_max),
    MEMBER(agent_limits, risk_per_trade_max),
    WHOLE(agent_snapshot),
    MEMBER(agent_snapshot, sequence),
    MEMBER(agent_snapshot, now_ns),
    MEMBER(agent_snapshot, events),
    MEMBER(agent_snapshot, gap),
    MEMBER(agent_snapshot, instrument_count),
    MEMBER(agent_snapshot, timeframe_count),
    MEMBER(agent_snapshot, instruments),
    MEMBER(agent_snapshot, quotes),
    MEMBER(agent_snapshot, series),
    MEMBER(agent_snapshot, depths),
    MEMBER(agent_snapshot, book),
    MEMBER(agent_snapshot, positions),
    MEMBER(agent_snapshot, orders),
    MEMBER(agent_snapshot, limits),
    WHOLE(agent_fill),
    MEMBER(agent_fill, fill_id),
    MEMBER(agent_fill, order_id),
    MEMBER(agent_fill, wish_id),
    MEMBER(agent_fill, time_ns),
    MEMBER(agent_fill, instrument),
    MEMBER(agent_fill, cause),
    MEMBER(agent_fill, tag),
    MEMBER(agent_fill, quantity),
    MEMBER(agent_fill, price),
    MEMBER(agent_fill, price_ticks),
    MEMBER(agent_fill, fee),
    MEMBER(agent_fill, realised),
    WHOLE(agent_wish),
    MEMBER(agent_wish, wish_id),
    MEMBER(agent_wish, instrument),
    MEMBER(agent_wish, unit),
    MEMBER(agent_wish, tag),
    MEMBER(agent_wish, size),
    MEMBER(agent_wish, worst_price),
    MEMBER(agent_wish, stop),
    MEMBER(agent_wish, target),
    MEMBER(agent_wish, ttl_ns),
    MEMBER(agent_wish, confidence),
    MEMBER(agent_wish, expected_r),
    MEMBER(agent_wish, probability_lb),
    MEMBER(agent_wish, trigger_id),
    MEMBER(agent_wish, reason),
    WHOLE(agent_setup),
    MEMBER(agent_setup, instruments),
    MEMBER(agent_setup, params),
    MEMBER(agent_setup, instrument_count),
    MEMBER(agent_setup, param_count),
    MEMBER(agent_setup, seed),
    WHOLE(agent_services),
    MEMBER(agent_services, log),
    MEMBER(agent_services, plot),
    MEMBER(agent_services, note),
    WHOLE(agent_vtable),
    MEMBER(agent_vtable, magic),
    MEMBER(agent_vtable, version),
    MEMBER(agent_vtable, size),
    MEMBER(agent_vtable, digest),
    MEMBER(agent_vtable, name),
    MEMBER(agent_vtable, release),
    MEMBER(agent_vtable, needs),
    MEMBER(agent_vtable, self_size),
    MEMBER(agent_vtable, state_schema),
    MEMBER(agent_vtable, state_max),
    MEMBER(agent_vtable, reserved),
    MEMBER(agent_vtable, init),
    MEMBER(agent_vtable, fini),
    MEMBER(agent_vtable, generate_signals),
    MEMBER(agent_vtable, on_fill),
    MEMBER(agent_vtable, on_limit_update),
    MEMBER(agent_vtable, save),
    MEMBER(agent_vtable, load),
    MEMBER(agent_vtable, extension),
};

static void print(FILE *out) {
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        fprintf(out, "%-24s %4zu %4zu\n", members[i].name, members[i].offset, members[i].size);
    }
}

static void the_layout_is_the_golden_one(void **state) {
    (void)state;
    char *text = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    assert_non_null(memory);
    print(memory);
    fclose(memory);
    FILE *file = fopen(GOLDEN, "r");
    assert_non_null(file);
    char *line = text, golden[128];
    while (fgets(golden, sizeof golden, file)) {
        char *end = strchr(line, '\n');
        assert_non_null(end);
        *end = '\0';
        golden[strcspn(golden, "\n")] = '\0';
        assert_string_equal(line, golden);
        line = end + 1;
    }
    assert_string_equal(line, "");
    fclose(file);
    free(text);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--print") == 0) {
        print(stdout);
        return 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_layout_is_the_golden_one)};
    return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}
