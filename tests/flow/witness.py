"""witness - what the tests share that kill hosts: the exchange as a process that lives on, a wire between both that can be
cut at any line, the journal and the exchange's order log as plain Python values, and the oracle that compares the two.

The oracle knows nothing of the host's code but the layout of journal rows (host/ledger/bodies.h). It can be wrong in one
way only: by not looking. Therefore kills.py also feeds it doctored evidence and wants each lie named.
"""
import contextlib
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import tempfile
import threading
import time

import flow

EXCHANGE = flow.BUILD / "bin/bulkhead-exchange"
CASH_E8 = 100000 * 10**8
TICK_E8 = LOT_E8 = 10**6  # of the simulated instrument
WISH, ORDER, STEP, FILL, TRADING, OPERATOR, POLICY, NOTE, STATE, BOOK, VENUE = 2, 4, 5, 6, 9, 10, 11, 12, 13, 14, 17
STATES = "NEW DURABLE SENT ACKED PARTIAL UNKNOWN FILLED CANCELLED REJECTED EXPIRED".split()
ENDED = STATES[6:]
ENTRY = 0


def wait_for(what, condition, seconds=10.0, every=0.005):
    """Polls until the condition is true; its value is returned."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds:g} s in vain for {what}")
        time.sleep(every)
    return value


# ---- processes -------------------------------------------------------------------------------------------------------------


class Exchange:
    """The exchange as a process of its own; it ends with this one."""

    def __init__(self, folder, options):
        self.socket, self.log_path = str(folder / "exchange.sock"), folder / "exchange.log"
        command = [str(EXCHANGE), "--socket", self.socket, "--log", str(self.log_path), "--options", options, "--with-parent"]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        if not self.child.stdout.readline().startswith("ready"):
            raise AssertionError("the exchange did not start")

    def close(self):
        self.child.send_signal(signal.SIGCONT)
        self.child.terminate()
        try:
            self.child.wait(5)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child.stdout.close()

    def log(self):
        return Log(self.log_path.read_text())


class Host:
    """A running `bulkhead run`."""

    def __init__(self, folder, *arguments, policy, mode="paper"):
        self.errors = open(folder / "host.err", "ab")
        command = [str(flow.PROGRAM), "run", "--home", str(folder / "home"), "--mode", mode, "--policy", str(policy), "--json",
                   "--quiet", *map(str, arguments)]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, stdin=subprocess.DEVNULL, text=True)
        self.pid = self.child.pid

    def kill(self):
        """As the power cord would, but for the machine around it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def gone(self):
        return self.child.poll() is not None

    def close(self):
        self.kill()
        self.child.communicate()
        self.errors.close()

    def end(self, status=0, seconds=30):
        """Waits for the end; returns the JSON that was printed."""
        try:
            out, _ = self.child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.close()
            raise AssertionError(f"the host did not end within {seconds} s") from None
        self.errors.close()
        if self.child.returncode != status:
            said = pathlib.Path(self.errors.name).read_text()[-1500:]
            raise AssertionError(f"the host ended with status {self.child.returncode}, {status} was wanted\n{out[-800:]}\n{said}")
        return json.loads(out)

    def stop(self, status=0):
        self.child.send_signal(signal.SIGTERM)
        return self.end(status)


class Wire:
    """A socket between host and exchange. `hook(line, to_exchange)` sees each whole line before it goes on: True passes it,
    False drops it, None drops it and cuts the link, bytes go instead of it, a function is called after it was passed."""

    def __init__(self, path, exchange_path):
        self.path, self.exchange_path, self.hook, self.problem = str(path), exchange_path, None, None
        self.server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.server.bind(self.path)
        self.server.listen(4)
        self.stopping = False
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while not self.stopping:
            ready, _, _ = select.select([self.server], [], [], 0.1)
            if ready:
                host, _ = self.server.accept()
                with host, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as exchange:
                    try:
                        exchange.connect(self.exchange_path)
                        self.relay(host, exchange)
                    except OSError:
                        pass  # either side is gone: so is the link
                    except Exception as problem:
                        self.problem = problem

    def relay(self, host, exchange):
        rest = {host: b"", exchange: b""}
        while not self.stopping:
            for source in select.select([host, exchange], [], [], 0.1)[0]:
                got = source.recv(65536)
                *lines, rest[source] = (rest[source] + got).split(b"\n")
                to = exchange if source is host else host
                for line in lines:
                    verdict = self.hook(line, source is host) if self.hook else True
                    if verdict:
                        to.sendall((verdict if isinstance(verdict, bytes) else line) + b"\n")
                    if verdict is None:
                        return
                    if callable(verdict):
                        verdict()
                if not got:
                    return

    def close(self):
        self.stopping = True
        self.thread.join(5)
        self.server.close()
        if self.problem:
            raise AssertionError(f"the wire failed: {self.problem!r}")


def patient_policy(folder):
    """The open profile with deadlines for a busy machine: a slot that was killed for being late would prove nothing here."""
    shutil.copytree(flow.OPEN, folder)
    words = (flow.ROOT / "policy/host.yaml").read_text()
    for name, value in (("active_deadline", "1s"), ("start_deadline", "30s"), ("intent_age_max", "1s")):
        words = re.sub(rf"{name}: \w+", f"{name}: {value}", words)
    (folder / "host.yaml").write_text(words)
    return folder


class Stage:
    """A folder with an exchange, a wire to it and a home for hosts, all gone afterwards."""

    def __init__(self, options="seed=7,speed=60"):
        self.files = tempfile.TemporaryDirectory(prefix="bulkhead-witness-")
        self.folder = pathlib.Path(self.files.name)
        (self.folder / "home").mkdir()
        self.policy = patient_policy(self.folder / "policy")
        self.hosts = []
        self.exchange = Exchange(self.folder, options)
        self.wire = Wire(self.folder / "wire.sock", self.exchange.socket)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for host in self.hosts:
            if host.child.returncode is None:
                host.close()
        self.wire.close()
        self.exchange.close()
        self.files.cleanup()

    @property
    def home(self):
        return self.folder / "home"

    def host(self, *arguments, strategy="sma_cross", params=("fast=2", "slow=4", "side=both"), direct=False):
        words = [word for param in params for word in ("--param", param)]
        socket_path = self.exchange.socket if direct else self.wire.path
        host = Host(self.folder, "--strategy", flow.strategy(strategy), *words, "--venue", f"sim:socket={socket_path},quotes=false",
                    *arguments, policy=self.policy)
        self.hosts.append(host)
        return host

    def journal(self, since=0):
        return Journal(self.home / "journal/journal.db", since)

    def verify(self):
        """The journal always verifies; of the tape, which is buffered, a killed host may leave half a frame at the end."""
        said = flow.run("journal", "verify", "--home", self.home, "--json", status=None)
        found = json.loads(said)
        assert found["ok"] or "torn" in said, said


# ---- evidence --------------------------------------------------------------------------------------------------------------


def text(raw):
    return raw.split(b"\0", 1)[0].decode()


class Journal:
    """Rows of the journal, read while the host writes or after it died."""

    BODIES = {ORDER: "<QQQ7qiI32s", STEP: "<QqiI", FILL: "<QQQ5qiIQ64s", TRADING: "<IIiI96s", VENUE: "<IIqq96s",
              OPERATOR: "<32s160s", POLICY: "<32s160s", STATE: "<QQ72s", NOTE: "<Iid32s160s"}
    FIELDS = {ORDER: "order_id wish_id verdict_id lots limit mark stop target created expires reason purpose client_id",
              STEP: "order_id filled reason state", FILL: "fill_id order_id wish_id lots price fee realised time reason purpose maker id",
              TRADING: "state kill_switch reason reserved text", VENUE: "event reserved ours theirs text",
              OPERATOR: "command text", POLICY: "command text", STATE: "size schema hash",
              NOTE: "note level value name text"}

    def __init__(self, path, since=0):
        self.rows = []
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as base:
            for sequence, kind, agent, body in base.execute("SELECT seq, kind, agent, body FROM events WHERE seq > ? ORDER BY seq", (since,)):
                self.rows.append(self.row(sequence, kind, agent, body))
        self.last = self.rows[-1]["seq"] if self.rows else since

    def row(self, sequence, kind, agent, body):
        row = {"seq": sequence, "kind": kind, "account": agent >> 8}
        if kind in self.BODIES:
            values = struct.unpack(self.BODIES[kind], body)
            row.update(zip(self.FIELDS[kind].split(), (text(v) if isinstance(v, bytes) else v for v in values)))
        return row

    def of(self, kind):
        return [row for row in self.rows if row["kind"] == kind]

    def orders(self):
        return self.of(ORDER)

    def fills(self):
        return self.of(FILL)

    def told(self, name):
        """The values that an agent plotted under this name, in order."""
        return [row["value"] for row in self.of(NOTE) if row["name"] == name]

    def order_states(self):
        """Client id -> the last state that was written; fills that make an order whole end it without a step."""
        state, lots, names = {}, {}, {}
        for row in self.rows:
            if row["kind"] == ORDER:
                names[row["order_id"]], state[row["order_id"]], lots[row["order_id"]] = row["client_id"], "NEW", row["lots"]
            elif row["kind"] == STEP:
                state[row["order_id"]] = STATES[row["state"]]
            elif row["kind"] == FILL and row["order_id"] in lots:
                lots[row["order_id"]] -= row["lots"]
                state[row["order_id"]] = "PARTIAL" if lots[row["order_id"]] else "FILLED"
        return {name: state[i] for i, name in names.items()}


class Log:
    """The exchange's order log: the witness."""

    def __init__(self, text_of_log):
        self.lines = [json.loads(line) for line in text_of_log.splitlines() if line.endswith("}")]
        self.orders = [line for line in self.lines if line.get("log") == "order"]
        self.reports = [line for line in self.lines if line.get("event") == "log"]
        self.fills = [line for line in self.reports if line["kind"] == "fill"]

    def order_states(self):
        state, lots = {}, {line["id"]: line["lots"] for line in self.orders}
        for line in self.reports:
            if line["id"] and line["kind"] != "state":  # an answer, not an event
                kind = line["kind"]
                if kind == "fill":
                    lots[line["id"]] -= line["lots"]
                    kind = "filled" if lots[line["id"]] == 0 else "partial"
                state[line["id"]] = {"ack": "ACKED", "reject": "REJECTED"}.get(kind, kind.upper())
        return state


# ---- the oracle ------------------------------------------------------------------------------------------------------------


def once_each(what, names, problems):
    seen = set()
    for name in names:
        if name in seen:
            problems.append(f"doubled: {what} {name}")
        seen.add(name)
    return seen


def compare_orders(journal, log, problems):
    intents = {row["client_id"]: row for row in journal.orders()}
    once_each("intent", (row["client_id"] for row in journal.orders()), problems)
    once_each("order at the exchange", (line["id"] for line in log.orders), problems)
    for line in log.orders:
        row = intents.get(line["id"])
        if row is None:
            problems.append(f"lost: order {line['id']} reached the exchange and is not in the journal")
            continue
        for mine, theirs in (("lots", "lots"), ("limit", "limit"), ("stop", "stop"), ("target", "target"), ("purpose", "purpose")):
            if row[mine] != line[theirs]:
                problems.append(f"changed: {mine} of order {line['id']}: {row[mine]} in the journal, {line[theirs]} at the exchange")


def compare_fills(journal, log, problems):
    rows = {row["id"]: row for row in journal.fills()}
    once_each("fill in the journal", (row["id"] for row in journal.fills()), problems)
    for line in log.fills:
        row = rows.pop(line["fill"], None)
        if row is None:
            problems.append(f"lost: fill {line['fill']} of {line['lots']} lots is not in the journal")
        elif (row["lots"], row["price"], row["fee"]) != (line["lots"], line["price"], line["fee"]):
            problems.append(f"changed: fill {line['fill']}")
    problems += [f"invented: fill {name} is in the journal, the exchange never made it" for name in rows]
    ours, theirs = sum(row["lots"] for row in journal.fills()), sum(line["lots"] for line in log.fills)
    if ours != theirs:
        problems.append(f"position: {ours} lots in the journal, {theirs} at the exchange")


def compare_states(journal, log, problems):
    theirs = log.order_states()
    for name, state in journal.order_states().items():
        if state in ("NEW", "DURABLE", "SENT", "UNKNOWN"):
            problems.append(f"unresolved: order {name} is {state} at the end")
        elif name in theirs and theirs[name] != state:
            problems.append(f"fate: order {name} is {state} in the journal and {theirs[name]} at the exchange")
        elif name not in theirs and state != "CANCELLED":
            problems.append(f"fate: order {name} is {state} in the journal, and the exchange never saw it")


def check_protection(log, lots_max, problems):
    """No entry without a stop, and at no time more lots than one wish asks for: what was sent twice would show here."""
    for line in log.orders:
        if line["purpose"] == ENTRY and line["stop"] <= 0:
            problems.append(f"naked: entry {line['id']} carries no stop")
    net = 0
    for line in log.fills:
        net += line["lots"]
        if abs(net) > lots_max:
            problems.append(f"doubled: {net} lots held after fill {line['fill']}, a wish is {lots_max}")


def cash_e8(log):
    """What is left of the cash, exactly: from the exchange's fills alone."""
    paid = sum(line["lots"] * line["price"] for line in log.fills) * TICK_E8 * LOT_E8
    return CASH_E8 - paid // 10**8 - sum(line["fee"] for line in log.fills)


def oracle(journal, log, lots_max=100, summary=None):
    """Everything that is wrong, one sentence each; an empty list when both tell the same story."""
    problems = []
    compare_orders(journal, log, problems)
    compare_fills(journal, log, problems)
    compare_states(journal, log, problems)
    check_protection(log, lots_max, problems)
    if summary is not None:
        due = cash_e8(log)
        if int(summary["cash"].replace(".", "")) != due:
            problems.append(f"money: cash {summary['cash']}, by the exchange's fills it is {due / 10**8:.8f}")
    return problems
