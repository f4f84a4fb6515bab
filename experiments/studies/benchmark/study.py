"""What our trainings cost and reach, measured beside a hand-written reference and, where they are given, peers.

Without a command it is `train`. Every command computes only what its table in results/ does not hold yet.
"""

from __future__ import annotations

import os

# Before NumPy: one thread, so that CPU seconds mean something.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from collections.abc import Sequence
from pathlib import Path

import bootstrap
import elastic_net
import pandas as pd
import small
from accuracy import calibration_summary, paired_differences
from peer_runs import BUDGETS, run_peers
from report import fill, sections
from training import run_sides, training_ratios

HERE = Path(__file__).resolve().parent
# Those of `train` were seen while the tool was made; nobody looked at these before it was finished.
UNSEEN = {"A": range(10, 40), "B": range(10, 40), "C": range(10, 13)}
PAIRED = {"A": range(10, 30), "B": range(10, 20), "C": range(10, 13)}
TRAINED = {"A": range(5), "B": range(3), "C": range(1)}


def replicates(text: str) -> list[int]:
    """Read ``3`` or ``10-29``."""
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def peer(text: str) -> tuple[str, str]:
    """Read ``name=/path/to/python``."""
    name, _, python = text.partition("=")
    if name not in BUDGETS or not python:
        raise argparse.ArgumentTypeError(f"Write one of {', '.join(BUDGETS)}, and =, and its interpreter.")
    return name, python


def chosen(arguments: argparse.Namespace, default: dict[str, range]) -> dict[str, Sequence[int]]:
    """Return the replicates of each data set asked for."""
    given = [number for part in arguments.replicates or [] for number in part]
    return {name: given or default[name] for name in arguments.datasets}


def show(table: pd.DataFrame) -> None:
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4f}"))


def train(arguments: argparse.Namespace) -> bool:
    """Train ours and the reference alternately, each in a process of its own; also the peers that are given."""
    path = arguments.out / "training.csv"
    for dataset, numbers in chosen(arguments, TRAINED).items():
        run_sides(("ours", "reference"), dataset, numbers, path=path)
        if arguments.peer:
            run_peers(dict(arguments.peer), dataset, numbers, path=arguments.out / "peers_train.csv")
    show(training_ratios(pd.read_csv(path)))
    return True


def accuracy(arguments: argparse.Namespace) -> bool:
    """Compare test log losses on unseen training sets."""
    ours, peers = arguments.out / "ours.csv", arguments.out / "peers.csv"
    for dataset, numbers in chosen(arguments, PAIRED).items():
        if arguments.peer:
            run_peers(dict(arguments.peer), dataset, numbers, path=peers, budget=arguments.budget)
        run_sides(("ours",), dataset, numbers, path=ours)
    show(paired_differences(pd.read_csv(ours), pd.read_csv(peers)))
    return True


def calibration(arguments: argparse.Namespace) -> bool:
    """Average calibration and optimism of ours over unseen training sets."""
    path = arguments.out / "ours.csv"
    for dataset, numbers in chosen(arguments, UNSEEN).items():
        run_sides(("ours",), dataset, numbers, path=path)
    show(calibration_summary(pd.read_csv(path)))
    return True


def elastic_net_path(arguments: argparse.Namespace) -> bool:
    """Compare the elastic-net path with GridSearchCV over saga."""
    show(elastic_net.run(arguments.out / "elastic_net.csv"))
    return True


def bootstrap_resamples(arguments: argparse.Namespace) -> bool:
    """Time 200 whole-pipeline resamples."""
    show(bootstrap.run(arguments.out / "bootstrap.csv"))
    return True


def small_comparison(arguments: argparse.Namespace) -> bool:
    """Fail when training became slower, compared with the reference, than results/small.json says."""
    return small.run(arguments.out / "small.json", record=arguments.record)


def goals(arguments: argparse.Namespace) -> bool:
    """Write the tables of results/ into README.md and print the goals."""
    found = sections(arguments.out)
    fill(HERE / "README.md", found)
    print(found["goals"])
    return True


COMMANDS = {
    "train": train,
    "accuracy": accuracy,
    "calibration": calibration,
    "elastic_net": elastic_net_path,
    "bootstrap": bootstrap_resamples,
    "small": small_comparison,
    "goals": goals,
}


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"{name}: {(command.__doc__ or '').strip()}" for name, command in COMMANDS.items()),
    )
    parser.add_argument("command", nargs="?", choices=list(COMMANDS), default="train")
    parser.add_argument("--datasets", nargs="+", choices=list("ABC"), default=list("ABC"))
    parser.add_argument("--replicates", nargs="+", type=replicates, help="numbers or ranges: 0 1 10-29")
    parser.add_argument("--peer", action="append", type=peer, help="name=/path/to/python of its environment")
    parser.add_argument("--budget", type=float, help="seconds for every peer instead of its own")
    parser.add_argument("--record", action="store_true", help="store what `small` finds")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of the tables")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command."""
    arguments = parse(argv)
    return 0 if COMMANDS[arguments.command](arguments) else 1


if __name__ == "__main__":
    raise SystemExit(main())
