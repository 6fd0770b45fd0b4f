"""NCF rerun by its own protocol: what was published, ours, and how much choosing the epoch on test adds.

    test selection bias    x_s(its best epoch on test) - x_s(the holdout's epoch), mean over seeds s and its t-interval

over the seeds that have both. The best epoch on test is that of the highest HR@10, as NCF's code reports it, and so are
the published numbers (literature/figure2.yaml). These go by predictive factors: the width of a tower's last layer, or
GMF's embedding_dim. No number of GMF was published; of its saved weights there is one.
"""

from typing import NamedTuple

import pandas as pd

from experiments.analysis.lines import is_pretrained, model_name, setting_columns, settings_of
from experiments.analysis.published import figure2, published_value, saved_weights
from experiments.analysis.runs import Runs
from ncfjax.evaluation.intervals import SeedMean, seed_mean
from ncfjax.store import Store

_LEARNED = ["gmf", "mlp", "neumf"]
_CHOICE = ("num_epochs", "select_epoch")  # what two runs that differ in the choice of the epoch alone may differ in


class Reproduction(NamedTuple):
    """One model with one setting."""

    dataset: str
    name: str
    embedding_dim: int
    layers: str
    learning_rate: float
    selected_on_holdout: Runs  # on test, up to the epoch that the holdout chose
    selected_on_test: Runs  # those whose epoch was chosen on test
    num_diverged: int

    @property
    def factors(self) -> int:
        return int(self.layers.split("-")[-1]) if self.layers else self.embedding_dim

    def published(self, column: str) -> float | None:
        dims_per_factor = figure2()[self.name].dims_per_factor if self.name in figure2() else 0
        return published_value(self.name, self.dataset, column, dims_per_factor * self.factors)

    def saved(self, column: str) -> float | None:
        weights = saved_weights().values.get(self.dataset, {}).get(self.name, {})
        return weights.get(column) if self.factors == saved_weights().factors else None

    def test_selection_bias(self, column: str) -> SeedMean:
        """Over the seeds that were run both ways."""
        choices = self.selected_on_test, self.selected_on_holdout
        on_test, on_holdout = (runs.rows.set_index("seed")[column] for runs in choices)
        return seed_mean((on_test - on_holdout).to_numpy(float))


def reproductions(store: Store) -> list[Reproduction]:
    """GMF, MLP and NeuMF of a study, each from scratch, then pretrained.

    Raises:
        ValueError: no test run whose epoch was chosen, several data sets, or a seed that has several runs.
    """
    runs = store.runs()
    runs = runs.assign(note=settings_of(runs["note"]))
    by_holdout = (runs["phase"] == "final") & (runs["select_epoch"] == "holdout")
    is_chosen = (runs["split"] == "test") & (by_holdout | (runs["select_epoch"] == "test"))
    rows = runs[is_chosen & runs["model"].isin(_LEARNED)]
    if rows.empty:
        raise ValueError(
            f"expected test runs of {', '.join(_LEARNED)} with select_epoch=holdout or test, got none among "
            f"{len(runs)} rows"
        )
    if rows["dataset"].nunique() > 1:
        raise ValueError(f"expected runs on one data set, got {'; '.join(rows['dataset'].unique())}")
    settings = [rows[column] for column in setting_columns(rows) if column not in _CHOICE]
    keys = [rows["model"].map(_LEARNED.index), is_pretrained(rows), rows["embedding_dim"]]
    return [_reproduction(store, group) for _, group in rows.groupby([*keys, *settings], dropna=False)]


def _reproduction(store: Store, rows: pd.DataFrame) -> Reproduction:
    first = rows.iloc[0]
    name = model_name(first["model"], first["pretraining"] != "")
    completed = rows[rows["status"] == "completed"].sort_values("seed")
    by_choice = {choice: completed[completed["select_epoch"] == choice] for choice in ("holdout", "test")}
    for choice, chosen in by_choice.items():
        if chosen["seed"].duplicated().any():
            epochs = ", ".join(str(n) for n in sorted(chosen["num_epochs"].unique()))
            raise ValueError(
                f"{name} d={first['embedding_dim']}: expected one run per seed with select_epoch={choice}, got several "
                f"(num_epochs {epochs})"
            )
    setting = int(first["embedding_dim"]), first["layers"], float(first["learning_rate"])
    chosen = (Runs(store, rows) for rows in by_choice.values())
    return Reproduction(first["dataset"], name, *setting, *chosen, len(rows) - len(completed))
