#!/usr/bin/env python3
"""determinism - same input, same result hash: twice, by gcc and by clang, in a slot and in the research jail; and real files.

test: plain
test: clang
test: timeout 300
"""
import gzip
import os
import subprocess
import sys
import tempfile

import flow
import generate_bars

FOLDER = tempfile.TemporaryDirectory(prefix="bulkhead-same-")
PAIRS = ["BTC", "ETH", "SOL", "DOGE", "ADA", "XRP", "LINK", "AVAX", "DOT"]
CLANG = flow.BUILD.with_name(flow.BUILD.name + "-clang")


def bars():
    path = f"{FOLDER.name}/bars.csv"
    if not os.path.exists(path):
        subprocess.run([sys.executable, generate_bars.__file__, path, "--bars", "60000", "--decimals", "5", "--first", "62345",
                        "--step", "25", "--seed", "3"], check=True)
    return path


ARGUMENTS = ["--cash", "1000000", "--fee-bps", "10", "--param", "side=both", "--param", "stop_pct=0.4", "--param", "target_r=1.5"]


def result(*arguments, name="sma_cross"):
    return flow.backtest(name, "--data", bars(), *(ARGUMENTS if name == "sma_cross" else ARGUMENTS[:4]), *arguments)


def same(first, second, what):
    assert first["trades"] > 100, f"too few trades to show anything: {first['trades']}"
    for key in ("result_hash", "final_equity", "trades"):
        assert first[key] == second[key], f"{what}: {key} is {first[key]} and {second[key]}"


def twice():
    same(result(), result(), "two runs")


def other_input_other_hash():
    assert result()["result_hash"] != result("--fee-bps", "11")["result_hash"], "another fee, the same hash"


def slot_and_jail():
    slot, jail = result("--isolation", "slot"), result("--isolation", "jail")
    same(slot, jail, "slot and jail")
    assert slot["isolation"] != jail["isolation"], "the jail's result is not marked"


def slot_and_jail_two_tags():
    same(result(name="scaler"), result("--isolation", "jail", name="scaler"), "slot and jail")


def gcc_and_clang():
    if not CLANG.joinpath("bin/bulkhead").exists():
        raise flow.Skip(f"{CLANG.name} is not built (clang is missing)")
    first, build, program = result(), flow.BUILD, flow.PROGRAM
    flow.BUILD, flow.PROGRAM = CLANG, CLANG / "bin/bulkhead"
    try:
        second, third = result(), result("--isolation", "jail")
    finally:
        flow.BUILD, flow.PROGRAM = build, program
    same(first, second, "gcc and clang")
    same(first, third, "gcc in a slot and clang in the jail")
    assert first["strategy_hash"] != second["strategy_hash"], "both compilers made the same strategy file"


def plain_and_gzip():
    packed = bars() + ".gz"
    with open(packed, "wb") as out:
        subprocess.run(["gzip", "-c", bars()], stdout=out, check=True)
    second = flow.backtest("sma_cross", "--data", packed, "--symbol", "bars", *ARGUMENTS)
    first = flow.backtest("sma_cross", "--data", bars(), "--symbol", "bars", *ARGUMENTS)
    same(first, second, "plain and gzip")
    assert first["data_hash"] == second["data_hash"], "the data hash is of the packed bytes"


def nine_pairs():
    files = [word for pair in PAIRS for word in ("--data", flow.real(f"bars/spot_1m_2023/{pair}-USDT.csv.gz"))]
    got = flow.backtest("sma_cross", *files, "--cash", "10000000", "--fee-bps", "10", "--param", "side=both")
    assert got["bars"] == sum(bars_of(pair) for pair in PAIRS), f"bars: {got['bars']}"
    assert not got["refusals"], f"refused: {got['refusals']}"
    holes = [gap for gap in got["gaps"] if "2023-03-24T12:39" in str(gap) and "2023-03-24T14:00" in str(gap)]
    assert len(holes) == 5, f"the halt of 24 March 2023 is in five files, {len(holes)} reported: {got['gaps']}"
    again = flow.backtest("sma_cross", *files, "--cash", "10000000", "--fee-bps", "10", "--param", "side=both", "--isolation", "jail")
    same(got, again, "nine pairs in slot and jail")
    return f"{got['bars']} bars, {got['trades']} trades"


def bars_of(pair):
    with gzip.open(flow.real(f"bars/spot_1m_2023/{pair}-USDT.csv.gz"), "rb") as file:
        return sum(1 for _ in file) - 1


def mes():
    got = flow.backtest("sma_cross", "--data", flow.real("bars/futures/ES_1m_2025.csv.gz"), "--instrument", "MES", "--cash", "1000000",
                        "--param", "side=both", "--param", "stop_ticks=16")
    assert got["bars"] == 105825, f"bars: {got['bars']}"
    holes = [gap for gap in got["gaps"] if "2025-10-17T20:59" in str(gap) and "2025-11-09T23:00" in str(gap)]
    assert holes, f"the collection hole of October 2025 is not among {len(got['gaps'])} gaps"
    return f"{got['trades']} trades, {len(got['gaps'])} gaps"


def flat_holds_nothing():
    got = result(name="flat")
    assert got["trades"] == 0 and got["final_equity"] == "1000000.00000000", got
    assert got.get("no_trade_reason"), "a run without a trade does not say why"


if __name__ == "__main__":
    sys.exit(flow.main([
        ("two runs", twice), ("another fee, another hash", other_input_other_hash), ("slot and jail", slot_and_jail),
        ("slot and jail, two tags", slot_and_jail_two_tags), ("gcc and clang", gcc_and_clang), ("plain and gzip", plain_and_gzip),
        ("nine pairs with the hole of 24 March 2023", nine_pairs), ("ES as MES with its holes", mes),
        ("flat holds nothing and says why", flat_holds_nothing)]))
