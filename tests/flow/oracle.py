"""oracle - what a backtest must come to, computed a second time and another way: whole numbers and fractions only.

    python3 tests/flow/oracle.py --data F.csv[.gz] [--data ...] [--fast 10 --slow 30 --side both ...]   prints JSON

It shares no code with the host and reads the CSV itself. It never rounds but where a rule says so:

  Numbers   price = ticks, quantity = lots, money = 1e-8 of the currency. Without a row of instruments a file's tick is its
            finest decimal, its lot 1e-8, its multiplier 1.
  Turn      after a bar has been matched its close is shown to the strategy; orders given then live from the next bar on.
  Bar       in this order:
     a. protection carried into the bar. Stop: at the open if the open is through it, else at the stop once the range
        touches it. Target: at the target once the range touches it, also when the open gapped beyond it.
     b. entries and exits, oldest first: at the open if that is no worse than the worst price (no worst price: always), else
        at the worst price if the bar trades strictly through it. An order lives in a bar that starts before its expiry.
     c. protection of what was opened or added to in this bar, from the bar's range; after a resting fill only the stop.
     d. stop and target both touched: the stop.
  Wish      a new wish cancels what is open under its tag. Growing is an entry, shrinking an exit. A change of sign is an exit
            at the market (the worst price is the entry's) and, after its fill, an entry: decided inside that bar, so it lives
            from the next bar on. Stop and target of a wish take over when it is accepted if the position already has its
            sign, else with its entry. A stop or target spends the wish it belongs to, and no other.
  Gate      an entry whose stop is not on the losing side, or whose target not on the winning side, of its worst price (none:
            of the last close when it is decided) is refused and spends its wish.
  Money     a fill's notional is rounded half-even to 1e-8; its fee (rate x notional + amount per unit) up. A position keeps
            its cost; a partial close takes cost x lots / total, half-even. Equity = cash + open lots at the last close.
            A trade is a round trip from flat to flat; what is still open at the end is none.

Buying power and the other limits are not modelled: compared runs must show no refusal but those two.
"""
import argparse
import csv
import datetime
import gzip
import json
from fractions import Fraction
from math import ceil, floor

E8 = 10**8


def half_even(numerator, denominator):
    """The nearest whole number to numerator / denominator; a tie goes to the even one."""
    whole, rest = divmod(numerator, denominator)
    if 2 * rest > denominator or (2 * rest == denominator and whole % 2):
        return whole + 1
    return whole


def e8(text):
    """Decimal text in units of 1e-8, exactly."""
    value = Fraction(text) * E8
    if value.denominator != 1:
        raise ValueError(f"{text} has more than 8 decimals")
    return int(value)


def e8_text(value):
    return f"{'-' if value < 0 else ''}{abs(value) // E8}.{abs(value) % E8:08d}"


# ---- bars -----------------------------------------------------------------------------------------------------------------


def time_ns(text):
    """Whole seconds, milliseconds, microseconds or nanoseconds by their size, or ISO 8601."""
    if text.isdigit():
        return int(text) * {10: 10**9, 13: 10**6, 16: 10**3, 19: 1}[len(text)]
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    since = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return (since.days * 86400 + since.seconds) * 10**9 + since.microseconds * 1000


def read_rows(path):
    """Lists of time text and of open, high, low, close as texts."""
    with open(path, "rb") as probe:
        opener = gzip.open if probe.read(2) == b"\x1f\x8b" else open
    with opener(path, "rt", newline="") as file:
        rows = csv.reader(file)
        names = [name.strip().lower() for name in next(rows)]
        when = next(names.index(name) for name in ("time_ms", "ts", "time", "timestamp", "date") if name in names)
        columns = [names.index(name) for name in ("open", "high", "low", "close")]
        pick = [when, *columns]
        return [[row[i] for i in pick] for row in rows if row]


def decimals_of(text):
    return len(text.partition(".")[2])


class Bars:
    """One file in ticks: parallel lists start_ns, open, high, low, close."""

    def __init__(self, path, tick_e8=None):
        rows = read_rows(path)
        finest = max(decimals_of(text) for row in rows for text in row[1:])
        scale = 10**finest
        self.tick_e8 = tick_e8 or E8 // scale
        per_tick = Fraction(self.tick_e8 * scale, E8)

        def ticks(text):
            whole, _, decimals = text.partition(".")
            units = int(whole + decimals.ljust(finest, "0"))
            count = units / per_tick if per_tick != 1 else units
            if count != int(count):
                raise ValueError(f"{path}: {text} is off the grid")
            return int(count)

        self.start = [time_ns(row[0]) for row in rows]
        self.open, self.high, self.low, self.close = ([ticks(row[i]) for row in rows] for i in range(1, 5))

    def __len__(self):
        return len(self.start)


# ---- the books ------------------------------------------------------------------------------------------------------------


class Instrument:
    def __init__(self, tick_e8, lot_e8=1, multiplier_e8=E8, fee_e8=0, fee_per_unit_e8=0):
        self.tick_e8, self.lot_e8, self.multiplier_e8 = tick_e8, lot_e8, multiplier_e8
        self.fee_e8, self.fee_per_unit_e8 = fee_e8, fee_per_unit_e8

    def value(self, ticks, lots):
        return half_even(ticks * lots * self.tick_e8 * self.lot_e8 * self.multiplier_e8, E8 * E8)

    def fee(self, notional, lots):
        return -(-(abs(notional) * self.fee_e8 + abs(lots) * self.lot_e8 * self.fee_per_unit_e8) // E8)


class Account:
    def __init__(self, deposits):
        self.deposits = self.cash = deposits
        self.refusals = {}
        self.realised = self.fees = self.trades = self.fills = self.stops = self.targets = self.rested = 0


class Order:
    def __init__(self, tag, lots, entry, worst, expires):
        self.tag, self.lots, self.entry, self.worst, self.expires = tag, lots, entry, worst, expires


class Tag:
    """One (strategy, instrument, tag): its wish and its position."""

    def __init__(self):
        self.lots = self.cost = 0
        self.stop = self.target = None            # in force for the open lots
        self.goal = 0                             # of the wish: signed lots
        self.wish_stop = self.wish_target = self.worst = None
        self.expires = None
        self.spent = True
        self.fresh = self.rested = False
        self.entry_after_exit = False


class Market:
    """One instrument of one account: matching of a bar, and wishes becoming orders."""

    def __init__(self, account, instrument):
        self.account, self.instrument = account, instrument
        self.tags, self.orders, self.held = {}, [], []
        self.last = 0                             # the newest close

    # a strategy's new decision, at the close of a bar
    def wish(self, name, goal, stop=None, target=None, worst=None, expires=None):
        tag = self.tags.setdefault(name, Tag())
        self.orders = [order for order in self.orders if order.tag is not tag]
        tag.goal, tag.wish_stop, tag.wish_target, tag.worst, tag.expires = goal, stop, target, worst, expires
        tag.spent, tag.entry_after_exit = False, False
        self.pursue(tag)

    def pursue(self, tag):
        if tag.spent:
            return
        held, goal = tag.lots, tag.goal
        if goal == held:
            tag.spent = goal == 0
        if held and goal and (held > 0) == (goal > 0):
            tag.stop, tag.target = tag.wish_stop, tag.wish_target
        if held and goal and (held > 0) != (goal > 0):
            tag.entry_after_exit = True
            self.orders.append(Order(tag, -held, False, None, tag.expires))
        elif abs(goal) < abs(held):
            self.orders.append(Order(tag, goal - held, False, tag.worst, tag.expires))
        elif goal != held and self.allowed(tag, goal - held):
            self.orders.append(Order(tag, goal - held, True, tag.worst, tag.expires))

    def allowed(self, tag, lots):
        price, sign = tag.worst or self.last, 1 if lots > 0 else -1
        reason = None
        if tag.wish_stop is not None and sign * (price - tag.wish_stop) <= 0:
            reason = "STOP_SIDE"
        elif tag.wish_target is not None and sign * (tag.wish_target - price) <= 0:
            reason = "TARGET_SIDE"
        if reason:
            tag.spent = True
            self.account.refusals[reason] = self.account.refusals.get(reason, 0) + 1
        return not reason

    # one bar
    def match(self, start, opened, high, low):
        if self.held:
            for tag in list(self.held):
                self.protect(tag, opened, high, low, False)
        if self.orders:
            self.match_orders(start, opened, high, low)
            for tag in list(self.held):
                if tag.fresh:
                    tag.fresh, stop_only = False, tag.rested
                    tag.rested = False
                    self.protect(tag, opened, high, low, stop_only)
            for tag in self.tags.values():
                if tag.entry_after_exit and tag.lots == 0:
                    tag.entry_after_exit = False
                    self.pursue(tag)

    def match_orders(self, start, opened, high, low):
        waiting, self.orders = self.orders, []
        for order in waiting:
            buys, worst = order.lots > 0, order.worst
            if order.expires is not None and start >= order.expires:
                order.tag.spent = True
                continue
            if not order.entry and order.tag.lots == 0:
                continue
            if worst is None or (opened <= worst if buys else opened >= worst):
                self.fill(order, opened, False)
            elif low < worst if buys else high > worst:
                self.fill(order, worst, True)
            else:
                self.orders.append(order)

    def fill(self, order, price, rested):
        tag = order.tag
        if order.entry:
            tag.stop, tag.target = tag.wish_stop, tag.wish_target
            tag.fresh, tag.rested = True, tag.rested or rested
        self.account.rested += rested
        self.book(tag, order.lots, price)

    def protect(self, tag, opened, high, low, stop_only):
        long, stop, target = tag.lots > 0, tag.stop, tag.target
        if stop is not None and (low <= stop if long else high >= stop):
            through = opened <= stop if long else opened >= stop
            self.account.stops += 1
            self.close(tag, opened if through and not stop_only else stop)
        elif not stop_only and target is not None and (high >= target if long else low <= target):
            self.account.targets += 1
            self.close(tag, target)

    def close(self, tag, price):
        ends_wish = tag.goal != 0 and (tag.goal > 0) == (tag.lots > 0)
        self.book(tag, -tag.lots, price)
        if ends_wish:
            tag.spent = True
            self.orders = [order for order in self.orders if order.tag is not tag]

    def book(self, tag, lots, price):
        """A fill: cash, cost, realised, fee; a round trip ends when nothing is left."""
        account, held = self.account, tag.lots
        notional = self.instrument.value(price, lots)
        fee = self.instrument.fee(notional, lots)
        account.cash -= notional + fee
        account.fees += fee
        account.fills += 1
        if held == 0 or (held > 0) == (lots > 0):
            tag.cost += notional
        else:
            part = tag.cost if -lots == held else half_even(tag.cost * abs(lots), abs(held))
            account.realised += -notional - part
            tag.cost -= part
        tag.lots += lots
        if held == 0:
            self.held.append(tag)
        elif tag.lots == 0:
            self.held.remove(tag)
            tag.stop = tag.target = None
            account.trades += 1
            if tag.goal == 0:
                tag.spent = True

    def mark(self, close):
        return sum(self.instrument.value(close, tag.lots) for tag in self.held)


# ---- strategies -----------------------------------------------------------------------------------------------------------


class SmaCross:
    """Two averages of the close, compared as fractions over running totals; see strategies/sma_cross.c for its promises."""

    def __init__(self, options, instrument):
        self.o, self.instrument = options, instrument
        self.lots = e8(options.quantity) // instrument.lot_e8
        self.totals = [0]
        self.direction = 0

    def on_close(self, start, close, market):
        totals, o = self.totals, self.o
        totals.append(totals[-1] + close)
        seen = len(totals) - 1
        if seen < o.slow:
            return
        difference = (totals[-1] - totals[seen - o.fast]) * o.slow - (totals[-1] - totals[seen - o.slow]) * o.fast
        wanted = (1 if difference > 0 else -1 if difference < 0 else 0)
        if (wanted > 0 and o.side == "short") or (wanted < 0 and o.side == "long"):
            wanted = 0
        if wanted != self.direction:
            self.direction = wanted
            self.wish(close, wanted, market)

    def wish(self, close, direction, market):
        if direction == 0:
            market.wish("main", 0)
            return
        o = self.o

        def toward(value):
            """A price level in ticks, rounded toward the close, a tick away from it, and at least one tick."""
            ticks = ceil(value) if value < close else floor(value)
            return max(1, min(ticks, close - 1) if value < close else max(ticks, close + 1))

        risk = o.stop_ticks if o.stop_ticks else close * Fraction(o.stop_pct) / 100
        stop = toward(close - direction * risk)
        target = None
        if o.target_r:
            target = toward(close + direction * abs(close - stop) * Fraction(o.target_r))
        elif o.target_pct:
            target = toward(close * (1 + direction * Fraction(o.target_pct) / 100))
        worst = max(1, close + direction * o.worst_ticks) if o.worst_ticks is not None else None
        market.wish("main", direction * self.lots, stop, target, worst)


class Scaler:
    """tests/flow/agents/scaler.c: two tags that scale in and out on schedules of their own, always on the same side."""

    def __init__(self, options, instrument):
        self.unit = e8(options.quantity) // instrument.lot_e8
        self.seen = 0
        self.sign = -1 if options.side == "short" else 1
        self.last = {}

    def on_close(self, start, close, market):
        self.seen += 1
        self.step("core", 7, (0, 1, 3, 2, 5, 4, 1, 0, 2), 20, close, market)
        self.step("swing", 11, (0, 2, 1, 0, 1, 0, 3, 7), 40, close, market)

    def step(self, name, period, sizes, stop_percent, close, market):
        if self.seen % period:
            return
        goal = self.sign * sizes[self.seen // period % len(sizes)] * self.unit
        if goal == self.last.get(name, 0):
            return
        self.last[name] = goal
        distance = max(1, close * stop_percent // 100)
        market.wish(name, goal, max(1, close - self.sign * distance) if goal else None)


class Script:
    """tests/flow/agents/script.c: options.lines holds "BAR SIZE [STOP [TARGET [WORST [TTL_S [TAG]]]]]"."""

    def __init__(self, options, instrument):
        self.instrument, self.seen, self.period = instrument, 0, 60 * 10**9
        self.lines = [line.split() for line in options.lines]

    def on_close(self, start, close, market):
        self.seen += 1
        for words in self.lines:
            if int(words[0]) != self.seen:
                continue
            size, stop, target, worst, ttl, tag = (words[1:] + ["0"] * 6)[:6]
            ticks = [e8(word) // self.instrument.tick_e8 or None for word in (stop, target, worst)]
            expires = start + self.period + int(ttl) * 10**9 if ttl != "0" else None
            market.wish(tag if tag != "0" else "main", e8(size) // self.instrument.lot_e8, *ticks, expires)


STRATEGIES = {"sma_cross": SmaCross, "scaler": Scaler, "script": Script}


# ---- a run ----------------------------------------------------------------------------------------------------------------


def run(options):
    """The result of a whole backtest; instruments only share the account's money, so files run one after another."""
    account = Account(e8(options.cash))
    equity_of_open = cost_of_open = bars_seen = open_lots = 0
    for path in options.data:
        bars = Bars(path, e8(options.tick) if options.tick else None)
        instrument = Instrument(bars.tick_e8, e8(options.lot), e8(options.multiplier), e8(Fraction(options.fee_bps) / 10000),
                                e8(options.fee_per_unit))
        market = Market(account, instrument)
        strategy = STRATEGIES[options.strategy](options, instrument)
        for start, opened, high, low, close in zip(bars.start, bars.open, bars.high, bars.low, bars.close):
            market.last = close
            if market.held or market.orders:
                market.match(start, opened, high, low)
            strategy.on_close(start, close, market)
        equity_of_open += market.mark(bars.close[-1])
        open_lots += sum(abs(tag.lots) for tag in market.held)
        bars_seen += len(bars)
        cost_of_open += sum(tag.cost for tag in market.held)
    if account.cash + cost_of_open != account.deposits + account.realised - account.fees:
        raise AssertionError("the oracle's own books do not add up")
    return {"final_equity": e8_text(account.cash + equity_of_open), "trades": account.trades, "bars": bars_seen,
            "fills": account.fills, "stops": account.stops, "targets": account.targets, "rested": account.rested,
            "refusals": account.refusals, "fees": e8_text(account.fees), "realised": e8_text(account.realised), "open_lots": open_lots}


def parse(arguments=None):
    parser = argparse.ArgumentParser(description="What a backtest must come to, in exact arithmetic.")
    parser.add_argument("--data", action="append", required=True)
    parser.add_argument("--strategy", choices=sorted(STRATEGIES), default="sma_cross")
    parser.add_argument("--cash", default="1000000")
    parser.add_argument("--fee-bps", default="0")
    parser.add_argument("--fee-per-unit", default="0")
    parser.add_argument("--tick", help="price step; default: the finest decimal of the file")
    parser.add_argument("--lot", default="0.00000001")
    parser.add_argument("--multiplier", default="1")
    parser.add_argument("--fast", type=int, default=10)
    parser.add_argument("--slow", type=int, default=30)
    parser.add_argument("--quantity", default="1")
    parser.add_argument("--side", choices=("long", "short", "both"), default="long")
    parser.add_argument("--stop-pct", default="90")
    parser.add_argument("--stop-ticks", type=int)
    parser.add_argument("--target-pct")
    parser.add_argument("--target-r")
    parser.add_argument("--worst-ticks", type=int)
    parser.add_argument("--lines", action="append", default=[], help="of the strategy script")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    print(json.dumps(run(parse()), indent=1))
