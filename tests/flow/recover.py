#!/usr/bin/env python3
"""recover - a restart and a bad link change nothing that was: books, wishes, limits, states.

The exchange is a process of its own; a wire between both drops, cuts and forges lines. What is proved is read from outside:
the journal, the exchange's order log, and what a test agent (agents/keeper.c) says it sees of its book every turn. Each test
ends with the oracle of witness.py: order log and journal tell the same story.

How it could fail to see: a fault that never happened. So each test counts that its fault did happen.
test: timeout 240
"""
import json
import socket
import sys
import time

import flow
import witness

QUIET = ("fast=100", "slow=1000")  # sees too few bars to decide anything
THIN = "levels=2,level_lots=40"    # a market that cannot fill a whole entry at once


def agree(stage, summary, lots_max=100):
    problems = witness.oracle(stage.journal(), stage.exchange.log(), lots_max, summary)
    assert not problems, "\n".join(problems)


def trade(stage, turns, params=("fast=2", "slow=4", "side=both"), direct=False, lots_max=100):
    """Some turns of trading, and the same from the tape; then a quiet host that asks for what is left. Returns what that one said."""
    stage.host("--turns", turns, params=params, direct=direct).end(seconds=60)
    flow.run("replay", "--home", stage.home, "--compare")
    stage.wire.hook = None
    summary = stage.host("--turns", 20, params=QUIET, direct=direct).end(seconds=60)
    agree(stage, summary, lots_max)
    return summary


def unknown(journal):
    return {row["order_id"] for row in journal.of(witness.STEP) if witness.STATES[row["state"]] == "UNKNOWN"}


def events(journal, number):
    return [row for row in journal.of(witness.VENUE) if row["event"] == number]


# ---- restarts --------------------------------------------------------------------------------------------------------------


def book_survives():
    with witness.Stage("seed=3,speed=60") as stage:
        first = stage.host("--turns", 40, strategy="keeper", params=()).end()
        before = stage.journal()
        second = stage.host("--turns", 10, strategy="keeper", params=()).end()
        after = stage.journal(before.last)
        for name in ("cash", "trades_today", "held", "entry", "stop", "wish"):
            was, now = before.told(name)[-1], after.told(name)[0]
            assert was == now, f"{name} was {was} before the restart and is {now} after it"
        assert (before.told("held")[-1], before.told("trades_today")[-1]) == (1, 1), "there was nothing to forget"
        assert after.told("age")[0] == before.told("age")[-1] + 1, "the agent's saved state did not come back"
        due = after.told("cash")[0] + after.told("close")[0]
        assert abs(after.told("equity")[0] - due) < 1e-6, f"equity {after.told('equity')[0]}, cash and position are {due}"
        assert (first["cash"], first["trades"]) == (second["cash"], second["trades"])
        assert len(stage.exchange.log().orders) == 1, "it entered again"
        agree(stage, second)
        return f"cash {second['cash']}, position, stop, wish, trades of the day, state of the agent"


def bars_with_a_dip(path):
    """A market that rises all the time; a wick of one bar goes through any near stop."""
    lines = ["time_ms,open,high,low,close,volume"]
    for i in range(900):
        price = 100 + max(0, i - 8) * 0.05
        low = price - (9 if i == 30 else 0.05)
        lines.append(f"{1700000000000 + 1000 * i},{price:.2f},{price + 0.05:.2f},{low:.2f},{price + 0.02:.2f},10")
    path.write_text("\n".join(lines) + "\n")


def stopped_stays_stopped():
    """A wish whose stop ended it is spent, also after a restart. A new home, which knows nothing, enters: so could this one."""
    params = ("fast=2", "slow=4", "stop_ticks=300")
    with witness.Stage() as stage:
        bars_with_a_dip(stage.folder / "bars.csv")
        stage.exchange.close()
        stage.exchange = witness.Exchange(stage.folder, f"replay={stage.folder}/bars.csv,rebase,speed=20")
        host = stage.host(params=params)
        witness.wait_for("the stop", lambda: any(f["purpose"] == 2 for f in stage.exchange.log().fills), 20)
        time.sleep(0.3)
        host.stop()
        orders = len(stage.exchange.log().orders)
        summary = stage.host("--turns", 20, params=params).end()
        assert (orders, len(stage.exchange.log().orders)) == (1, 1), "it entered again after the restart"
        agree(stage, summary)
        (stage.home / "journal").rename(stage.folder / "old-journal")
        stage.host("--turns", 20, params=params).end()
        assert len(stage.exchange.log().orders) == 2, "a host without a memory did not enter either: this proves nothing"
        return "1 entry, 1 stop, no entry after the restart"


def die_before_order(stage, host):
    """The host dies with an intent on disk that the exchange never sees."""
    def kill(line, to_exchange):
        if to_exchange and b'"op":"order"' in line:
            host.kill()
            return False
        return True
    stage.wire.hook = kill
    witness.wait_for("an order", host.gone, 20)
    host.close()


def boot_order():
    """After a kill nothing leaves before the venue has told fates and positions; the market goes on meanwhile."""
    with witness.Stage(f"seed=11,speed=60,{THIN}") as stage:
        host, seen = stage.host(), []

        die_before_order(stage, host)

        def watch(line, to_exchange):
            for word in ("order", "positions_end", "absent", "bar"):
                if f':"{word}"'.encode() in line:
                    seen.append(word)
            return not (b':"absent"' in line and seen.count("absent") <= 2)  # two answers are lost
        stage.wire.hook = watch
        summary = trade(stage, 160, ("fast=2", "slow=4", "side=both", "tag=other"), lots_max=200)
        assert "order" in seen, f"nothing was ordered at all: {summary}"  # a position that waits for nothing of its own
        before = seen[:seen.index("order")]
        assert before.count("absent") >= 3 and "positions_end" in before, f"too early: {before}"
        assert before.count("bar") > 20, "there was no market to be tempted by"
        return f"{before.count('bar')} bars waited"


def never_answered():
    """A venue that does not say what became of an order: trading is halted, and stays so until somebody says otherwise."""
    with witness.Stage(f"seed=12,speed=60,{THIN}") as stage:
        die_before_order(stage, stage.host())
        stage.wire.hook = lambda line, to_exchange: not (to_exchange and b'"op":"query"' in line)
        summary = stage.host("--turns", 5).end(seconds=40)
        assert summary["trading_state"] == "HALTED", summary["trading_state"]
        assert any("did not answer" in row["text"] for row in stage.journal().of(witness.TRADING))
        stage.wire.hook = None
        before = len(stage.exchange.log().orders)
        summary = stage.host("--turns", 30).end()
        entries = [line for line in stage.exchange.log().orders[before:] if line["purpose"] == witness.ENTRY]
        assert summary["trading_state"] == "HALTED" and not entries, f"{summary['trading_state']}, {entries}"
        assert stage.host("--turns", 5, "--clear-halt", params=QUIET).end()["trading_state"] == "ACTIVE"
        agree(stage, None)
        return "HALTED, latched, cleared by --clear-halt"


# ---- the link --------------------------------------------------------------------------------------------------------------


def link_breaks():
    with witness.Stage(f"seed=21,speed=60,disconnect_every=7,{THIN}") as stage:
        summary = trade(stage, 300, direct=True)
        journal = stage.journal()
        down, hurt = len(events(journal, 11)), len(unknown(journal))
        assert summary["trading_state"] == "ACTIVE" and down > 5 and hurt > 0, f"{summary['trading_state']}, {down} breaks, {hurt} UNKNOWN"
        return f"{down} breaks, {hurt} orders UNKNOWN, {len(journal.orders())} orders, {len(journal.fills())} fills"


def cut():
    raise ConnectionResetError("the wire was cut")


def answer_lost():
    """The link breaks right after an order, and the answer to the question for it is lost once: it is asked again."""
    with witness.Stage(f"seed=22,speed=60,{THIN}") as stage:
        count = {"orders": 0, "lost": 0}

        def hook(line, to_exchange):
            if to_exchange and b'"op":"order"' in line:
                count["orders"] += 1
                return cut if count["orders"] == 3 else None if count["orders"] == 6 else True
            if (b'"kind":"state"' in line or b'"kind":"absent"' in line) and count["lost"] < 1:
                count["lost"] += 1
                return False
            return True
        stage.wire.hook = hook
        summary = trade(stage, 300)
        journal = stage.journal()
        assert count["lost"] == 1 and len(unknown(journal)) >= 2 and summary["trading_state"] == "ACTIVE", (count, unknown(journal))
        assert count["orders"] > 8, f"it did not go on: {count}"
        return f"{len(unknown(journal))} orders UNKNOWN, {count['orders']} orders"


def acks_late_or_never():
    with witness.Stage(f"seed=23,speed=60,ack_drop_every=3,ack_delay_ms=700,{THIN}") as stage:
        summary = trade(stage, 200, ("fast=2", "slow=4", "side=both", "worst_ticks=0"))
        assert summary["trading_state"] == "ACTIVE"
        states = list(stage.journal().order_states().values())
        return f"{len(states)} orders, {states.count('FILLED')} filled, {states.count('CANCELLED')} cancelled"


def fills_twice():
    with witness.Stage(f"seed=24,speed=60,fills_twice,{THIN}") as stage:
        told = {"fills": 0}

        def hook(line, to_exchange):
            told["fills"] += not to_exchange and b'"kind":"fill"' in line
            return True
        stage.wire.hook = hook
        trade(stage, 100)
        applied = len(stage.journal().fills())
        # the second telling of the last fills may still be on its way when the host ends
        assert told["fills"] > applied > 10 and told["fills"] >= 2 * applied - 6, f"{told['fills']} told, {applied} applied"
        return f"{told['fills']} fills told, {applied} applied"


# ---- the venue's position --------------------------------------------------------------------------------------------------


def desync_halts():
    with witness.Stage("seed=31,speed=60") as stage:
        stage.host("--turns", 30, strategy="keeper", params=()).end()
        forged = []

        def forge(line, to_exchange):
            if b'"kind":"position"' not in line:
                return True
            forged.append(json.loads(line))
            return json.dumps(dict(forged[-1], lots=forged[-1]["lots"] + 7), separators=(",", ":")).encode()
        stage.wire.hook = forge
        summary = stage.host("--turns", 20).end()
        assert forged and summary["trading_state"] == "HALTED", f"{len(forged)} forged, {summary['trading_state']}"
        assert len(stage.exchange.log().orders) == 1, "an order was sent on a book that is wrong"
        journal = stage.journal()
        apart = events(journal, 101)
        assert apart and apart[0]["theirs"] == apart[0]["ours"] + 7 == 107, apart
        assert any("net position differs" in row["text"] and row["state"] == 2 for row in journal.of(witness.TRADING))
        stage.wire.hook = None
        assert stage.host("--turns", 5).end()["trading_state"] == "HALTED", "the truth alone is no permission"
        return "7 lots too many: HALTED, both figures in the journal"


def stranger(stage, lots):
    """Another client of the same account trades: the host has no order for what it is told."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(10)
        link.connect(stage.exchange.socket)
        lines = [{"op": "hello", "version": 1}, json.loads(stage.instrument), {"op": "ready", "quotes": 0, "trades": 0},
                 {"op": "order", "id": "stranger-1", "i": 0, "group": 900, "purpose": 0, "lots": lots, "limit": 0, "stop": 1000,
                  "target": 0, "created": 0, "expires": 0}]
        link.sendall(b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines))
        witness.wait_for("the stranger's fill", lambda: any(f["id"] == "stranger-1" for f in stage.exchange.log().fills))


def orphan_adopted():
    with witness.Stage("seed=32,speed=60") as stage:
        def hook(line, to_exchange):
            if b'"op":"instrument"' in line:
                stage.instrument = line
            return True
        stage.wire.hook = hook
        stage.host("--turns", 30, strategy="keeper", params=()).end()
        stranger(stage, 10)
        summary = stage.host("--turns", 20, strategy="keeper", params=()).end()
        journal, log = stage.journal(), stage.exchange.log()
        row = next(row for row in journal.fills() if row["id"] == next(f["fill"] for f in log.fills if f["id"] == "stranger-1"))
        assert row["order_id"] == 0, row
        problems = []
        witness.compare_fills(journal, log, problems)
        assert not problems and not events(journal, 101), problems
        return f"10 lots of nobody's order are in the books, trading {summary['trading_state']}"


sys.exit(flow.main([
    ("a restart keeps the book, the wish and the agent's state", book_survives),
    ("a wish that its stop ended stays spent over a restart", stopped_stays_stopped),
    ("after a kill nothing leaves before fates and positions are told", boot_order),
    ("a venue that never answers halts trading", never_answered),
    ("a link that breaks all the time: UNKNOWN, asked, resolved", link_breaks),
    ("an answer that is lost is asked for again", answer_lost),
    ("acknowledgements that come late or never", acks_late_or_never),
    ("fills told twice are applied once", fills_twice),
    ("a position that differs at the venue halts trading", desync_halts),
    ("a fill of nobody's order is adopted", orphan_adopted),
]))
