#!/usr/bin/env python3
"""hostile - a strategy that breaks down loses its slot and nothing else. test: timeout 300

Each case is one backtest with two strategies: hostile.c, which holds a long with a stop and has an entry working when it does
its deed, and script.c, which trades on. Asked of every case: the exit status; agents[].died; that script's numbers are to the last
digit those of a run alone with its own budget; that the dead one's position was closed by its stop, with the money worked out by
hand; that its working entry, which the last bars trade through, was taken back; and that the run file tells the death.
"""
import json
import pathlib
import sys
import tempfile

import flow

FOLDER = tempfile.TemporaryDirectory(prefix="bulkhead-hostile-")
# bars 1 to 5 flat; the deed is done when 5 have closed; 6 rises, 7 falls through the stop at 95, 9 trades through 20
BARS = ["100 101 99 100"] * 5 + ["102 104 101 103", "103 103 94 96", "96 97 95 96", "96 96 15 96", "98 99 97 98", "99 100 98 99"]
OTHER = ["2 2 60", "4 3 60 110", "6 1 60", "7 0", "9 2 12", "10 0"]
FIELDS = ("equity", "realised", "fees", "trades", "won", "turns")

# deed, the reasons that may be given
DEEDS = [
    ("crash", {"SLOT_CRASHED"}),
    ("stack", {"SLOT_CRASHED"}),
    ("allocate", {"SLOT_CRASHED", "SLOT_SYSCALL"}),
    ("exit", {"SLOT_EXITED"}),
    ("open", {"SLOT_SYSCALL"}),
    ("fork", {"SLOT_SYSCALL"}),
    ("error", {"SLOT_ERROR"}),
    ("many", {"SLOT_MALFORMED"}),
    ("nan", {"SLOT_MALFORMED"}),
    ("negative", {"SLOT_MALFORMED"}),
    ("infinite", {"SLOT_MALFORMED"}),
    ("instrument", {"SLOT_MALFORMED"}),
    ("unit", {"SLOT_MALFORMED"}),
    ("tag", {"SLOT_MALFORMED"}),
    ("silent", {"SLOT_MALFORMED"}),
]


def bars():
    path = pathlib.Path(FOLDER.name) / "bars.csv"
    lines = ["time_ms,open,high,low,close,volume"]
    lines += [f"{1672531200000 + 60000 * minute},{','.join(word + '.00' for word in bar.split())},10" for minute, bar in enumerate(BARS)]
    path.write_text("\n".join(lines) + "\n")
    return path


def other():
    words = ["--strategy", flow.strategy("script")]
    for number, line in enumerate(OTHER, 1):
        words += ["--param", f"w{number}={line}"]
    return words


def hostile(deed):
    return ["--strategy", flow.strategy("hostile"), "--param", "stop=95", "--param", f"deed={deed}"]


def backtest(*words, cash, status=0):
    text = flow.run("backtest", *words, "--data", bars(), "--cash", cash, "--fee-bps", "10", "--policy", flow.OPEN, "--json",
                    "--home", FOLDER.name, status=status)
    return json.loads(text)


def same(got, due):
    found, wanted = [got[field] for field in FIELDS], [due[field] for field in FIELDS]
    assert found == wanted, f"the other agent: {dict(zip(FIELDS, found))}, alone it was {dict(zip(FIELDS, wanted))}"


def check(deed, reasons, first):
    alone = backtest(*other(), cash="1000")["agents"][0]
    assert alone["trades"] >= 2, f"the other agent shows nothing: {alone}"
    order = [hostile(deed), other()] if first else [other(), hostile(deed)]
    result = backtest(*order[0], *order[1], cash="2000")
    dead, living = (result["agents"][0], result["agents"][1]) if first else (result["agents"][1], result["agents"][0])
    assert dead.get("died") in reasons, f"died {dead.get('died')} ({dead.get('died_how')}), {reasons} was wanted"
    assert "died" not in living, living
    same(living, alone)
    # bought at 100, stopped at 95, 10 bps each time; the entry at 20 never filled
    wanted = {"realised": "-5.00000000", "fees": "0.19500000", "equity": "994.80500000", "trades": 1}
    found = {key: dead[key] for key in wanted}
    assert found == wanted, f"the dead agent: {found}, by hand it is {wanted}"
    text = pathlib.Path(result["run_file"]).read_bytes()
    assert dead["died_how"] and dead["died_how"][:100].encode() in text, f"the run file does not tell: {dead['died_how']}"
    return dead["died_how"]


def honest():
    """Without a deed it lives, and its entry at 20 fills: the control without which the cases above show nothing."""
    result = backtest(*hostile("none"), *other(), cash="2000")
    assert "died" not in result["agents"][0], result["agents"][0]
    assert result["agents"][0]["equity"] > "1060", result["agents"][0]


def watchdog():
    """An endless loop: a backtest has no deadline but a watchdog of 10 s, which fails the run; it decides nothing."""
    result = json.loads(flow.run("backtest", *hostile("loop"), "--data", bars(), "--cash", "1000", "--policy", flow.OPEN, "--json", "--home",
                                 FOLDER.name, status=1, timeout=60))
    text = json.dumps(result)
    assert "10 s" in text, text


def jail(deed):
    """The research worker dies with the strategy: no result, no run file, and it says so."""
    if flow.SANITIZED:
        raise flow.Skip("there is no research worker under sanitizers")
    text = flow.run("backtest", *hostile(deed), "--data", bars(), "--cash", "1000", "--policy", flow.OPEN, "--json", "--isolation", "jail",
                    status=None)
    assert "final_equity" not in text and "the research worker died" in text, text


def main():
    tests = [("without a deed it lives", honest)]
    for number, (deed, reasons) in enumerate(DEEDS):
        tests.append((deed, lambda a=(deed, reasons, number % 2 == 0): check(*a)))
    tests += [("loop", watchdog), ("crash of a research worker", lambda: jail("crash")), ("exit of a research worker", lambda: jail("exit"))]
    return flow.main([test for test in tests if len(sys.argv) < 2 or sys.argv[1] in test[0]])


sys.exit(main())
