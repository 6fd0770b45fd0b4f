"""The numbers of README and docs/: computed once more from the stored ranks, or quoted from the report.

NumPy and SciPy compute them here from results/*/ranks/*.npz, not the code that printed them: a table that this code
writes again repeats a faulty formula, a number that is computed twice shows it.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"
REPORT = RESULTS / "REPORT.md"

BASELINES, FIGURE2, BUDGET, NCF = "baselines-ml-1m", "figure2-ml-1m", "equal-budget-ml-1m", "ncf-reference-ml-1m"
MF = {"model": "dot", "objective": "expected"}
NEUMF = {"model": "neumf", "pretraining": "", "phase": "final", "select_epoch": "holdout"}
CLAIMS = {
    "popularity": (BASELINES, {"model": "popularity"}),
    "SLIM": (BASELINES, {"model": "slim", "phase": "final"}),
    "EASE": (BASELINES, {"model": "ease", "phase": "final"}),
    "iALS d=64": (BASELINES, {"model": "ials", "embedding_dim": "64"}),
    "MF d=32": (FIGURE2, MF | {"embedding_dim": "32"}),
    "MF d=192": (FIGURE2, MF | {"embedding_dim": "192"}),
    "GMF d=32": (BUDGET, {"model": "gmf", "embedding_dim": "32", "regularize_weights": "true", "phase": "final"}),
    "NeuMF d=40": (NCF, NEUMF),
}
GAP = "MLP (m=2) learns the dot product, d=32, 8k users: RMSE gap"
DIFFERENCE = "MLP (m=2) learns the scores of MF d=16: HR@10 difference"
RATED = "Ratings, MovieLens-100K, five random folds: RMSE of factorization by turns"
TUTORIAL = "[Tutorial](docs/ratings.md): Tarun's stars for *Romance forever*"


def rows_where(study: str, **cells: str) -> pd.DataFrame:
    """The completed runs of a committed table that have these texts in their cells."""
    runs = pd.read_csv(RESULTS / study / "runs.csv", dtype=str, keep_default_na=False)
    for column, value in {"status": "completed", **cells}.items():
        runs = runs[runs[column] == value]
    return runs


def ranks_where(study: str, protocol: str, **cells: str) -> list[np.ndarray]:
    """Zero-based ranks of the users' held-out items, of each run."""
    return [np.load(RESULTS / study / "ranks" / f"{i}.npz")[protocol] for i in rows_where(study, **cells)["run_id"]]


def hit_ratios(runs: list[np.ndarray]) -> list[float]:
    return [float(np.mean(ranks < 10)) for ranks in runs]


def ndcgs(runs: list[np.ndarray]) -> list[float]:
    return [float(np.mean(np.where(ranks < 10, 1 / np.log2(ranks + 2.0), 0.0))) for ranks in runs]


def with_interval(values: list[float]) -> str:
    """`0.7280 ± 0.0008`: the mean and half the 95 % t-interval over runs; the mean alone of a single run."""
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values) if len(values) > 1 else None
    return f"{np.mean(values):.4f}" + (f" ± {half:.4f}" if half else "")


def tables(path: Path) -> list[list[list[str]]]:
    """The tables of a page as rows of cells, the head first."""
    blocks = re.findall(r"(?:^\|.*\n?)+", path.read_text(), re.MULTILINE)
    rows = [[[cell.strip() for cell in line.split("|")[1:-1]] for line in block.splitlines()] for block in blocks]
    return [[block[0], *block[2:]] for block in rows]


def claims() -> dict[str, str]:
    """The claims of the README and what it prints as ours."""
    (table,) = [table for table in tables(ROOT / "README.md") if table[0][:3] == ["claim", "published", "ours"]]
    return {cells[0]: cells[2] for cells in table[1:]}


def test_no_claim_of_the_readme_is_left_out_here():
    assert set(claims()) == {*CLAIMS, GAP, DIFFERENCE, RATED, TUTORIAL}


@pytest.mark.parametrize("claim", CLAIMS)
def test_the_ranks_give_the_hit_ratio_and_ndcg_that_the_readme_claims(claim):
    study, cells = CLAIMS[claim]
    runs = ranks_where(study, "sampled", split="test", **cells)
    assert claims()[claim] == f"{with_interval(hit_ratios(runs))} / {with_interval(ndcgs(runs))}"


def test_the_rows_give_the_gap_of_the_mlp_that_learns_a_dot_product():
    network = {"layers": "128-64-32", "activation": "relu", "schedule": "constant", "product": "", "bilinear": ""}
    rows = rows_where("figure3", num_users="8000", embedding_dim="32", **network)
    gaps = rows["rmse_fresh"].astype(float) - rows["rmse_dot_fresh"].astype(float)
    assert claims()[GAP] == with_interval(gaps.tolist())


def test_the_ranks_give_the_difference_of_the_mlp_that_learns_a_models_scores():
    cell = "distillation-ml-1m", {"layers": "64-32-16", "embedding_dim": "16", "pairs_per_user": "400"}
    ours, theirs = (hit_ratios(ranks_where(cell[0], protocol, **cell[1])) for protocol in ("sampled", "dot_sampled"))
    assert claims()[DIFFERENCE].split(" ")[0] == f"{np.mean(ours) - np.mean(theirs):+.4f}"
    assert f"| {claims()[DIFFERENCE]} |" in REPORT.read_text(), "with the interval that the report states"


def test_the_squared_errors_of_users_give_the_error_of_the_ratings():
    rows = rows_where("ratings-ml-100k", model="alternating", folds="random", phase="final", split="test")
    folds = [np.load(RESULTS / "ratings-ml-100k" / "ranks" / f"{i}.npz") for i in rows["run_id"]]
    errors = [np.sqrt(fold["users_squared_error"].sum() / fold["users_test"].sum()) for fold in folds]
    assert len(errors) == 5 and claims()[RATED] == f"{np.mean(errors):.4f}"


def test_a_ridge_regression_gives_the_stars_of_the_tutorial():
    """Of Tarun's four ratings on x_0 = 1, romance and action; the weight of x_0 pays no penalty of 0.03."""
    x = np.array([[1, 0.90, 0.00], [1, 0.99, 0.00], [1, 0.10, 1.00], [1, 0.00, 0.90]])
    theta = np.linalg.solve(x.T @ x + 0.03 * np.diag([0, 1, 1]), x.T @ np.array([5, 4, 1, 1]))
    assert claims()[TUTORIAL] == f"{theta @ [1, 1.00, 0.01]:.2f}"


def test_the_ranks_give_the_quality_by_users_per_step():
    (table,) = [t for t in tables(ROOT / "docs" / "results-matrix-factorization.md") if t[0][0] == "users per step"]
    for users, hit_ratio, ndcg in table[1:]:
        runs = ranks_where("block-size-ml-1m", "sampled", model="dot", batch_size=users)
        assert len(runs) == 4
        assert [hit_ratio, ndcg] == [f"{np.mean(hit_ratios(runs)):.4f}", f"{np.mean(ndcgs(runs)):.4f}"]


@pytest.mark.parametrize(("study", "head", "num_rows"), [("ml-1m", "epochs", 8), ("pinterest-u37501", "model", 5)])
def test_the_ranks_give_the_quality_of_the_controls(study: str, head: str, num_rows: int):
    (table,) = [t for t in tables(ROOT / "docs" / "verdict.md") if t[0][0] == head]
    assert len(table) == 1 + num_rows
    for *model, epochs, decay, penalty, hit_ratio, ndcg in table[1:]:
        cells = {"model": [*model, "dot"][0], "num_epochs": epochs, "decay": decay, "bias_regularization": penalty}
        runs = ranks_where(f"controls-{study}", "sampled", **cells)
        assert len(runs) == 8
        assert [hit_ratio, ndcg] == [with_interval(hit_ratios(runs)), with_interval(ndcgs(runs))]


def test_the_ranks_give_the_quality_of_the_best_grid_point():
    runs = ranks_where("tuning-ml-1m", "sampled", model="dot", phase="final", split="test")
    text = " ".join((ROOT / "docs" / "results-matrix-factorization.md").read_text().split())
    assert f"{with_interval(hit_ratios(runs))} HR@10 and {with_interval(ndcgs(runs))} NDCG@10 on test" in text


QUOTED_ROWS = {
    "results-matrix-factorization.md": 22, "results-equal-budget.md": 12 + 4, "results-ncf-protocol.md": 8,
    "results-imitation.md": 4 + 11, "results-baselines.md": 15, "results-ratings.md": 4 + 7 + 16 + 7 + 11,
}  # fmt: skip


@pytest.mark.parametrize("page", QUOTED_ROWS)
def test_the_rows_of_a_page_are_rows_of_the_report(page):
    """Cell by cell in the same order; a page may leave columns out."""
    quoted = [table for table in tables(ROOT / "docs" / page) if {"seeds", "fitted"} & set(table[0])]
    rows = [cells for table in quoted for cells in table[1:]]
    assert len(rows) == QUOTED_ROWS[page]
    report = tables(REPORT)
    lines = [cells for table in report for cells in table[1:]]
    # The headline's settings are a table of their own behind its numbers.
    first = next(i for i, table in enumerate(report) if table[0][:2] == ["method", "HR@10 paper"])
    numbers, settings = report[first : first + 2]
    lines += [cells + more[1:] for cells, more in zip(numbers[1:], settings[1:], strict=True)]
    for cells in rows:
        assert any(is_subsequence(cells, line) for line in lines), cells


def is_subsequence(cells: list[str], line: list[str]) -> bool:
    rest = iter(line)
    return all(cell in rest for cell in cells)


RECOMPUTED = {"0.6875", "0.4139"}  # the best grid point's, in a test of its own


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("results-*.md"))], ids=lambda p: p.stem
)
def test_a_number_in_the_text_of_a_page_stands_in_the_report(page):
    """Of four digits; those of tables have tests of their own."""
    text = "\n".join(line for line in page.read_text().splitlines() if not line.startswith("|"))
    report = REPORT.read_text()
    assert {n for n in re.findall(r"(?<![\d.])0\.\d{4}\b", text) if n not in report} <= RECOMPUTED
