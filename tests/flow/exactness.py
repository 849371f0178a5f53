#!/usr/bin/env python3
"""exactness - a backtest's final equity against the oracle's, to the last digit. test: timeout 600

Every case runs `bulkhead backtest` and tests/flow/oracle.py on the same file and compares final equity (8 places), the number
of closed trades, and refusals. Cases ask the oracle for proof that they test what they say (stops that fired, orders that rested).
"""
import os
import sys
import tempfile

import flow
import generate_bars
import oracle

FOLDER = tempfile.TemporaryDirectory(prefix="bulkhead-exact-")
MADE = {}


def made(decimals, bars, **options):
    """A generated file, made once."""
    if flow.SANITIZED:
        bars = min(bars, 20000)
    key = (decimals, bars, *sorted(options.items()))
    if key not in MADE:
        path = f"{FOLDER.name}/{len(MADE)}-{decimals}.csv"
        first = {2: 2500000, 5: 62345, 8: 1234567890}[decimals]
        step = {2: 40, 5: 25, 8: 700000}[decimals]
        defaults = {"bars": bars, "decimals": decimals, "seed": 10 + int(os.environ.get("SEED", "1")), "first": first, "step": step, "grid": 1, "jump_every": 500,
                    "start_ms": 1672531200000, "period_s": 60}
        generate_bars.write(path, type("Options", (), dict(defaults, **options)))
        MADE[key] = path
    return MADE[key]


def expect(path, strategy="sma_cross", cash="10000000", fee_bps="10", wanted=(), host=(), **params):
    """Runs both on one file. `wanted` names counts of the oracle that must not be 0."""
    paths = path if isinstance(path, list) else [path]
    words = ["--strategy", strategy, "--cash", cash, "--fee-bps", fee_bps]
    for file in paths:
        words += ["--data", str(file)]
    instrument = {"tick", "lot", "multiplier"}
    for key, value in params.items():
        words.append(f"--{key.replace('_', '-')}={value}")
    due = oracle.run(oracle.parse(words))
    for count in wanted:
        assert due[count], f"this case shows nothing: {count} is 0 in the oracle's result {due}"
    arguments = ["--cash", cash, "--fee-bps", fee_bps]
    for key, value in params.items():
        if key not in instrument:
            arguments += ["--param", f"{key}={value}"]
    for file in paths:
        arguments += ["--data", file, *host]
    got = flow.backtest(strategy, *arguments)
    for key in ("refusals", "bars", "trades", "final_equity"):
        assert str(got[key]) == str(due[key]), f"{key}: the host says {got[key]}, the oracle {due[key]}\nhost: {got}\noracle: {due}"
    return f"{due['final_equity']} after {due['fills']} fills"


def cases():
    spot = "bars/spot_1m_2023/{}-USDT.csv.gz"
    yield "100,000 bars, 2 decimals, long", lambda: expect(made(2, 100000), wanted=["trades"])
    yield "1,000,000 bars, 2 decimals, long", lambda: expect(made(2, 1000000), wanted=["trades"])
    yield "100,000 bars, 5 decimals, long", lambda: expect(made(5, 100000), wanted=["trades"])
    yield "100,000 bars, 8 decimals, long", lambda: expect(made(8, 100000), wanted=["trades"])
    yield "1,000,000 bars, 8 decimals, long", lambda: expect(made(8, 1000000), wanted=["trades"])
    for pair in ("SOL", "ADA", "XRP"):
        yield f"{pair} 2023, long", lambda pair=pair: expect(flow.real(spot.format(pair)), wanted=["trades"])
        yield f"{pair} 2023, both sides", lambda pair=pair: expect(flow.real(spot.format(pair)), side="both", wanted=["trades"])
        yield f"{pair} 2023, stops and targets", lambda pair=pair: expect(
            flow.real(spot.format(pair)), side="both", stop_pct="0.4", target_r="1.5", wanted=["stops", "targets"])
        yield f"{pair} 2023, partial closes and two tags", lambda pair=pair: expect(flow.real(spot.format(pair)), strategy="scaler")
    yield "short", lambda: expect(made(2, 100000), side="short", wanted=["trades"])
    yield "both sides", lambda: expect(made(5, 100000), side="both", wanted=["trades"])
    yield "both sides, other lengths, 0.37 units, 7.5 bps", lambda: expect(
        made(8, 100000), side="both", fast=5, slow=60, quantity="0.37", fee_bps="7.5", wanted=["trades"])
    yield "stops in percent, gapped through now and then", lambda: expect(
        made(2, 100000), side="long", stop_pct="0.01", wanted=["stops"])
    yield "stops in ticks, short", lambda: expect(made(2, 100000), side="short", stop_ticks=60, wanted=["stops"])
    yield "stops and targets in R, both sides", lambda: expect(
        made(2, 100000), side="both", stop_ticks=70, target_r="2", wanted=["stops", "targets"])
    yield "stops and targets in percent, 8 decimals", lambda: expect(
        made(8, 100000), side="both", stop_pct="0.2", target_pct="0.3", wanted=["stops", "targets"])
    yield "8 decimals at 40,000: stops and targets keep their last digit", lambda: expect(
        made(8, 100000, first=4000000000000, step=200000000), side="both", stop_pct="0.02", target_pct="0.03",
        wanted=["stops", "targets"])
    yield "resting entries, long", lambda: expect(made(2, 100000), side="long", worst_ticks=-15, stop_ticks=90, target_r="1.5",
                                                  wanted=["rested", "stops", "targets"])
    yield "resting entries, short", lambda: expect(made(5, 100000), side="short", worst_ticks=-5, stop_ticks=60, target_r="1",
                                                   wanted=["rested", "stops", "targets"])
    yield "limited entries and exits of both sides", lambda: expect(made(2, 100000), side="both", worst_ticks=3, stop_ticks=200,
                                                                    wanted=["rested", "stops"])
    yield "partial closes and two tags, long", lambda: expect(made(8, 100000), strategy="scaler", wanted=["trades"])
    yield "partial closes and two tags, short", lambda: expect(made(5, 100000), strategy="scaler", side="short", quantity="3",
                                                               wanted=["trades"])
    futures = {"tick": "0.25", "lot": "1", "multiplier": "5", "host": ("--instrument", "MES")}
    yield "multiplier 5, generated", lambda: expect(made(2, 100000, grid=25, first=550000, step=8), side="both", stop_ticks=20,
                                                    target_r="2", cash="1000000", fee_bps="0.3", wanted=["stops", "targets"], **futures)
    yield "multiplier 5, ES 2025", lambda: expect(flow.real("bars/futures/ES_1m_2025.csv.gz"), side="both", stop_ticks=16,
                                                  target_r="1.5", cash="1000000", fee_bps="0.3", wanted=["stops", "targets"], **futures)
    yield "multiplier 5, partial closes", lambda: expect(flow.real("bars/futures/ES_1m_2025.csv.gz"), strategy="scaler",
                                                         cash="10000000", fee_bps="0.3", wanted=["trades"], **futures)
    yield "two instruments of one account", lambda: expect([made(2, 50000), made(5, 50000)], side="both", wanted=["trades"])


if __name__ == "__main__":
    chosen = [case for case in cases() if len(sys.argv) < 2 or sys.argv[1] in case[0]]
    sys.exit(flow.main(chosen))
