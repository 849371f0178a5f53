#!/usr/bin/env python3
"""candidates - candidates think beside the active strategy, and nothing they do reaches its account.

A paper session over a file of bars is run alone and with good, silent, crashing and lying candidates; what the journal says of
the real account has to be the same row by row. The dead are journaled with how they died, the living trade on papers of their
own; the tape replays to the same answers; after a restart, at another place at the table, each goes on with its state.

How it could fail to show it: by comparing nothing, so the number of rows compared is wanted to be large; ids are left out of
the comparison, because all accounts share their sequence.
test: timeout 120
"""
import collections
import json
import pathlib
import sqlite3
import struct
import subprocess
import sys

import flow

HOME = pathlib.Path(flow.HOME.name)
BARS, MINUTE_NS = 3000, 60 * 10**9
WISH, ORDER, FILL, SLOT, STATE = 2, 4, 6, 8, 13
DIED = 2  # body_slot.event
SMA = ["--param", "side=both", "--param", "stop_pct=3", "--param", "quantity=0.1"]
ACTIVE = ["--strategy", flow.strategy("sma_cross"), "--param", "fast=3", "--param", "slow=9", *SMA]
GOOD = ["--candidate", flow.strategy("sma_cross"), "--param", "fast=2", "--param", "slow=5", *SMA]
RESULTS = {}  # of the last session in a home
Row = collections.namedtuple("Row", "kind account time instrument position body")


def bad(how, *params):
    words = ["--candidate", flow.strategy("misbehave"), "--param", f"how={how}"]
    return words + [word for param in params for word in ("--param", param)]


# in roster order after the active one: good, and how the others end
CROWD = [*GOOD, *bad("spin", "turn=200"), *bad("crash", "turn=300"), *bad("nan", "turn=400"), *bad("error", "turn=500")]
ENDS = {2: 400, 3: 402, 4: 404, 5: 406}  # by account: SLOT_DEADLINE, SLOT_CRASHED, SLOT_MALFORMED, SLOT_ERROR


def bars():
    whole = HOME / "bars.csv"
    if not whole.exists():
        subprocess.run([sys.executable, str(flow.ROOT / "tests/flow/generate_bars.py"), str(whole), "--bars", str(BARS), "--seed", "7"], check=True)
    return whole


def halves():
    """Two files, cut where nobody waits for a fill (a change of sign takes two bars): a candidate's open orders end with its session."""
    lines = bars().read_text().splitlines(True)
    start_ns = int(lines[1].split(",")[0]) * 10**6
    asked = {row.time for row in journal("crowd", WISH)}
    cut = next(n for n in range(BARS // 2, BARS) if not {start_ns + (n - back) * MINUTE_NS for back in range(3)} & asked)
    files = []
    for name, part in (("early", lines[1:1 + cut]), ("late", lines[1 + cut:])):
        (HOME / name).mkdir()
        files.append(HOME / name / "bars.csv")
        files[-1].write_text(lines[0] + "".join(part))
    return files


def policy():
    """Limits at their widest, and time enough for a machine that is busy with other tests."""
    folder = HOME / "policy"
    if not folder.exists():
        folder.mkdir()
        (folder / "risk.yaml").write_text((flow.OPEN / "risk.yaml").read_text())
        (folder / "host.yaml").write_text("slots:\n  active_deadline: 1s\n  candidate_deadline: 500ms\norders:\n  intent_age_max: 10s\n")
    return folder


def session(home, *words, data=None):
    RESULTS[home] = json.loads(flow.run("run", "--home", HOME / home, "--mode", "paper", "--quiet", "--json", "--cash", "100000", "--policy",
                                        policy(), "--venue", "paper", "--data", data or bars(), *words))
    return RESULTS[home]


def by_name(got):
    return {agent["name"]: agent for agent in got["agents"]}


def journal(home, *kinds):
    """Rows of these kinds, oldest first, read without touching the file."""
    with sqlite3.connect(f"file:{HOME / home}/journal/journal.db?mode=ro", uri=True) as db:
        rows = db.execute("SELECT kind, agent, time_ns, instrument, position, body FROM events ORDER BY seq").fetchall()
    return [Row(kind, agent >> 8, *rest) for kind, agent, *rest in rows if kind in kinds]


def content(row):
    """What a row says, without the ids that all accounts share; by the layouts of host/ledger/bodies.h."""
    body = row.body
    if row.kind == ORDER:
        body = body[8:16] + body[24:88]  # from lots to purpose
    elif row.kind == FILL:
        body = body[16:80]               # from wish_id to maker
    return row.kind, row.time, row.instrument, row.position, body


def decisions(home, account=0):
    return [content(row) for row in journal(home, WISH, ORDER, FILL) if row.account == account]


def same(one, other, what):
    for number, (a, b) in enumerate(zip(one, other)):
        assert a == b, f"{what}: row {number} of {len(one)} and {len(other)} differs:\n{a}\n{b}"
    assert len(one) == len(other), f"{what}: {len(one)} rows and {len(other)}"


def active_is_undisturbed():
    alone, crowd = session("alone", *ACTIVE), session("crowd", *ACTIVE, *CROWD)
    assert alone["turns"] == crowd["turns"] == BARS, (alone["turns"], crowd["turns"])
    one, other = decisions("alone"), decisions("crowd")
    same(one, other, "alone and in the crowd")
    assert len(one) > 500 and alone["trades"] > 100, f"only {len(one)} rows, {alone['trades']} trades: it shows nothing"
    assert (alone["equity"], alone["trades"]) == (crowd["equity"], crowd["trades"]), (alone, crowd)
    return f"{len(one)} rows"


def the_dead_are_told():
    got = json.loads(flow.run("journal", "verify", "--home", HOME / "crowd", "--json"))
    died = {}
    for row in journal("crowd", SLOT):
        reason, event = struct.unpack_from("<iI", row.body)
        if event == DIED:
            died[row.account] = reason
            assert row.body[128:].strip(b"\0"), f"account {row.account}: died without a word"
    assert died == ENDS, f"deaths by account {died}"
    return f"{got.get('rows', 'all')} rows whole"


def candidates_trade_on_their_papers():
    fills = collections.Counter(row.account for row in journal("crowd", FILL))
    assert fills[1] > 200, f"fills by account {fills}"
    assert all(fills[account] == 1 for account in (2, 3, 4, 5)), f"fills by account {fills}"  # what they bought while they were well


def tape_replays(home="crowd"):
    got = json.loads(flow.run("replay", "--home", HOME / home, "--compare", "--json", "--policy", policy()))
    assert got["complete"] and got["answers"] > got["turns"], got
    return f"{got['answers']} answers, {got['records']} records"


def goes_on_after_a_restart():
    early, late = halves()
    session("halves", *ACTIVE, *GOOD, *bad("crash", "turn=100"), data=early)
    states = [row.account for row in journal("halves", STATE)]
    assert set(states) >= {0, 1}, f"states of accounts {states}"
    # the good one now sits behind the other
    second = session("halves", *ACTIVE, *bad("crash", "turn=100"), *GOOD, data=late)
    rows = journal("halves", WISH, FILL)
    same([content(row) for row in journal("crowd", WISH) if row.account == 0], [content(row) for row in rows if row.kind == WISH and row.account == 0],
         "wishes of the active one, whole and in halves")
    start = max(row.time for row in journal("halves", SLOT) if struct.unpack_from("<iI", row.body)[1] == 1)
    good = [row for row in rows if row.account == (1 if row.time < start else 2)]
    for kind in (WISH, FILL):
        same([content(row) for row in journal("crowd", kind) if row.account == 1], [content(row) for row in good if row.kind == kind],
             f"rows of kind {kind} of the candidate, whole and in halves")
    ids = [struct.unpack_from("<Q", row.body)[0] for row in good if row.kind == WISH]
    assert ids == sorted(set(ids)) and len(ids) > 500, "its wish ids do not go on"
    agents = by_name(second)
    assert agents["misbehave"]["died"] == "SLOT_CRASHED" and "died" not in agents["sma_cross_2"], agents
    whole = by_name(RESULTS["crowd"])
    assert agents["sma_cross_2"]["equity"] == whole["sma_cross_2"]["equity"], (agents, whole)
    return f"{len(ids)} wishes of the candidate, {tape_replays('halves')}"


def slow_ones_miss_turns():
    slow = bad("slow", "turn=10", "steps=40000000")
    got = by_name(session("slow", *ACTIVE, *GOOD, *slow, "--interval-ms", "20", "--turns", "120"))
    assert got["misbehave"]["gaps"] > 0, got
    assert got["sma_cross"]["turns"] == 120 and got["sma_cross"]["gaps"] == 0, got
    assert got["misbehave"]["turns"] + got["misbehave"]["gaps"] <= 120, got
    return f"{got['misbehave']['gaps']} turns missed, {tape_replays('slow')}"


def a_death_while_saving_is_told():
    got = by_name(session("save", *ACTIVE, *bad("save"), "--turns", "50"))
    assert got["misbehave"]["died"] == "SLOT_DEADLINE", got
    died = [row.account for row in journal("save", SLOT) if struct.unpack_from("<iI", row.body)[1] == DIED]
    assert died == [1], f"journaled deaths {died}"
    return tape_replays("save")


def latencies_are_told():
    got = session("latency", *ACTIVE, *GOOD, "--turns", "300")
    agents = by_name(got)
    for name, times in (("decision", got["decision_us"]), *((name, agent["answer_us"]) for name, agent in agents.items())):
        assert times["count"] == 300 and 0 < times["p50"] <= times["p99"], f"{name}: {times}"
        assert times["max"] > 0 and times["p99"] <= 1.07 * times["max"], f"{name}: {times}"  # a bucket is 6 % wide
    return f"decision p99 {got['decision_us']['p99']:.0f} us, candidate's answer p99 {agents['sma_cross_2']['answer_us']['p99']:.0f} us"


if __name__ == "__main__":
    sys.exit(flow.main([
        ("candidates do not change what the active one does", active_is_undisturbed),
        ("those that died are in the journal, and how", the_dead_are_told),
        ("candidates trade on papers of their own", candidates_trade_on_their_papers),
        ("the session replays to the same answers", tape_replays),
        ("after a restart all go on where they were", goes_on_after_a_restart),
        ("a slow candidate misses turns, the active one none", slow_ones_miss_turns),
        ("a candidate that dies while saving is told", a_death_while_saving_is_told),
        ("latencies of every agent are told", latencies_are_told)]))
