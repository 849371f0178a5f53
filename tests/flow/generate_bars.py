"""generate_bars - a bar file for tests, made without the host: a seeded walk in whole ticks.

    python3 tests/flow/generate_bars.py OUT.csv[.gz] --bars 100000 [--decimals 2] [--seed 1] [--first 2500000] [--step 40]

Opens differ from the previous close, now and then by a jump (to gap through stops); bars may be flat; the walk turns back
before it reaches zero. --grid N keeps every price a multiple of N ticks of the last decimal (0.25 = 2 decimals, grid 25).
The generator is written out here (a 64-bit multiply and shift), so a seed means the same bars on every Python.
"""
import argparse
import gzip

MASK = (1 << 64) - 1


class Random:
    def __init__(self, seed):
        self.state = (seed * 0x9E3779B97F4A7C15 + 1) & MASK

    def below(self, limit):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & MASK
        return (self.state >> 33) % limit


def bars(count, seed, first, step, jump_every):
    """Yields open, high, low, close in units of the grid."""
    random, floor = Random(seed), max(first // 20, 4 * step)
    close = first
    for _ in range(count):
        reach = step * 12 if random.below(jump_every) == 0 else max(1, step // 4)
        opened = max(floor, close + random.below(2 * reach + 1) - reach)
        close = opened + random.below(2 * step + 1) - step
        if close < floor:
            close = floor + random.below(step + 1)
        high = max(opened, close) + random.below(step // 2 + 1)
        low = max(1, min(opened, close) - random.below(step // 2 + 1))
        yield opened, high, low, close


def write(path, options):
    opener = gzip.open if path.endswith(".gz") else open
    scale, places, grid = 10**options.decimals, options.decimals, options.grid

    def text(price):
        units = price * grid
        return f"{units // scale}.{units % scale:0{places}d}" if places else str(units)

    with opener(path, "wt") as out:
        out.write("time_ms,open,high,low,close,volume\n")
        time_ms, lines = options.start_ms, []
        for opened, high, low, close in bars(options.bars, options.seed, options.first // grid, options.step, options.jump_every):
            lines.append(f"{time_ms},{text(opened)},{text(high)},{text(low)},{text(close)},{1 + (time_ms // 60000) % 97}\n")
            time_ms += options.period_s * 1000
            if len(lines) == 10000:
                out.write("".join(lines))
                lines.clear()
        out.write("".join(lines))


def main():
    parser = argparse.ArgumentParser(description="Writes a seeded bar file.")
    parser.add_argument("path")
    parser.add_argument("--bars", type=int, default=100000)
    parser.add_argument("--decimals", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=2500000, help="first price, in units of the last decimal")
    parser.add_argument("--step", type=int, default=40, help="largest move inside a bar, in grid units")
    parser.add_argument("--grid", type=int, default=1)
    parser.add_argument("--jump-every", type=int, default=500)
    parser.add_argument("--start-ms", type=int, default=1672531200000)
    parser.add_argument("--period-s", type=int, default=60)
    options = parser.parse_args()
    write(options.path, options)


if __name__ == "__main__":
    main()
