"""The committed tables: they meet the quality bars, say where they come from, and are what the README quotes."""

import itertools
import re
import subprocess
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.analysis import equal_budget
from experiments.analysis.distillation import DistilledCell, distilled_cells
from experiments.analysis.equal_budget import tuned_models
from experiments.analysis.figure3 import gap_cells
from experiments.analysis.methods import methods
from experiments.analysis.published import figure2 as published_figure2
from experiments.analysis.ratings import rated_data
from experiments.analysis.results import Results
from experiments.entries import columns
from experiments.figures.equal_budget import paired_table, quality_table
from experiments.figures.html import to_html
from experiments.figures.page import TITLE
from experiments.figures.sections import SECTIONS, Section
from ncfjax.evaluation.metrics import hit_ratio, ndcg
from ncfjax.store import Store

COLUMNS_OF = columns()

ROOT = Path(__file__).parents[1]
RESULTS = Results(ROOT / "results", COLUMNS_OF)
DIMS = [16, 32, 64, 96, 128, 192]
COLUMNS = ["hit_ratio@10", "ndcg@10"]
SAMPLED_DIMS = [16, 64, 192]
SETTINGS = ["learning_rate", "regularization", "stddev", "negative_weight", "num_negatives", "num_epochs"]


@pytest.fixture(scope="module")
def figure2() -> Store:
    return RESULTS.store("figure2-ml-1m", "sweep")


def trained(store: Store, objective: str) -> pd.DataFrame:
    runs = store.runs()
    return runs[(runs["model"] == "dot") & (runs["objective"] == objective)]


def means(store: Store, objective: str) -> pd.DataFrame:
    return trained(store, objective).groupby("embedding_dim")[COLUMNS].mean()


@pytest.mark.parametrize(("objective", "dims", "seeds"), [("expected", DIMS, 8), ("sampled", SAMPLED_DIMS, 4)])
def test_every_dimension_has_its_seeds_and_the_settings_of_the_study(figure2, objective, dims, seeds):
    runs = trained(figure2, objective)
    assert runs.groupby("embedding_dim")["seed"].unique().map(len).to_dict() == dict.fromkeys(dims, seeds)
    assert len(runs) == len(dims) * seeds
    settings = ["dataset", "split", "phase", "status", "optimizer", "negatives", *SETTINGS]
    for values in runs[settings].drop_duplicates().to_numpy().tolist():
        assert values == ["ml-1m", "test", "run", "completed", "sgd", "file", 0.002, 0.005, 0.1, 1.0, 8, 256]


def test_the_largest_dimension_meets_its_bar(figure2):
    best = means(figure2, "expected").loc[192]
    assert best["hit_ratio@10"] >= 0.7280 and best["ndcg@10"] >= 0.4510


def test_the_smallest_dimension_meets_its_bar(figure2):
    smallest = means(figure2, "expected").loc[16]
    assert smallest["hit_ratio@10"] >= 0.6860 and smallest["ndcg@10"] >= 0.4115


def test_half_of_the_epochs_cost_little(figure2):
    """The schedule that the holdout chose, at 192 dimensions."""
    fast = means(RESULTS.store("figure2-fast-ml-1m", "sweep"), "expected").loc[192]
    whole = means(figure2, "expected").loc[192]
    assert whole["hit_ratio@10"] - fast["hit_ratio@10"] < 0.003 and whole["ndcg@10"] - fast["ndcg@10"] < 0.002


def test_the_block_of_users_makes_no_difference():
    runs = RESULTS.store("block-size-ml-1m", "sweep").runs()
    by_block = runs[runs["model"] == "dot"].groupby("batch_size")[["hit_ratio@10", "ndcg@10"]].mean()
    assert list(by_block.index) == [8, 32, 64, 128]
    assert (by_block.loc[[8, 32, 64]].max() - by_block.loc[[8, 32, 64]].min()).max() < 0.002


@pytest.mark.parametrize(("objective", "dims"), [("expected", DIMS), ("sampled", SAMPLED_DIMS)])
def test_every_dimension_is_within_the_bar_of_the_study_or_better(figure2, objective, dims):
    ours, study = means(figure2, objective), published_figure2()["MF"]
    assert sorted(ours.index) == dims
    for dim in dims:
        for column, bar in (("hit_ratio@10", 0.006), ("ndcg@10", 0.005)):
            assert ours.loc[dim, column] >= study.curve("ml-1m", column)[dim] - bar, (dim, column)


def test_the_learned_similarities_of_figure_2_run_at_what_the_holdout_chose_for_a_size_near_theirs(figure2):
    chosen = RESULTS.store("search-ml-1m", "sweep").runs()
    chosen = chosen[(chosen["phase"] == "final") & (chosen["pretraining"] == "")]
    own = ["decay", "weights_rate", "weights_regularization"]
    runs, settings = figure2.runs(), ["objective", "optimizer", "batch_size", *SETTINGS, *own]
    searched = {
        "gmf": {16: 32, 32: 32, 64: 64, 96: 128, 128: 128, 192: 128},
        "mlp": {16: 32, 32: 32, 64: 64},
        "neumf": {24: 32, 48: 64, 96: 128, 192: 128},
    }
    for model, dims in searched.items():
        ours = runs[runs["model"] == model]
        assert ours.groupby("embedding_dim").size().to_dict() == dict.fromkeys(dims, 4)
        for dim, of_dim in ours.groupby("embedding_dim"):
            tuned_dim = chosen[(chosen["model"] == model) & (chosen["embedding_dim"] == dims[dim])]
            ((expected, got),) = zip(
                *(set(rows[settings].itertuples(index=False, name=None)) for rows in (tuned_dim, of_dim)), strict=True
            )
            assert got == expected, (model, dim)


def test_the_metrics_of_every_row_are_those_of_its_stored_ranks(committed_store):
    runs = committed_store.runs()
    completed = runs[runs["status"] == "completed"]
    if "rmse" in runs:  # ratings: what is kept of users and items adds up to the error
        for row in completed.to_dict("records"):
            kept = committed_store.ranks(row["run_id"])
            for side in ("users", "items"):
                error = np.sqrt(kept[f"{side}_squared_error"].sum(dtype=float) / kept[f"{side}_test"].sum())
                assert error == pytest.approx(row["rmse"], abs=1e-5)
        return
    for row in completed[completed["hit_ratio@10"].notna()].to_dict("records"):
        ranks = committed_store.ranks(row["run_id"])
        for name in ranks.keys() - {"num_others"}:
            if "method" in runs and name == "full":
                continue  # of retrieval the row has what is found
            prefix = "dot_" * name.startswith("dot_") + "full_" * name.endswith("full")
            assert row[f"{prefix}hit_ratio@10"] == pytest.approx(hit_ratio(ranks[name], 10), abs=1e-12)
            assert row[f"{prefix}ndcg@10"] == pytest.approx(ndcg(ranks[name], 10), abs=1e-12)


def test_only_figure_3_and_retrieval_have_runs_that_are_not_ranked(committed_store):
    runs = committed_store.runs()
    if "rmse" in runs:
        return  # ratings are predicted
    runs = runs[runs["status"] == "completed"]
    # Of retrieval, a search that re-ranks does not rank every item.
    others = committed_store.folder.name == "figure3" or "method" in runs
    assert runs["hit_ratio@10"].isna().any() == others


def test_tuning_chose_by_the_holdout_and_only_then_looked_at_the_test_split():
    runs = RESULTS.store("tuning-ml-1m", "sweep").runs()
    runs = runs[runs["model"] == "dot"]
    tuned, final = runs[runs["phase"] == "tune"], runs[runs["phase"] == "final"]
    assert set(tuned["split"]) == {"holdout"} and set(final["split"]) == {"test"}
    assert tuned.groupby(SETTINGS).ngroups == 60 and len(final) == 8
    assert final["started_at"].min() >= tuned["started_at"].max()
    winner = tuned.groupby(SETTINGS)["ndcg@10"].mean().idxmax()
    assert set(final[SETTINGS].itertuples(index=False, name=None)) == {winner}


@pytest.fixture(scope="module")
def ncf() -> Store:
    return RESULTS.store("ncf-reference-ml-1m", "sweep")


NCF_BARS = {"gmf": 0.630, "mlp": 0.665, "neumf": 0.675}


def test_ncfs_protocol_meets_its_bars_at_the_epoch_that_the_holdout_chose(ncf):
    runs = ncf.runs()
    runs = runs[runs["pretraining"] == ""]
    tuned, final = runs[runs["phase"] == "tune"], runs[runs["phase"] == "final"]
    assert set(final["split"]) == {"test"} and set(final["select_epoch"]) == {"holdout"}
    assert set(final["optimizer"]) == {"adam"} and set(final["shuffle_examples"]) == {"true"}
    curves = ncf.curves()
    on_holdout = curves[curves["metric"] == "hit_ratio@10"].merge(tuned[["run_id", "model"]])
    for model, of_model in final.groupby("model"):
        assert len(of_model) >= 3 and of_model["hit_ratio@10"].mean() >= NCF_BARS[model]
        means = on_holdout[on_holdout["model"] == model].groupby("epoch")["value"].mean()
        assert set(of_model["epoch"]) == {means.idxmax()}
    assert set(final["model"]) == set(NCF_BARS)


@pytest.mark.parametrize(
    ("study", "points", "epochs", "seeds"),
    [("equal-budget-ml-1m", 9, 24, 4), ("equal-budget-pinterest-u37501", 6, 10, 3)],
)
def test_the_equal_budget_was_equal_and_chosen_on_the_holdout(study, points, epochs, seeds):
    runs, competitor = RESULTS.store(study, "sweep").runs(), ["model", "embedding_dim", "regularize_weights"]
    tried, final = runs[runs["phase"] == "tune"], runs[runs["phase"] == "final"]
    assert set(tried["split"]) == {"holdout"} and set(final["split"]) == {"test"}
    sizes = tried.groupby(competitor).size()
    assert set(sizes) == {points} and set(tried["num_epochs"]) == {epochs}
    assert set(final.groupby(competitor)["seed"].nunique()) == {seeds}
    assert set(sizes.index) == set(final.groupby(competitor).size().index)


BASELINE_BARS = {
    "popularity": (0.4531, 0.2541), "ItemKNN": (0.662, 0.390), "SLIM": (0.714, 0.444), "EASE": (0.7191, 0.4493),
    "iALS d=64": (0.720, 0.443), "iALS d=192": (0.728, 0.449), "MF d=192": (0.7275, 0.4510),
}  # fmt: skip


def test_the_simple_methods_meet_their_bars():
    by_name = {method.name: method for method in methods(RESULTS)}
    assert all(len(method) for method in by_name.values() if method.declared.study), "every method that is run has rows"
    for name, (hit_ratio_bar, ndcg_bar) in BASELINE_BARS.items():
        means = by_name[name].rows[COLUMNS].mean().round(4)
        assert means["hit_ratio@10"] >= hit_ratio_bar and means["ndcg@10"] >= ndcg_bar, name
    popularity = by_name["popularity"].rows[COLUMNS].round(4)
    assert popularity.to_numpy().tolist() == [[0.4531, 0.2541]]


def test_ease_at_the_published_penalty_gives_the_published_numbers():
    runs = RESULTS.store("baselines-ml-1m", "baselines").runs()
    (row,) = runs[(runs["model"] == "ease") & (runs["phase"] == "run")].to_dict("records")
    assert row["regularization"] == 1320
    assert [row[column] for column in COLUMNS] == pytest.approx([0.7192, 0.4494], abs=1e-4)


def test_baselines_were_tuned_on_the_holdout():
    runs = RESULTS.store("baselines-ml-1m", "baselines").runs()
    axes = {"item_knn": ["num_neighbors", "shrinkage"], "ease": ["regularization"], "slim": ["l1", "l2"]}
    for model, of_model in axes.items():
        tried = runs[(runs["model"] == model) & (runs["phase"] == "tune")]
        final = runs[(runs["model"] == model) & (runs["phase"] == "final")]
        assert set(tried["split"]) == {"holdout"} and set(final["split"]) == {"test"} and len(final) == 1
        best = tried.loc[tried["ndcg@10"].idxmax(), of_model]
        assert final.iloc[0][of_model].tolist() == best.tolist()


@pytest.fixture(scope="module")
def figure3() -> Store:
    return RESULTS.store("figure3", "imitate")


def test_every_small_cell_of_figure_3_is_within_its_bar_of_the_paper(figure3):
    """15 % or 0.004; what lies beyond the paper's axis, which ends at 0.10, does so here."""
    by_size = {cell[:3]: cell for cell in gap_cells(figure3.runs()) if not cell.setup}
    wanted = set(itertools.product((1, 2, 4), (16, 32, 64), (4000, 8000, 16000, 32000))) - {(4, 64, 32000)}
    wanted |= set(itertools.product((1, 2), (128,), (4000, 8000))) | {(1, 128, 16000)}
    wanted |= {(1, 16, 64000), (1, 16, 128000)}
    of_two_seeds = {(2, 16, 64000), (2, 16, 128000), (4, 16, 64000), (4, 64, 16000)}
    assert set(by_size) == wanted | of_two_seeds and len(by_size) == 45
    for size, cell in by_size.items():
        assert cell.fresh.n == (2 if size in of_two_seeds else 5) and cell.diverged == 0
        if cell.paper is None:
            assert cell.fresh.mean > 0.10, size
        else:
            assert abs(cell.fresh.mean - cell.paper) <= max(0.15 * cell.paper, 0.004), size
    assert sum(cell.paper is None for cell in by_size.values()) == 9


@pytest.mark.parametrize(
    ("study", "folds", "model", "bar"),
    [
        ("ratings-ml-100k", "random", "alternating", 0.908),
        ("ratings-ml-100k", "official", "alternating", 0.913),
        ("ratings-ml-100k", "official", "dot", 0.913),
        ("ratings-ml-1m", "share", "alternating", 0.845),
        ("ratings-ml-1m", "share", "dot", 0.845),
        ("ratings-netflix-excerpt", "official", "alternating", 0.942),
        ("ratings-netflix-excerpt", "official", "dot", 0.942),
    ],
)
def test_factorization_of_ratings_meets_its_bar(study: str, folds: str, model: str, bar: float):
    runs = RESULTS.store(study, "ratings").runs()
    final = runs[(runs["phase"] == "final") & (runs["folds"] == folds) & (runs["model"] == model)]
    assert final["split"].eq("test").all() and final["rmse"].mean() <= bar


def test_simple_predictors_of_ratings_are_those_of_the_oracles():
    runs = RESULTS.store("ratings-ml-100k", "ratings").runs()
    final = runs[(runs["phase"] == "final") & (runs["folds"] == "random")].groupby("model")["rmse"].mean()
    for model, rmse in (("global_mean", 1.126), ("user_mean", 1.042), ("item_mean", 1.024), ("biases", 0.939)):
        assert final[model] == pytest.approx(rmse, abs=0.003)


def test_genres_beat_the_mean_of_the_user_where_an_item_has_no_ratings_and_factorization_does_not():
    (data,) = rated_data(RESULTS.store("cold-items-ml-100k", "ratings"))
    won = {(test.ours.name, test.other.name): test.winner for test in data.tests}
    assert won["content based (genres)", "user mean"] == "content based (genres)"
    assert won["user mean", "alternating d=64"] == "user mean"


def test_the_leak_claims_what_the_report_claimed():
    """An error below 0.2 on the validation rows, less after rounding; on test ratings one above 1."""
    runs = RESULTS.store("report-leak", "ratings").runs()
    leaks = runs[runs["leak"] == "true"].groupby("model")[["rmse", "rmse_validation", "rmse_validation_rounded"]].mean()
    assert sorted(leaks.index) == ["dot", "neumf"] and (leaks["rmse"] > 1.0).all()
    assert (leaks["rmse_validation"] < 0.2).all() and (
        leaks["rmse_validation_rounded"] < leaks["rmse_validation"]
    ).all()


def test_the_generated_data_have_the_errors_of_the_study(figure3):
    means = figure3.runs()[["rmse_trivial_test", "rmse_dot_test", "rmse_dot_fresh"]].mean()
    assert means.round(2).tolist() == [1.13, 0.85, 0.85]


@pytest.fixture(scope="module")
def distilled() -> list[DistilledCell]:
    return distilled_cells(RESULTS.store("distillation-ml-1m", "imitate"))


@pytest.mark.slow
def test_what_distillation_loses(distilled):
    """A wider network loses less, and no network beats its dot model by more than chance."""
    assert len(distilled) == 11  # all but m=2 with 400 pairs at d=64
    for cell in distilled:
        assert len(cell.rows) == 3 and not cell.setup
        assert cell.mean("rmse_test").mean < 0.2 * cell.mean("rmse_trivial_test").mean
        assert cell.mean("dot_hit_ratio@10").mean > 0.68
        assert cell.lost["ndcg@10"].low < 0.0 and -0.03 < cell.lost["hit_ratio@10"].difference < 0.003
    narrow, wide = ([cell for cell in distilled if cell.rows["width_multiplier"].eq(m).all()] for m in (1, 2))
    assert (len(narrow), len(wide)) == (6, 5)
    for cell in wide:
        size = cell.embedding_dim, cell.pairs_per_user
        (other,) = [c for c in narrow if (c.embedding_dim, c.pairs_per_user) == size]
        assert cell.lost["ndcg@10"].difference > other.lost["ndcg@10"].difference


def test_there_are_the_studies_that_the_readme_tells_of(committed_studies):
    assert committed_studies == [
        "baselines-ml-1m", "block-size-ml-1m", "cold-items-ml-100k", "controls-ml-1m", "controls-pinterest-u37501",
        "distillation-ml-1m", "equal-budget-ml-1m", "equal-budget-pinterest-u37501", "figure2-fast-ml-1m",
        "figure2-ml-1m", "figure3", "ncf-reference-ml-1m", "precision-ml-1m", "ratings-ml-100k", "ratings-ml-1m",
        "ratings-netflix-excerpt", "report-leak", "retrieval-ml-1m", "retrieval-models-ml-1m",
        "retrieval-models-pinterest-u37501", "retrieval-pinterest-u37501", "retrieval-scale", "search-ml-1m",
        "search-pinterest-u37501", "tuning-ml-1m", "weak-evaluation-ml-1m", "worked-example"
    ]  # fmt: skip


def test_every_row_says_where_it_comes_from(committed_store):
    runs = committed_store.runs()
    assert not runs["command"].str.contains("data_dir=|results_dir=").any(), "a command that runs on other machines"
    (entry,) = [name for name, types in COLUMNS_OF.items() if types == committed_store.columns]
    assert runs["command"].str.startswith(f"python -m experiments.{entry} +study=").all()
    assert (runs["device"] != "").all() and (runs["started_at"] != "").all()


@pytest.mark.usefixtures("history")
def test_every_row_was_made_by_committed_code(committed_store):
    for commit in committed_store.runs()["commit"].unique():
        assert is_ancestor(commit), commit


def is_ancestor(commit: str) -> bool:
    done = subprocess.run(["git", "-C", ROOT, "merge-base", "--is-ancestor", commit, "HEAD"], capture_output=True)
    return done.returncode == 0


@pytest.fixture(scope="module")
def page() -> str:
    return (ROOT / "results" / "REPORT.md").read_text()


def test_the_report_was_built_from_the_tables_as_they_are(page, committed_studies):
    """By their digests: `python -m experiments.report` after a change of a table."""
    stated = dict(re.findall(r"\| results/([\w-]+)/runs.csv \| .* \| (\w{12}) \|", page))
    tables = {name: (ROOT / "results" / name / "runs.csv").read_bytes() for name in committed_studies}
    assert stated == {name: sha256(table).hexdigest()[:12] for name, table in tables.items()}
    assert "**Missing**" not in page and "stale:" not in page


# Bootstraps of 66 pairs and of 37,501 users, spectra of 6,040 histories: a minute each.
SLOW = (
    "The order of the methods, and whether sampling changes it",
    "The same on a subset of Pinterest",
    "Learned similarities under an equal budget",
    "What corrected estimators make of the sampled ranks",
)


@pytest.mark.slow
@pytest.mark.parametrize("section", [part for part in SECTIONS if part.title not in SLOW], ids=lambda part: part.title)
def test_the_report_quotes_the_tables(page, distilled, section: Section):
    numbers = distilled if section.name == "distillation" else section.analyse(RESULTS, section.study)
    assert section.tables(numbers) in page
    assert section.answer(numbers) in page


@pytest.mark.slow
def test_the_report_quotes_the_equal_budgets(page, monkeypatch):
    """Of the tests, which take a bootstrap each, those of one metric: each metric is corrected alone."""
    for study in ("equal-budget-ml-1m", "equal-budget-pinterest-u37501"):
        assert quality_table(tuned_models(RESULTS.store(study, "sweep"))) in page
    monkeypatch.setattr(equal_budget, "COLUMNS", {"ndcg@10": equal_budget.COLUMNS["ndcg@10"]})
    rows = paired_table(equal_budget.equal_budget(RESULTS.store("equal-budget-ml-1m", "sweep"))).splitlines()
    assert len(rows) == 2 + 8 and all(row in page for row in rows)


def test_the_page_of_the_report_stands_alone_and_says_the_same(page):
    html = (ROOT / "results" / "report.html").read_text()
    assert html == to_html(page, TITLE, lambda path: (ROOT / "results" / path).read_bytes())
