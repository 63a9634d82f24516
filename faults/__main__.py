"""`make faults`: kills and refused writes, and a table of what they did."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from faults.harness import Outcome, kills, refusals
from faults.operations import OPERATIONS
from faults.refusals import Kind
from index.threads import pin


def main() -> None:
    """Run them, print the table, and exit with 1 where anything was lost."""
    parser = argparse.ArgumentParser(prog="make faults")
    parser.add_argument("operations", nargs="*", default=list(OPERATIONS), help=f"of {', '.join(OPERATIONS)}")
    parser.add_argument("--kills", type=int, default=50, help="of each operation")
    parser.add_argument("--stride", type=int, default=1, help="1 refuses every write call in turn, n every nth")
    asked = parser.parse_args()
    # One thread: a child is a copy of this process, and of the thread that made it alone.
    pin(1)
    found = []
    for outcome in _outcomes(asked.operations, asked.kills, asked.stride):
        found.append(outcome)
        print(outcome.operation, outcome.fault, outcome.faults, "lost:", len(outcome.lost), flush=True)
    Console().print(_table(found))
    for outcome in found:
        for line in outcome.lost:
            print(f"{outcome.operation}, {outcome.fault}: {line}")
    sys.exit(any(outcome.lost for outcome in found))


def _outcomes(operations: list[str], times: int, stride: int) -> Iterator[Outcome]:
    for name in operations:
        yield kills(name, times)
        for kind in Kind:
            yield refusals(name, kind, stride)


def _table(outcomes: list[Outcome]) -> Table:
    table = Table(title="Faults, and what was lost")
    for heading in ("operation", "fault", "points", "acknowledged", "lost"):
        table.add_column(heading, justify="left" if heading in ("operation", "fault") else "right")
    for each in outcomes:
        table.add_row(each.operation, each.fault, *(f"{n:,}" for n in (each.faults, each.acknowledged, len(each.lost))))
    killed = sum(each.faults for each in outcomes if each.fault == "killed")
    refused = sum(each.faults for each in outcomes if each.fault != "killed")
    lost = sum(len(each.lost) for each in outcomes)
    table.caption = f"{killed:,} points killed, {refused:,} writes failed, lost: {lost:,}"
    return table


if __name__ == "__main__":
    main()
