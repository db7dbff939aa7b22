"""`python -m benchmarks [--only NAME]`: run what measures here; one JSON line each."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import subprocess
import sys

import benchmarks
from benchmarks import table
from benchmarks.figure import Figure

FRAME = {
    "__main__",
    "figure",
    "hordak_peer",
    "hordak_settings",
    "job",
    "metered_hive",
    "month_of_usage",
    "null_bee",
    "placing_market",
    "placing_optimum",
    "queen",
    "serving",
    "runtimes_page",
    "table",
    "trading_bee",
}


def main() -> int:
    names = sorted(
        found.name for found in pkgutil.iter_modules(benchmarks.__path__) if found.name not in FRAME
    )
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", choices=names, help="run this one alone")
    only = parser.parse_args().only
    return _measure(only) if only else max(map(_measure_apart, names))


def _measure(name: str) -> int:
    """What measures returns one figure, or yields several."""
    measured = importlib.import_module(f"benchmarks.{name}").measure()
    for figure in [measured] if isinstance(measured, Figure) else measured:
        print(figure.to_json(), flush=True)
        table.write(figure)
    return 0


def _measure_apart(name: str) -> int:
    """In a process of its own: Django can be set up only once in each."""
    return subprocess.run([sys.executable, "-m", "benchmarks", "--only", name], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
