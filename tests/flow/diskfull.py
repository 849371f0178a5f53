#!/usr/bin/env python3
"""diskfull - the disk becomes full while a position is open: new risk ends, what protects still goes on disk and out.

The home lies on a small disk of its own (tmpfs in a mount namespace of this test), which another "program" fills to the last
byte. From then on: trading is REDUCING, and the journal says so; entries are refused; an exit is still written, before it
leaves, and sent; a stop that fires is still written; no fill is lost; and the same host killed and started again on the
full disk can still close what it holds. With room again and --clear-halt, trading goes on.

How it could fail to see: a disk that was not full, or a journal that had not noticed. Both are waited for.
test: plain
test: timeout 240
"""
import os
import shutil
import subprocess
import sys
import time

import flow
import witness

DISK = "size=72m"  # the log (32 MiB), the reserve (16 MiB), and some
QUIET = ("fast=100", "slow=1000")
CHURN = ("--strategy", flow.strategy("sma_cross"), "--param", "fast=2", "--param", "slow=4")


class SmallDisk(witness.Stage):
    """A stage whose home has a disk of its own; the exchange's log, the witness, has not."""

    def __init__(self, options):
        super().__init__(options)
        subprocess.run(["mount", "-t", "tmpfs", "-o", DISK, "none", str(self.home)], check=True)
        self.orders, self.early, self.seen, self.rows = 0, [], 0, []
        self.wire.hook = self.passes

    def __exit__(self, *problem):
        for host in self.hosts:
            if host.child.returncode is None:
                host.close()
        subprocess.run(["umount", "-l", str(self.home)], check=False)
        super().__exit__(*problem)

    def passes(self, line, to_exchange):
        """Promise 2 holds on a full disk as well."""
        if to_exchange and b'"op":"order"' in line:
            self.orders += 1
            news = self.journal(self.seen)
            self.seen = news.last
            self.rows += [row["client_id"] for row in news.orders()]
            if not any(name.encode() in line for name in self.rows):
                self.early.append(line)
        return True

    def fill(self):
        """To the last byte."""
        with open(self.home / "filler", "ab", buffering=0) as filler:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        filler.write(b"x" * size)
                except OSError as problem:
                    assert problem.errno == 28, problem
        assert os.statvfs(self.home).f_bavail == 0

    def traders(self, *arguments, params=()):
        """keeper, who holds, and sma_cross, who keeps the journal busy."""
        return self.host(*CHURN, *arguments, strategy="keeper", params=params)

    def held(self):
        return sum(line["lots"] for line in self.exchange.log().fills)

    def reducing(self):
        rows = self.journal().of(witness.TRADING)
        return rows[-1]["seq"] if rows and rows[-1]["state"] == 1 else 0

    def entries(self):
        return sum(line["purpose"] == witness.ENTRY for line in self.exchange.log().orders)

    def agrees(self):
        problems = witness.oracle(self.journal(), self.exchange.log(), lots_max=200)
        assert not problems and not self.early, "\n".join(problems) + f"\nnot on disk when they left: {self.early}"


def filled(stage, *params):
    """A host with a position on a disk that is full, and that has noticed. Returns it."""
    host = stage.traders(params=params)
    witness.wait_for("a position", lambda: stage.orders > 2 and stage.held() >= 100, 20)
    stage.fill()
    witness.wait_for("the journal to notice", stage.reducing, 60, 0.05)
    return host


def exit_is_written_and_sent():
    with SmallDisk("seed=51,speed=60") as stage:
        host = filled(stage, "leave=reducing")
        at = stage.reducing()
        witness.wait_for("the exit", lambda: [row for row in stage.journal(at).orders() if row["purpose"] != witness.ENTRY], 20, 0.05)
        entries = stage.entries()
        time.sleep(1.5)  # some 90 bars that tempt
        summary = host.stop()
        assert summary["trading_state"] == "REDUCING", summary["trading_state"]
        late = [row["client_id"] for row in stage.journal(at).orders() if row["purpose"] == witness.ENTRY]
        assert not late and stage.entries() == entries, f"entries on a full disk: {late}"
        assert summary["refusals"].get("TRADING_REDUCING", 0) > 0, summary["refusals"]
        rows = {row["id"] for row in stage.journal().fills()}
        keeper = [row for row in stage.journal().orders() if row["purpose"] == 1 and row["seq"] > at]
        assert keeper and {line["fill"] for line in stage.exchange.log().fills} == rows, "fills are missing in the journal"
        stage.verify()
        stage.agrees()
        return f"{len(keeper)} exits written and sent, {summary['refusals']['TRADING_REDUCING']} entries refused"


def killed_on_a_full_disk():
    with SmallDisk("seed=52,speed=60") as stage:
        host = filled(stage)
        host.close()
        assert stage.held() >= 100, "nothing was held"
        host = stage.traders(params=("leave=reducing",))
        witness.wait_for("the exit", lambda: 0 <= stage.held() < 100, 30, 0.05)
        assert host.stop()["trading_state"] == "REDUCING"
        stage.verify()
        stage.agrees()
        return "started, and closed what it held"


def room_again():
    with SmallDisk("seed=53,speed=60") as stage:
        filled(stage).stop()
        (stage.home / "filler").unlink()
        entries = stage.entries()
        assert stage.traders("--turns", 40).end()["trading_state"] == "REDUCING", "room alone is no permission"
        assert stage.entries() == entries
        assert stage.traders("--turns", 80, "--clear-halt").end()["trading_state"] == "ACTIVE"
        assert stage.entries() > entries
        stage.host("--turns", 20, params=QUIET).end()
        stage.verify()
        stage.agrees()
        return f"{entries} entries, later {stage.entries()}"


def stop_once(seed):
    """True when a stop fired after the journal had found its disk full; before that it proves nothing."""
    with SmallDisk(f"seed={seed},speed=60") as stage:
        host = filled(stage, "stop=near")
        at = stage.reducing()
        end = time.monotonic() + 6
        fired = []
        while not fired and time.monotonic() < end:
            fired = [row for row in stage.journal(at).fills() if row["purpose"] == 2]
            time.sleep(0.05)
        host.stop()
        stage.verify()
        stage.agrees()
        return bool(fired)


def stop_is_written():
    """The bracket at the exchange fires on a full disk: its fill is urgent."""
    for tries in range(1, 9):
        if stop_once(55 + tries):
            return f"try {tries}"
    raise AssertionError("in 8 markets no stop fired after the disk was full")


def namespace():
    """Runs this test again where it may mount; SKIP where that is not allowed."""
    tools = all(map(shutil.which, ("unshare", "mount", "umount")))
    for flags in (["-m"], ["-Urm"]):
        probe = ["unshare", *flags, "sh", "-c", "mount -t tmpfs none /mnt && umount /mnt"]
        if tools and subprocess.run(probe, capture_output=True, check=False).returncode == 0:
            os.execvp("unshare", ["unshare", *flags, sys.executable, __file__, "--inside"])
    print("1..0 # SKIP no disk of its own can be mounted here (unshare -m, mount -t tmpfs)")
    return 0


TESTS = [
    ("an exit is still written and sent, entries are refused", exit_is_written_and_sent),
    ("a stop that fires is still written", stop_is_written),
    ("killed and started again on the full disk, it can still close", killed_on_a_full_disk),
    ("with room again and --clear-halt it trades", room_again),
]
sys.exit(flow.main(TESTS) if sys.argv[1:] == ["--inside"] else namespace())
