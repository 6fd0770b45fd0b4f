"""The verdict: one row per similarity and size, and how the best score of a search grows with its trials."""

from pathlib import Path

import numpy as np
import pytest

from experiments.entries import columns
from experiments.figures.verdict import SEARCHES, VERDICT, answer, draw, parts, tables, verdict
from ncfjax.evaluation.columns import COLUMNS
from ncfjax.store import Store

HITS, MISS = {"dot": 6, "mlp": 3, "cosine": 6}, 20  # of 8 users
PARAMETERS = {"dot": 1000, "mlp": 1040, "cosine": 1001}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three similarities of one size, four trials each: the second is the best, and ran twice; two final seeds."""
    store = Store(tmp_path / "search", columns()["sweep"])
    for number, model in enumerate(HITS):
        shared = dict.fromkeys(store.columns) | {
            "status": "completed", "dataset": "ml-1m", "model": model, "embedding_dim": 16, "objective": "sampled",
            "negatives": "file", "predictive_factors": 15, "multiplications": 15 * (number + 1), "seed": 0,
            "parameters": PARAMETERS[model], "train_seconds": 900.0,
        }  # fmt: skip
        trials = [(0.1, 2, 0.1, 0), (0.2, 2, 0.2, 0), (0.3, 2, 0.15, 0), (0.4, 2, 0.05, 0), (0.2, 6, 0.3, 0)]
        trials += [(0.2, 6, 0.5, 1)]  # of the best once more, with another seed, which is no trial
        for place, (rate, epochs, score, seed) in enumerate(trials):
            run_id = f"{number}{place}".rjust(16, "0")
            row = {"run_id": run_id, "phase": "tune", "split": "holdout", "learning_rate": rate, "num_epochs": epochs}
            row["seed"] = seed
            curve = [{"epoch": epoch, "metric": "ndcg@10", "value": score / epoch} for epoch in (1, epochs)]
            store.append(shared | row, curve, {})
        for seed in (0, 1):
            ranks = np.array([0] * HITS[model] + [MISS] * (8 - HITS[model]))
            ranks = np.roll(ranks, seed)
            row = {"run_id": f"{number}f{seed}".rjust(16, "0"), "phase": "final", "split": "test", "num_epochs": 6,
                   "learning_rate": 0.2, "seed": seed}  # fmt: skip
            metrics = {name: float(column.of_ranks(ranks)) for name, column in COLUMNS.items()}
            store.append(shared | row | metrics, [], {"sampled": ranks, "full": ranks})
    return store


def cells_below(text: str, head: str) -> list[list[str]]:
    lines = text.splitlines()
    below = lines[lines.index(head) + 2 :]
    end = next((i for i, line in enumerate(below) if not line.startswith("|")), len(below))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in below[:end]]


def test_a_row_says_what_a_similarity_reaches_what_it_costs_and_how_it_is_retrieved(store: Store):
    rows = {cells[1]: cells for cells in cells_below(tables(verdict(store)), VERDICT)}
    assert list(rows) == ["MF", "cosine", "MLP"]
    assert rows["MF"][2:7] == ["sampled", "1,000", "15", "2", "0.7500 ± 0.0000"]
    assert rows["MLP"][-2:] == ["30", "in two stages"] and rows["cosine"][-1] == "as a dot product"
    assert rows["MF"][8] == "" and rows["MLP"][8].startswith("-0.3750 (")


def test_a_trial_is_one_whether_it_ran_once_or_twice_and_its_score_is_the_best_of_its_curves(store: Store):
    rows = cells_below(tables(verdict(store)), SEARCHES)
    assert [row[1:] for row in rows] == [[name, "4", "0.3000", "0.3000", "1.50"] for name in ("MF", "cosine", "MLP")]
    (first, *_) = verdict(store).searches
    np.testing.assert_allclose(first.scores, [0.1, 0.3, 0.15, 0.05])
    np.testing.assert_allclose(first.best_so_far, [0.1, 0.3, 0.3, 0.3])


def test_the_answer_names_the_best_learned_similarity_of_each_size(store: Store):
    said = answer(verdict(store))
    assert "at d=16 cosine, +0.0000 (" in said and said.endswith("no difference.")


def test_a_pretrained_model_is_one_of_its_own(store: Store):
    """It starts as the dot product, and is neither counted with the same model from scratch nor called by its name."""
    row = store.runs().query("model == 'mlp' and phase == 'final'").iloc[0].to_dict()
    ranks = np.zeros(8, int)
    metrics = {name: float(column.of_ranks(ranks)) for name, column in COLUMNS.items()}
    changed = {"run_id": "e" * 16, "pretraining": "distilled, num_steps=10"} | metrics
    store.append(row | changed, [], {"sampled": ranks, "full": ranks})
    numbers = verdict(store)
    assert [row[1] for row in cells_below(tables(numbers), SEARCHES)] == ["MF", "cosine", "MLP"]
    assert "at d=16 MLP, pretrained, +0.2500 (" in answer(numbers)


def test_both_figures_show_every_similarity(store: Store):
    figures = {end: draw(part) for end, part in parts(verdict(store)).items()}
    assert set(figures) == {"", "_differences"}
    (axes,) = figures[""].axes
    assert [line.get_label() for line in axes.lines] == ["MF", "cosine", "MLP"]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [0.1, 0.3, 0.3, 0.3])
