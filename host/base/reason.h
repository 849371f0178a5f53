/*
 * reason.h - every reason the host gives: refusals of the gate, ends of wishes, deaths of slots. One list; journal,
 * report, JSON and documentation take name and text from here. Numbers are written into journals: never reuse one.
 */
#ifndef BASE_REASON_H
#define BASE_REASON_H

/*   name                  number  text */
#define REASON_LIST(X)                                                                                                   \
    X(NONE,                    0, "allowed")                                                                             \
    /* wishes that are refused before the gate: what the strategy said makes no sense */                                 \
    X(WISH_INSTRUMENT,       100, "the wish names an instrument that does not exist")                                    \
    X(WISH_TAG,              101, "the tag is empty or has characters outside [a-z0-9_]")                                \
    X(WISH_ID,               102, "the wish id is not greater than the last one used for this instrument and tag")      \
    X(WISH_NUMBER,           103, "a number is not finite, has the wrong sign or is out of range")                       \
    X(WISH_REASON,           104, "the reason text is empty or not printable")                                           \
    X(WISH_UNIT,             105, "the unit of the size is unknown")                                                     \
    X(WISH_STOP_LOOSENED,    106, "an amendment may tighten a stop, never loosen it")                                    \
    X(WISH_SPENT,            107, "this wish id is spent and never trades again")                                        \
    X(WISH_TAGS_FULL,        108, "the agent uses too many tags on this instrument")                                     \
    X(WISH_SIZE_ZERO,        109, "the size is smaller than one lot")                                                    \
    X(WISH_MODIFICATIONS,    110, "the modification cap of this wish is used up")                                        \
    /* the gate, in its order */                                                                                         \
    X(KILL_SWITCH,           200, "the kill switch is on")                                                               \
    X(TRADING_HALTED,        201, "trading is halted")                                                                   \
    X(TRADING_REDUCING,      202, "only orders that reduce risk are accepted")                                           \
    X(STOP_MISSING,          210, "an entry needs a stop")                                                               \
    X(STOP_SIDE,             211, "the stop is not on the losing side of the entry")                                     \
    X(TARGET_SIDE,           212, "the target is not on the winning side of the entry")                                  \
    X(MARKET_ENTRY,          213, "an entry needs a worst price under this profile")                                     \
    X(LONG_ONLY,             214, "short positions are switched off")                                                    \
    X(RISK_PER_TRADE,        215, "the loss at the stop is above the risk per trade")                                    \
    X(DATA_MISSING,          220, "there is no market data for this instrument")                                         \
    X(DATA_STALE,            221, "the market data is too old")                                                          \
    X(POSITION_COUNT,        230, "the number of positions is at its limit")                                             \
    X(POSITION_MAX,          231, "the position would be above its limit")                                               \
    X(TRADE_SIZE,            232, "the order would be above the limit of a single trade")                                \
    X(OPPOSITE_SIDE,         233, "the account holds or has ordered the opposite side of this instrument")               \
    X(BUYING_POWER,          234, "there is not enough buying power")                                                    \
    X(ORDER_MINIMUM,         235, "the order is below the instrument's minimum")                                         \
    X(ORDERS_FULL,           236, "the number of open orders is at its limit")                                           \
    X(DAILY_LOSS,            240, "the daily loss limit is reached")                                                     \
    X(DRAWDOWN,              241, "the drawdown limit is reached")                                                       \
    /* after the gate */                                                                                                 \
    X(STALE_INTENT,          300, "the intent became durable too late")                                                  \
    X(JOURNAL_FAILED,        301, "the journal cannot be written")                                                       \
    X(VENUE_REJECTED,        302, "the venue rejected the order")                                                        \
    X(VENUE_UNREACHABLE,     303, "the venue cannot be reached")                                                         \
    X(ORDER_TTL,             304, "the order's lifetime is over")                                                        \
    X(ORDER_SUPERSEDED,      305, "a newer wish replaced the order")                                                     \
    X(STOP_HIT,              310, "stop loss")                                                                           \
    X(TARGET_HIT,            311, "take profit")                                                                         \
    X(MAX_HOLD,              312, "maximum holding time")                                                                \
    X(FLATTEN,               313, "closed by the host")                                                                  \
    X(WISH_EXIT,             314, "closed by the strategy's wish")                                                       \
    X(NO_SIGNAL,             315, "the strategy wished for nothing")                                                     \
    X(NEVER_FILLED,          316, "orders were accepted but none was filled")                                            \
    /* slots */                                                                                                          \
    X(SLOT_DEADLINE,         400, "the strategy overran its deadline")                                                   \
    X(SLOT_SYSCALL,          401, "the strategy made a forbidden system call")                                           \
    X(SLOT_CRASHED,          402, "the strategy crashed")                                                                \
    X(SLOT_EXITED,           403, "the strategy ended its process")                                                      \
    X(SLOT_MALFORMED,        404, "the strategy's answer is malformed")                                                  \
    X(SLOT_DOORBELL,         405, "the strategy rang when it was not asked or more than once")                           \
    X(SLOT_ERROR,            406, "the strategy reported an error")                                                      \
    X(SLOT_START,            407, "the strategy could not be started")                                                   \
    X(SLOT_LAG,              408, "the strategy is too far behind the market memory")                                    \
    X(SLOT_STOPPED,          409, "the host stopped the strategy")                                                       \
    X(OPERATOR,              500, "an operator asked for it")                                                            \
    X(ILLEGAL_STEP,          501, "an order made an illegal step")                                                       \
    X(POSITION_DESYNC,       502, "the venue's position differs from the books")

enum reason {
#define X(name, number, text) REASON_##name = number,
    REASON_LIST(X)
#undef X
};

/* The name ("BUYING_POWER") and text of a reason; "UNKNOWN" for numbers not in the list. */
const char *reason_name(int reason);
const char *reason_text(int reason);

#endif
