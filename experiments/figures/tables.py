"""The tables that the page is made of, and what is missing or stale of them (analysis/tables.py)."""

from collections.abc import Sequence

from experiments.analysis.tables import TableState
from experiments.figures.markdown import plain, pluralize, table

HEAD = "| table | rows | newest row | commits | SHA-256 | state |"


def states_table(states: Sequence[TableState], version: str) -> str:
    """Every table, and what is wrong with it."""
    return table(HEAD, [_cells(state, version) for state in states])


def _cells(state: TableState, version: str) -> list[object]:
    name, wrong = plain(f"results/{state.study}/runs.csv"), "; ".join(problems(state, version)) or "complete"
    if state.rows.empty:
        return [name, 0, None, None, None, wrong]
    commits = ", ".join(sorted({commit[:7] for commit in state.rows["commit"]}))
    return [name, len(state.rows), state.rows["started_at"].max(), commits, state.digest, wrong]


def problems(state: TableState, version: str) -> list[str]:
    """What is missing or stale, in words; nothing of a table that is whole."""
    if state.rows.empty:
        return [f"missing: `{command}`" for command in state.expected]
    texts = [
        f"incomplete: {number} of {pluralize(state.expected[command], 'run')} of `{command}`"
        for command, number in state.missing.items()
    ]
    for number, what in (
        (state.num_unexpected, "that no study asks for"),
        (state.num_uncommitted, "of uncommitted code"),
    ):
        texts += [f"stale: {pluralize(number, 'row')} {what}"] * (number > 0)
    if state.other_versions:
        texts.append(f"stale: rows of version {', '.join(state.other_versions)}, this is {version}")
    return texts
