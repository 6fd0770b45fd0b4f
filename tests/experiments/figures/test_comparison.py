import pandas as pd

from experiments.entries import columns
from experiments.figures.figure2 import HEAD, comparison

COLUMNS = columns()


def rows(**columns) -> pd.DataFrame:
    """Completed runs of the dot product on ML-1M at d=192, a value per run in each of `columns`."""
    number = len(next(iter(columns.values())))
    settings = {"dataset": "ml-1m", "split": "test", "phase": "run", "status": "completed", "model": "dot"}
    fixed = settings | {"objective": "expected", "embedding_dim": 192, "batch_size": 16, "negatives": "file"}
    fixed |= dict.fromkeys(["layers", "pretraining", "select_epoch"], "")
    metrics = dict.fromkeys(["full_hit_ratio@10", "full_ndcg@10"], 0.1)
    return pd.DataFrame([fixed | metrics] * number).assign(**columns).reindex(columns=list(COLUMNS["sweep"]))


def test_three_seeds_on_paper():
    """Mean 0.73, standard deviation 0.001, t(0.975, 2) = 4.303: half an interval of 0.0025; the study has 0.7294."""
    runs = rows(**{"hit_ratio@10": [0.729, 0.730, 0.731], "ndcg@10": [0.45, 0.45, 0.45], "seed": [0, 1, 2]})
    line = comparison(runs).splitlines()[-1]
    assert line == (
        "| MF | expected | 192 | 3 | 0.7294 | 0.7300 ± 0.0025 | +0.0006 "
        "| 0.4523 | 0.4500 ± 0.0000 | -0.0023 | 0.1000 | 0.1000 |"
    )


def test_settings_that_tie_are_named():
    columns = {"hit_ratio@10": [0.7, 0.6], "ndcg@10": [0.4, 0.3], "seed": [0, 0], "batch_size": [8, 16]}
    cells = [line.split(" | ")[1] for line in comparison(rows(**columns)).splitlines()[2:]]
    assert cells == ["expected, batch_size 8", "expected, batch_size 16"]


def test_a_published_number_of_three_digits_and_the_difference_to_it_have_three():
    """He et al. have 0.684 and 0.410 of an MLP at d=32; 0.6836 is 0.0004 below, which is nothing in three digits."""
    runs = rows(**{"hit_ratio@10": [0.6836], "ndcg@10": [0.4132], "seed": [0]})
    line = comparison(runs.assign(model="mlp", embedding_dim=32, layers="64-32-16")).splitlines()[-1]
    assert line == ("| MLP | expected | 32 | 1 | 0.684 | 0.6836 | +0.000 | 0.410 | 0.4132 | +0.003 | 0.1000 | 0.1000 |")


def test_of_gmf_nothing_was_published():
    runs = rows(**{"hit_ratio@10": [0.7], "ndcg@10": [0.4], "seed": [0]}).assign(model="gmf")
    assert comparison(runs).splitlines()[-1].startswith("| GMF | expected | 192 | 1 |  | 0.7000 |  |  | 0.4000 |  |")


def test_an_epoch_chosen_on_test_and_pretraining_are_rows_of_their_own():
    values = {"hit_ratio@10": [0.6, 0.7, 0.8], "ndcg@10": [0.4, 0.5, 0.6], "seed": [0, 0, 0]}
    kinds = {"select_epoch": ["", "test", ""], "pretraining": ["", "", "keras, alpha=0.5"]}
    table = comparison(rows(**values, **kinds).assign(model="neumf", embedding_dim=24)).splitlines()[2:]
    assert [[line.split(" | ")[n].lstrip("| ") for n in (0, 1, 4, 5)] for line in table] == [
        ["NeuMF", "expected", "0.688", "0.6000"],
        ["NeuMF, pretrained", "expected", "0.684", "0.8000"],
        ["NeuMF", "expected, epoch chosen on test", "0.688", "0.7000"],
    ]


def test_the_rule_has_as_many_columns_as_the_head():
    runs = rows(**{"hit_ratio@10": [0.7], "ndcg@10": [0.4], "seed": [0]})
    assert {line.count("|") for line in comparison(runs).splitlines()} == {HEAD.count("|")}


def test_without_a_test_run_there_is_no_table():
    runs = rows(**{"hit_ratio@10": [0.7], "ndcg@10": [0.4], "seed": [0]})
    assert comparison(runs.assign(split="holdout")) == ""
