#!/usr/bin/env python3
"""paper - a paper session as a person runs it: it trades, it is chained row by row, it goes on after a stop, and a session that
is killed comes back. test: timeout 180
"""
import json
import pathlib
import signal
import sqlite3
import subprocess
import sys
import time

import flow

HOME = pathlib.Path(flow.HOME.name)
AGENT = ["--strategy", flow.strategy("sma_cross"), "--param", "fast=2", "--param", "slow=4", "--param", "side=both", "--param", "stop_pct=3",
         "--param", "quantity=0.1"]
CANDIDATE = ["--candidate", *AGENT[1:]]


def words(home, *more, speed=0):
    return ["run", "--home", HOME / home, "--mode", "paper", "--quiet", "--json", "--policy", flow.PATIENT, "--cash", "100000", "--venue", "paper", "--feed",
            f"sim:seed=5,speed={speed},bar_ms=60000", *AGENT, *more]


def session(home, *more):
    return json.loads(flow.run(*words(home, *more)))


def rows(home):
    """Rows of the journal, which has to be whole."""
    return json.loads(flow.run("journal", "verify", "--home", HOME / home, "--json"))


def trades_and_is_whole():
    got = session("first", *CANDIDATE, "--turns", 2000)
    assert got["trades"] > 50 and got["trading_state"] == "ACTIVE", got
    roles = {agent["role"]: agent for agent in got["agents"]}
    assert roles["candidate"]["trades"] > 50 and roles["candidate"]["gaps"] == 0, roles
    rows("first")
    return f"{got['trades']} trades, {got['journal_rows']} rows"


def goes_on():
    before = session("goes-on", "--turns", 500)
    after = session("goes-on", "--turns", 1)
    assert after["trading_state"] == "ACTIVE", after
    # one more bar may move what is open, by far less than a trade's notional
    assert abs(float(after["equity"]) - float(before["equity"])) < 50, f"{before['equity']} became {after['equity']}"
    third = session("goes-on", "--turns", 500)
    assert third["trades"] > 0, third
    rows("goes-on")


def killed_and_back():
    for wait in (0.3, 0.7, 1.1):
        host = subprocess.Popen([str(flow.PROGRAM), *map(str, words("killed", "--duration", "30", speed=60000))], stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        time.sleep(wait)
        assert host.poll() is None, "the session ended by itself"
        host.send_signal(signal.SIGKILL)
        host.wait()
        rows("killed")
    got = session("killed", "--turns", 200)
    assert got["trading_state"] == "ACTIVE" and got["trades"] > 0, got


def damage_is_seen():
    session("damaged", "--turns", 300)
    path = HOME / "damaged/journal/journal.db"
    keeper = sqlite3.connect(path)
    keeper.execute("SELECT count(*) FROM events").fetchall()  # a connection that has read nothing checkpoints nothing
    keeper.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # else the write-ahead log still holds the pages as they were
    keeper.close()
    data = path.read_bytes()
    assert b"fast 2" in data, "no reason text in the journal"
    path.write_bytes(data.replace(b"fast 2", b"slow 2"))  # all of them: one alone may be a leftover of a page that was split
    flow.run("journal", "verify", "--home", HOME / "damaged", status=7)


def dry_run_sends_nothing():
    got = json.loads(flow.run("run", "--home", HOME / "dry", "--policy", flow.PATIENT, "--quiet", "--json", "--cash", "100000", "--feed",
                              "sim:seed=5,speed=0,bar_ms=60000", *AGENT, "--turns", 200))
    assert got["mode"] == "dry-run" and got["fills"] == 0 and got["equity"] == "100000.00000000", got
    assert got.get("no_trade_reason"), "a run without a trade does not say why"


def live_is_refused():
    flow.run(*words("live"), "--mode", "live", status=6)


if __name__ == "__main__":
    sys.exit(flow.main([
        ("it trades, and the journal is whole", trades_and_is_whole), ("it goes on where it was", goes_on),
        ("killed three times, it comes back and trades", killed_and_back), ("a changed byte is seen", damage_is_seen),
        ("a dry run sends nothing and says why", dry_run_sends_nothing), ("live is refused", live_is_refused)]))
