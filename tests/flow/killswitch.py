#!/usr/bin/env python3
"""killswitch - the ways in which a person stops a running host, or makes it stricter.

    1. The file HOME/KILL_SWITCH halts entries within one turn, is latched and journaled: neither deleting it nor a restart
       brings trading back; --clear-halt does, and is journaled too, but not while the file is there.
    2. SIGHUP reads the policy again: stricter limits hold at once, looser ones never do before a restart.
    3. SIGTERM and SIGINT end cleanly, with status 0. --once ends after one turn.
    4. One home, one host: the second is refused, with the pid of the first.

How it could fail to see: a market in which nobody wanted to enter anyway. So entries are counted before, and again after
the halt was cleared.
"""
import os
import signal
import sys
import time

import flow
import witness

QUIET = ("fast=100", "slow=1000")


def entries(stage):
    return sum(line["purpose"] == witness.ENTRY for line in stage.exchange.log().orders)


def trading(stage):
    """(state, kill switch, text) of each change that was journaled."""
    return [(row["state"], row["kill_switch"], row["text"]) for row in stage.journal().of(witness.TRADING)]


class Watch:
    """Counts what passes the wire, from a moment on that mark() says."""

    def __init__(self, stage):
        self.bars = self.entries = self.late = 0
        self.marked = None
        stage.wire.hook = self

    def mark(self):
        self.marked = self.bars

    def __call__(self, line, to_exchange):
        self.bars += not to_exchange and b'"event":"turn"' in line
        if to_exchange and b'"op":"order"' in line and b'"purpose":0' in line:
            self.entries += 1
            self.late += self.marked is not None and self.bars > self.marked + 1  # the turn in which it was made is over
        return True

    def wait(self, what, count):
        start = getattr(self, what)
        witness.wait_for(f"{count} {what}", lambda: getattr(self, what) >= start + count, 30)


def entries_halt():
    with witness.Stage("seed=41,speed=20") as stage:
        watch, host, switch = Watch(stage), stage.host(), stage.home / "KILL_SWITCH"
        watch.wait("entries", 3)
        switch.touch()
        watch.mark()
        watch.wait("bars", 40)
        switch.unlink()
        watch.wait("bars", 40)
        summary = host.stop()
        assert watch.late == 0, f"{watch.late} entries later than one turn after the file was there"
        assert summary["kill_switch"] and summary["trading_state"] == "HALTED", summary
        assert [change[:2] for change in trading(stage)] == [(2, 1)], trading(stage)
        before = entries(stage)
        summary = stage.host("--turns", 40).end()
        assert summary["kill_switch"] and entries(stage) == before, "a restart brought trading back"
        summary = stage.host("--turns", 60, "--clear-halt").end()
        assert not summary["kill_switch"] and entries(stage) > before, "--clear-halt did not bring trading back"
        assert trading(stage)[-1][:2] == (0, 0) and "--clear-halt" in trading(stage)[-1][2], trading(stage)
        stage.host("--turns", 20, params=QUIET).end()
        problems = witness.oracle(stage.journal(), stage.exchange.log())
        assert not problems, "\n".join(problems)
        return f"{before} entries before, none in 120 turns, {entries(stage) - before} after --clear-halt"


def file_outlives_operator():
    with witness.Stage("seed=42,speed=60") as stage:
        (stage.home / "KILL_SWITCH").touch()
        summary = stage.host("--turns", 40, "--clear-halt").end()
        assert summary["kill_switch"] and summary["trading_state"] == "HALTED" and entries(stage) == 0, summary
        (stage.home / "KILL_SWITCH").unlink()
        stage.host("--turns", 40).end()
        assert entries(stage) == 0, "it is latched"
        return "HALTED from the start, with --clear-halt too"


def exit_still_works():
    """The kill switch stops entries. What is held may still be closed, and keeps its stop at the exchange."""
    with witness.Stage("seed=43,speed=20") as stage:
        watch, host = Watch(stage), stage.host()
        watch.wait("entries", 1)
        witness.wait_for("a position", lambda: sum(line["lots"] for line in stage.exchange.log().fills) != 0)
        (stage.home / "KILL_SWITCH").touch()
        witness.wait_for("the exit", lambda: stage.exchange.log().fills and sum(line["lots"] for line in stage.exchange.log().fills) == 0, 30)
        watch.wait("bars", 10)
        host.stop()
        return f"closed by an order of purpose {stage.exchange.log().orders[-1]['purpose']}"


def trade_limit(stage, notional):
    """Writes the limit of a trade into the policy; 0 = none."""
    text = (flow.OPEN / "risk.yaml").read_text()
    head, tail = text.split("trade:", 1)
    (stage.policy / "risk.yaml").write_text(head + "trade:" + tail.replace("notional_max: 0", f"notional_max: {notional}", 1))


def hangup(stage, host, count):
    host.child.send_signal(signal.SIGHUP)
    witness.wait_for("the journal to tell of it", lambda: len(stage.journal().of(witness.POLICY)) >= count)


def sighup_tightens():
    with witness.Stage("seed=44,speed=20") as stage:
        watch = Watch(stage)
        host = stage.host()
        watch.wait("entries", 3)
        trade_limit(stage, 50)  # one unit costs about 100
        hangup(stage, host, 1)
        watch.mark()
        watch.wait("bars", 40)
        assert watch.late == 0, f"{watch.late} entries above the new limit"
        trade_limit(stage, 0)
        hangup(stage, host, 2)
        watch.wait("bars", 40)
        assert watch.late == 0, "SIGHUP loosened a limit"
        (stage.policy / "risk.yaml").write_text("nonsense: [")
        host.child.send_signal(signal.SIGHUP)
        watch.wait("bars", 10)
        summary = host.stop()
        refused = sum(summary["refusals"].values())
        assert refused > 0 and summary["trading_state"] == "ACTIVE" and watch.late == 0, summary["refusals"]
        before = watch.entries
        trade_limit(stage, 0)
        stage.host("--turns", 60).end()
        assert watch.entries > before, "after a restart the file counts again"
        return f"{before} entries before; {summary['refusals']}"


def agent_is_told():
    with witness.Stage("seed=45,speed=20") as stage:
        watch, host = Watch(stage), stage.host(strategy="keeper", params=("enter=no",))
        watch.wait("bars", 5)
        trade_limit(stage, 70)
        hangup(stage, host, 1)
        witness.wait_for("the agent's view", lambda: stage.journal().told("trade_max")[-1] == 70)
        (stage.home / "KILL_SWITCH").touch()
        witness.wait_for("the agent's view", lambda: stage.journal().told("trading_state")[-1] == 2)
        host.stop()
        return "limits and trading state"


def ends_by(number):
    with witness.Stage("seed=46,speed=60") as stage:
        watch, host = Watch(stage), stage.host()
        watch.wait("entries", 2)
        asked = time.monotonic()
        host.child.send_signal(number)
        summary = host.end(status=0, seconds=10)
        seconds = time.monotonic() - asked
        assert summary["ended_by"] == signal.Signals(number).name and seconds < 5, (summary["ended_by"], seconds)
        stage.verify()
        return f"{seconds * 1000:.0f} ms"


def once():
    with witness.Stage("seed=47,speed=60") as stage:
        summary = stage.host("--once").end()
        assert summary["turns"] == 1, summary["turns"]


def second_host():
    with witness.Stage("seed=48,speed=60") as stage:
        watch, host = Watch(stage), stage.host()
        watch.wait("bars", 3)
        second = stage.host("--turns", 3, direct=True)
        out, _ = second.child.communicate(timeout=10)
        said = out + (stage.folder / "host.err").read_text()
        assert second.child.returncode == 6, f"exit status {second.child.returncode}: {said}"
        assert str(host.pid) in said, f"the pid {host.pid} is not in: {said}"
        watch.wait("bars", 3)
        assert host.stop()["trading_state"] == "ACTIVE"
        os.kill(stage.exchange.child.pid, 0)
        return "exit 6, " + said.strip().splitlines()[-1][:120]


sys.exit(flow.main([
    ("KILL_SWITCH halts entries within one turn, is latched, and --clear-halt is journaled", entries_halt),
    ("--clear-halt has no effect while the file is there", file_outlives_operator),
    ("the kill switch stops no exit", exit_still_works),
    ("SIGHUP makes limits stricter at once, and never looser", sighup_tightens),
    ("the agent is told of limits and state", agent_is_told),
    ("SIGTERM ends cleanly", lambda: ends_by(signal.SIGTERM)),
    ("SIGINT ends cleanly", lambda: ends_by(signal.SIGINT)),
    ("--once ends after one turn", once),
    ("a second host on the same home is refused and names the first", second_host),
]))
