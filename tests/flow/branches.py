#!/usr/bin/env python3
"""branches - every branch of bar matching, worked out by hand: a few bars, a few wishes, the money that must be left.

Each case runs through the oracle as well, so the oracle is held to the same sums. Bars are "open high low close"; the account
starts with 1,000 and pays no fee; wishes are lines of tests/flow/agents/script.c ("BAR SIZE STOP TARGET WORST TTL_S TAG ID").
A wish said when bar 1 has closed can fill in bar 2.
"""
import sys
import tempfile

import flow
import oracle

FOLDER = tempfile.TemporaryDirectory(prefix="bulkhead-branches-")
FLAT = "100 101 99 100"

# name, bars, wishes, final equity, closed trades, refusals
CASES = [
    ("a: the stop is touched: filled at the stop", [FLAT, FLAT, "100 100 94 97"], ["1 1 95"], "995", 1, {}),
    ("a: the stop is met exactly: filled", [FLAT, FLAT, "100 100 95 97"], ["1 1 95"], "995", 1, {}),
    ("a: the open is through the stop: filled at the open", [FLAT, FLAT, "90 96 88 95"], ["1 1 95"], "990", 1, {}),
    ("a: short, the open is through the stop", [FLAT, FLAT, "112 113 104 105"], ["1 -1 105"], "988", 1, {}),
    ("a: the target is touched: filled at the target", [FLAT, FLAT, "100 106 99 103"], ["1 1 90 105"], "1005", 1, {}),
    ("a: a target gapped through fills at the target", [FLAT, FLAT, "109 110 108 109"], ["1 1 90 105"], "1005", 1, {}),
    ("a: short, a target gapped through", [FLAT, FLAT, "91 92 90 91"], ["1 -1 110 95"], "1005", 1, {}),
    ("b: no worst price: at the next open", [FLAT, "103 104 102 103", "103 107 102 106"], ["1 1 90"], "1003", 0, {}),
    ("b: an open no worse than the worst price: at the open", [FLAT, "98 101 97 100", FLAT], ["1 1 90 0 99"], "1002", 0, {}),
    ("b: an open at the worst price: at the open", [FLAT, "99 101 98 100", FLAT], ["1 1 90 0 99"], "1001", 0, {}),
    ("b: the worst price is only touched: no fill", [FLAT, "100 101 98 100", FLAT], ["1 1 90 0 98"], "1000", 0, {}),
    ("b: the worst price is traded through: at the worst price", [FLAT, "100 101 97.99 100", FLAT], ["1 1 90 0 98"], "1002", 0, {}),
    ("b: short, touched only", [FLAT, "100 102 99 100", FLAT], ["1 -1 110 0 102"], "1000", 0, {}),
    ("b: short, traded through", [FLAT, "100 102.01 99 100", FLAT], ["1 -1 110 0 102"], "1002", 0, {}),
    ("b: a resting entry waits for a later bar", [FLAT, FLAT, FLAT, "100 101 97 99"], ["1 1 90 0 98"], "1001", 0, {}),
    ("b: an exit at the next open", [FLAT, FLAT, FLAT, "104 105 103 104"], ["1 1 90", "3 0"], "1004", 1, {}),
    ("b: an exit rests at its worst price", [FLAT, FLAT, FLAT, "100 104.5 99 100", FLAT], ["1 1 90", "3 0 0 0 104"], "1004", 1, {}),
    ("a before b: the stop comes before an exit at the open", [FLAT, FLAT, FLAT, "100 101 94 100"], ["1 1 95", "3 0"], "995", 1, {}),
    ("c: opened at the open, its stop in the same bar", [FLAT, "100 101 94 100", FLAT], ["1 1 95"], "995", 1, {}),
    ("c: opened beyond its stop: out at the same open", [FLAT, "93 94 92 93", FLAT], ["1 1 95"], "1000", 1, {}),
    ("c: opened at the open, its target in the same bar", [FLAT, "100 106 99 100", FLAT], ["1 1 90 105"], "1005", 1, {}),
    ("c: after a resting fill the target waits", [FLAT, "100 106 97 100", "100 101 99 100"], ["1 1 90 105 98"], "1002", 0, {}),
    ("c: after a resting fill the stop may fire", [FLAT, "100 101 94 96", FLAT], ["1 1 95 0 98"], "997", 1, {}),
    ("d: stop and target in one bar: the stop", [FLAT, FLAT, "100 106 94 100"], ["1 1 95 105"], "995", 1, {}),
    ("d: the same in the bar of the entry", [FLAT, "100 106 94 100", FLAT], ["1 1 95 105"], "995", 1, {}),
    ("e: an order lives in a bar that starts before its expiry", [FLAT, FLAT, FLAT, "100 101 97 99", FLAT],
     ["1 1 90 0 98 121"], "1002", 0, {}),
    ("e: and not in one that starts at it", [FLAT, FLAT, FLAT, "100 101 97 99", FLAT], ["1 1 90 0 98 120"], "1000", 0, {}),
    ("an open position is marked at the last close and is no trade", [FLAT, FLAT, "100 108 99 107"], ["1 2 90"], "1014", 0, {}),
    ("a spent id never trades again", [FLAT, FLAT, "100 100 94 97", FLAT, "104 105 103 104"], ["1 1 95 0 0 0 main 1", "3 1 95 0 0 0 main 1"],
     "995", 1, {}),
    ("an amendment tightens the stop", [FLAT, FLAT, "100 100 94 97"], ["1 1 90 0 0 0 main 1", "2 1 95 0 0 0 main 1"], "995", 1, {}),
    ("an amendment that loosens the stop is refused", [FLAT, FLAT, "100 100 94 97"], ["1 1 95 0 0 0 main 1", "2 1 90 0 0 0 main 1"], "995",
     1, {"WISH_STOP_LOOSENED": 1}),
    ("the same wish again has no effect (spent or not, same id)", [FLAT, FLAT, FLAT, "104 105 103 104"],
     ["1 1 90 0 0 0 main 1", "2 1 90 0 0 0 main 1", "3 1 90 0 0 0 main 1"], "1004", 0, {}),
    ("a greater id trades again", [FLAT, FLAT, "100 100 94 97", "97 99 96 98", "98 99 97 99"], ["1 1 95", "3 1 90"], "997", 1, {}),
    ("a partial close takes its share of the cost", [FLAT, "100 101 99 100", "103 104 102 103", "101 102 100 101", "101 102 100 101"],
     ["1 1 90", "2 3 90", "3 2 90"], "997", 0, {}),
    ("two tags are two positions", [FLAT, FLAT, FLAT, "102 103 101 102", "104 105 103 104"],
     ["1 1 90 0 0 0 core", "1 1 90 0 0 0 swing", "3 0 0 0 0 0 swing"], "1006", 1, {}),
    ("a change of sign is an exit, then an entry", [FLAT, FLAT, FLAT, "104 105 103 104", "103 104 102 103", "101 102 100 101"],
     ["1 1 90", "3 -1 120"], "1006", 1, {}),
    ("a change of sign leaves at the market: the worst price is the entry's",
     [FLAT, FLAT, FLAT, "98 99 97 98", "99 104.5 98 100", "101 102 100 101"], ["1 1 90", "3 -1 120 0 104"], "1001", 1, {}),
    ("a change of sign whose exit the old stop made still enters",
     [FLAT, FLAT, FLAT, "100 101 94 97", "97 98 96 97", "96 97 95 96"], ["1 1 95", "3 -1 120"], "996", 1, {}),
    ("an entry without a stop is refused", [FLAT, FLAT, FLAT], ["1 1"], "1000", 0, {"STOP_MISSING": 1}),
    ("a stop on the wrong side is refused", [FLAT, FLAT, FLAT], ["1 1 105"], "1000", 0, {"STOP_SIDE": 1}),
    ("more than the money is refused", [FLAT, FLAT, FLAT], ["1 11 90"], "1000", 0, {"BUYING_POWER": 1}),
    ("two signs on one netting account are refused", [FLAT, FLAT, FLAT, FLAT], ["1 1 90 0 0 0 core", "2 -1 110 0 0 0 swing"], "1000", 0,
     {"OPPOSITE_SIDE": 1}),
    ("an exit needs no permission", [FLAT, FLAT, "50 51 49 50", "50 51 49 50"], ["1 1 40", "3 0"], "950", 1, {}),
]
# the oracle knows nothing of the gate, nor of ids: these cases are the host's alone
HOST_ONLY = ("refused", "a spent id", "an amendment", "same id")


def write(bars, number):
    path = f"{FOLDER.name}/{number}.csv"
    with open(path, "w") as out:
        out.write("time_ms,open,high,low,close,volume\n")
        for minute, bar in enumerate(bars):
            prices = ",".join(f"{word}.00" if "." not in word else word for word in bar.split())
            out.write(f"{1672531200000 + 60000 * minute},{prices},10\n")
    return path


def check(number, bars, wishes, equity, trades, refusals, host_only):
    path, due = write(bars, number), f"{equity}.00000000"
    if not host_only:
        words = [word for line in wishes for word in ("--lines", line)]
        own = oracle.run(oracle.parse(["--data", path, "--strategy", "script", "--cash", "1000", *words]))
        assert (own["final_equity"], own["trades"]) == (due, trades), f"the oracle says {own}, by hand it is {due}, {trades} trades"
    params = [word for i, line in enumerate(wishes, 1) for word in ("--param", f"w{i}={line}")]
    got = flow.backtest("script", "--data", path, "--cash", "1000", "--fee-bps", "0", *params)
    found = (got["final_equity"], got["trades"], got["refusals"])
    assert found == (due, trades, refusals), f"the host says {found}, by hand it is {(due, trades, refusals)}"


def main():
    tests = []
    for number, (name, bars, wishes, equity, trades, refusals) in enumerate(CASES, 1):
        host_only = any(word in name for word in HOST_ONLY)
        tests.append((name, lambda a=(number, bars, wishes, equity, trades, refusals, host_only): check(*a)))
    return flow.main([test for test in tests if len(sys.argv) < 2 or sys.argv[1] in test[0]])


sys.exit(main())
