#!/usr/bin/env python3
"""kills - nothing is lost and nothing is doubled, whenever the host is killed.

A host trades on an exchange that is a process of its own. It is killed (SIGKILL) at random moments and at chosen ones, is
started again on the same home, and so on; then the exchange's order log and the journal have to tell the same story.
The chosen moments are made certain by a wire between both: it sees an order before the exchange does, an answer before the
host does, and kills between them.

    durable   the intent is on disk, the exchange never gets the order     (a crash between DURABLE and SENT)
    sent      the exchange gets the order, the host dies before the answer (between SENT and ACK)
    acked     the host has written down the acknowledgement, and never gets the fills
    filled    the host has one fill, on disk or not, and never gets what follows
    recovery  the next host dies as well, while it asks what became of its orders

What it could miss: what both sides would forget. Therefore the wire also looks into the journal each time an order passes,
before the exchange sees it: its row has to be there. And the oracle is shown doctored evidence, and has to say so.

    KILLS=N kills (50; 15 with sanitizers), SEED=N the random moments (printed)
test: timeout 300
"""
import collections
import copy
import json
import os
import random
import signal
import sys
import time

import flow
import witness

KILLS = int(os.environ.get("KILLS", "15" if flow.SANITIZED else "50"))
SEED = int(os.environ.get("SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
KINDS = ["random", "durable", "sent", "random", "acked", "filled", "recovery"]
LIFE_MAX = 2.0 if flow.SANITIZED else 0.7  # seconds of a host that is killed at a random moment
QUIET = ("fast=100", "slow=1000")  # sees too few bars to decide anything: whoever counts at the end, counts in peace
STORY = {}


class Trap:
    """What the wire does to one host: looks after every order, and kills at the chosen moment."""

    def __init__(self, stage, kind, dice):
        self.stage, self.kind, self.dice, self.host = stage, kind, dice, None
        self.skip = 0 if kind == "recovery" else dice.randrange(0, 3)  # so many such moments pass by
        self.seen, self.rows, self.early, self.sent, self.sprung = 0, [], [], set(), False

    def spring(self):
        self.sprung = True
        self.host.kill()
        witness.wait_for("the kill", self.host.gone)

    def news(self):
        """All rows of the journal since this host was started."""
        journal = self.stage.journal(self.seen)
        self.seen = journal.last
        self.rows += journal.rows
        return self.rows

    def order(self, client_id):
        """Promise 2, looked at from outside: the row is on disk when the order leaves."""
        self.sent.add(client_id)
        if not any(row.get("client_id") == client_id for row in self.news()):
            self.early.append(client_id)
        return self.kind in ("durable", "sent")

    def acknowledged(self):
        """The step ACKED of the last order is on disk (or will not be: the host is killed all the same)."""
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            steps = [row for row in self.news() if row["kind"] in (witness.ORDER, witness.STEP)]
            if steps and witness.STATES[steps[-1].get("state", 0)] == "ACKED":
                return
            time.sleep(0.001)

    def filled(self):
        time.sleep(self.dice.uniform(0.0, 0.003))  # sometimes on disk, sometimes not yet
        self.spring()

    def moment(self, line, to_exchange):
        """True when this line is of the kind that the trap waits for."""
        if to_exchange and b'"op":"order"' in line:
            return self.order(json.loads(line)["id"])
        if to_exchange:
            return self.kind == "recovery" and b'"op":"fills"' in line
        if self.kind not in ("acked", "filled") or b'"kind":"fill"' not in line:
            return False
        return json.loads(line)["id"] in self.sent  # and not one that is told again after a start

    def __call__(self, line, to_exchange):
        if self.sprung or not self.moment(line, to_exchange):
            return not self.sprung
        if self.skip > 0:
            self.skip -= 1
            return True
        if self.kind == "filled":
            return self.filled
        if self.kind == "acked":
            self.acknowledged()
        self.spring()
        return self.kind in ("sent", "recovery")


def one_life(stage, kind, dice):
    """Starts a host, and kills it. Returns the trap that was set."""
    trap = Trap(stage, kind, dice)
    stage.wire.hook = trap
    trap.host = host = stage.host()
    if kind == "random":
        time.sleep(dice.uniform(0.0, LIFE_MAX))
        host.kill()
    witness.wait_for(f"a kill of kind {kind}", host.gone, 20)
    if host.child.returncode != -9:
        host.end(status=-9)
    host.close()
    return trap


def killed():
    """All kills, then a host that ends cleanly."""
    dice, kinds, early = random.Random(SEED), collections.Counter(), []
    with witness.Stage(f"seed={SEED},speed=60,levels=2,level_lots=40") as stage:
        for number in range(KILLS):
            kind = KINDS[number % len(KINDS)]
            trap = one_life(stage, kind, dice)
            kinds[kind] += 1
            early += trap.early
            stage.verify()
        stage.wire.hook = None
        summary = stage.host("--turns", 20, params=QUIET).end()
        stage.verify()
        STORY.update(journal=stage.journal(), log=stage.exchange.log(), summary=summary, kinds=kinds, early=early)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.items()) + f", seed {SEED}"


def durable_before():
    assert not STORY["early"], f"orders that left before their row was on disk: {STORY['early']}"
    return f"{len(STORY['log'].orders)} orders"


def same_story():
    log, journal = STORY["log"], STORY["journal"]
    problems = witness.oracle(journal, log, summary=STORY["summary"])
    lost, doubled = (sum(p.startswith(word) for p in problems) for word in ("lost", "doubled"))
    figures = (f"kills {KILLS}, orders {len(log.orders)}, fills {len(log.fills)}, lost {lost}, doubled {doubled}, "
               f"changed {len(problems) - lost - doubled}")
    print(f"# {figures}")
    assert not problems, f"seed {SEED}: {figures}\n" + "\n".join(problems[:20])
    return figures


def trading_goes_on():
    assert STORY["summary"]["trading_state"] == "ACTIVE", STORY["summary"]
    fates = collections.Counter(STORY["journal"].order_states().values())
    unknown = len({row["order_id"] for row in STORY["journal"].of(witness.STEP) if witness.STATES[row["state"]] == "UNKNOWN"})
    due = STORY["kinds"]["durable"] + STORY["kinds"]["sent"] + STORY["kinds"]["acked"]
    assert unknown >= due, f"{due} kills met an order on its way, only {unknown} orders were UNKNOWN afterwards"
    return f"{unknown} orders were UNKNOWN after a kill; " + ", ".join(f"{count} {state}" for state, count in sorted(fates.items()))


def liars():
    """Evidence that was tampered with, and the word that the oracle has to say about it."""
    journal, log = STORY["journal"], STORY["log"]
    sent = {line["id"] for line in log.orders}

    def lie(change):
        pair = copy.deepcopy((journal, log))
        change(*pair)
        return witness.oracle(*pair)

    def drop_intent(j, _):
        j.rows.remove(next(row for row in j.orders() if row["client_id"] in sent))

    def double_fill(j, _):
        j.rows.append(dict(j.fills()[0]))

    return [
        ("an order without its row", "lost: order", lie(drop_intent)),
        ("a fill without its row", "lost: fill", lie(lambda j, _: j.rows.remove(j.fills()[-1]))),
        ("a fill counted twice", "doubled: fill", lie(double_fill)),
        ("a fill that never was", "invented: fill", lie(lambda _, x: x.fills.pop())),
        ("an order sent twice", "doubled: order", lie(lambda _, x: x.orders.append(x.orders[0]))),
        ("other lots than intended", "changed: lots", lie(lambda _, x: x.orders[0].update(lots=1))),
        ("an entry without a stop", "naked: entry", lie(lambda _, x: x.orders[0].update(stop=0))),
        ("a fate left open", "unresolved: order", lie(lambda j, _: j.rows.append({"kind": witness.STEP, "order_id": j.orders()[0]["order_id"], "state": 5}))),
    ]


def the_oracle_sees():
    assert STORY["log"].orders[0]["purpose"] == witness.ENTRY
    cases = liars()
    for name, word, problems in cases:
        assert any(p.startswith(word) for p in problems), f"{name}: the oracle said only {problems}"
    return f"{len(cases)} doctored stories"


def stop_fires_while_dead():
    """Promise 6: with the host dead for good, the bracket at the exchange closes the position, and the next host learns it."""
    with witness.Stage("seed=5,speed=60") as stage:
        host = stage.host(params=("fast=2", "slow=4", "side=both", "stop_ticks=8"))

        def held():
            return sum(line["lots"] for line in stage.exchange.log().fills) != 0
        for _ in range(200):
            witness.wait_for("a position", held, 20, 0.001)
            os.kill(host.pid, signal.SIGSTOP)  # what is held now stays held
            if held():
                break
            os.kill(host.pid, signal.SIGCONT)
        host.close()
        witness.wait_for("the stop at the exchange", lambda: not held(), 20, 0.01)
        stop = stage.exchange.log().fills[-1]
        assert stop["purpose"] == 2, f"the position was closed by something else: {stop}"
        summary = stage.host("--turns", 20, params=QUIET).end()
        problems = witness.oracle(stage.journal(), stage.exchange.log(), summary=summary)
        assert not problems, "\n".join(problems)
        return "closed by its stop, told afterwards"


sys.exit(flow.main([
    (f"{KILLS} kills, each followed by a restart; the journal verifies in between", killed),
    ("every order was on disk before it left", durable_before),
    ("journal and exchange tell the same story", same_story),
    ("trading goes on after the last kill", trading_goes_on),
    ("the oracle sees what is wrong", the_oracle_sees),
    ("a stop fires while no host lives", stop_fires_while_dead),
]))
