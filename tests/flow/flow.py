"""flow - what the flow tests written in Python share: where things are, running the program, and TAP."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / os.environ.get("BUILD", "build")
DATA = pathlib.Path(os.environ.get("BULKHEAD_DATA", ROOT.parent / "shared/data"))
SANITIZED = bool(os.environ.get("SAN"))
PROGRAM = BUILD / "bin/bulkhead"
OPEN = ROOT / "policy/profiles/open"
PATIENT = ROOT / "tests/flow/patient"  # deadlines that a loaded machine does not miss
HOME = tempfile.TemporaryDirectory(prefix="bulkhead-home-")  # run files go there, and with it
os.environ["BULKHEAD_HOME"] = HOME.name
sys.path.insert(0, str(ROOT / "tests/flow"))


class Skip(Exception):
    """Raised by a test that cannot run here; its text says why."""


def strategy(name):
    """The built file of a strategy, or of a flow test's own agent."""
    own = BUILD / f"tests/flow/agents/{name}.so"
    return own if own.exists() else BUILD / f"strategies/{name}.so"


def run(*arguments, status=0, timeout=300):
    """Runs bulkhead; its exit status has to be `status` (None: any). Returns what it printed."""
    if not PROGRAM.exists():
        raise AssertionError(f"{PROGRAM} is not built")
    child = subprocess.run([str(PROGRAM), *map(str, arguments)], capture_output=True, text=True, timeout=timeout)
    if status is not None and child.returncode != status:
        raise AssertionError(f"bulkhead {' '.join(map(str, arguments))}\nexit status {child.returncode}, {status} was wanted\n"
                             f"{child.stdout[-2000:]}{child.stderr[-2000:]}")
    return child.stdout


def backtest(name, *arguments, policy=OPEN):
    """A backtest of one strategy; arguments as on the command line. Returns the result as a dict."""
    return json.loads(run("backtest", "--strategy", strategy(name), "--policy", policy, "--json", *arguments))


def real(path):
    """A file of real market data, or the test is skipped."""
    file = DATA / path
    if not file.exists():
        raise Skip(f"{path} is not here (BULKHEAD_DATA)")
    return file


def main(tests):
    """Runs (name, function) pairs and prints TAP. Returns the exit status."""
    print(f"1..{len(tests)}", flush=True)
    failed = 0
    for number, (name, test) in enumerate(tests, 1):
        try:
            note = test()
            print(f"ok {number} - {name}" + (f" ({note})" if note else ""), flush=True)
        except Skip as reason:
            print(f"ok {number} - {name} # SKIP {reason}", flush=True)
        except Exception as problem:  # a failed test of any kind is reported and the next one runs
            failed += 1
            print(f"not ok {number} - {name}", flush=True)
            text = str(problem) if isinstance(problem, AssertionError) else traceback.format_exc()
            print("".join(f"# {line}\n" for line in text.splitlines()), end="", flush=True)
    return 1 if failed else 0
