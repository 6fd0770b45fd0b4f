"""Learned similarities against the dot product of the same embedding_dim, all tuned under one budget.

Read are the final runs of a tuning: one tuned setting per model and size, several seeds, on the test split. Each is
tested against the dot product of its size (pairwise.py). The winner of a size is the learned similarity that beats the
dot product, by most if there are several; "dot" if the dot product beats all of that size; else "no difference".
Learned similarities are not tested against each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import pandas as pd

from experiments.analysis.lines import MODELS, completed, is_pretrained, kinds_text, setting_columns, setting_texts
from experiments.analysis.pairwise import NO_DIFFERENCE, PairwiseTest, pairwise_tests
from experiments.analysis.runs import Runs
from ncfjax.evaluation.columns import COLUMNS
from ncfjax.store import Store

BASE = "dot"
FREE_WEIGHTS = ", weights free"
_USUAL = ("learning_rate", "regularization", "num_epochs")  # what every similarity has
# What says whether a run tunes, how its data were drawn, or is told by a model's name.
_NOT_CHOSEN = ("select_epoch", "negatives", "note", "pretraining", "regularize_weights")


@dataclass(frozen=True, eq=False)
class TunedModel(Runs):
    """The final runs of one model at one size."""

    dataset: str
    model: str  # as in conf/model/
    pretrained: bool
    free_weights: bool  # its weights pay no penalty
    embedding_dim: int
    num_diverged: int  # of the final runs
    tried: pd.DataFrame  # tuning runs, diverged ones too

    @property
    def name(self) -> str:
        return self.model + ", pretrained" * self.pretrained + FREE_WEIGHTS * self.free_weights

    @property
    def label(self) -> str:
        return f"{self.name} d={self.embedding_dim}"

    @property
    def order(self) -> tuple[int, int, bool, bool]:
        """By size, each size in the order of MODELS."""
        known = list(MODELS)
        place = known.index(self.model) if self.model in known else len(known)
        return self.embedding_dim, place, self.pretrained, self.free_weights


class EqualBudget(NamedTuple):
    """A study that tunes every model under one budget."""

    models: list[TunedModel]
    tests: list[PairwiseTest]

    @property
    def untested(self) -> list[TunedModel]:
        """Learned similarities without a dot product of their size, or without a completed run."""
        tested = {test.ours.order for test in self.tests}
        return [model for model in self.models if model.model != BASE and model.order not in tested]


def equal_budget(store: Store) -> EqualBudget:
    """Every learned similarity against the dot product of its size, where both have a completed run.

    Raises:
        ValueError, StoreError: as `tuned_models` and `pairwise_tests` do.
    """
    models = tuned_models(store)
    run = [tuned for tuned in models if len(tuned)]
    bases = {tuned.embedding_dim: tuned for tuned in run if tuned.model == BASE}
    pairs = [(t, bases[t.embedding_dim]) for t in run if t.model != BASE and t.embedding_dim in bases]
    return EqualBudget(models, [test for column in COLUMNS for test in pairwise_tests(pairs, column)])


def tuned_models(store: Store) -> list[TunedModel]:
    """The tuned models of a study, in order.

    Raises:
        ValueError: no final run on the test split, several data sets, or several settings of a model at one size.
    """
    runs = store.runs()
    final = runs[(runs["phase"] == "final") & (runs["split"] == "test")]
    if final.empty:
        got = kinds_text(runs, "phase", "split")
        raise ValueError(f"expected final runs of a tuning on the test split, got {got}")
    for column in ("dataset", "negatives"):
        if final[column].nunique() > 1:
            raise ValueError(f"expected final runs of one {column}, got {'; '.join(final[column].unique())}")
    tries, models = dict(iter(_by_size(runs[runs["phase"] == "tune"]))), []
    for (dim, model, *kind), rows in _by_size(final):
        num_diverged, tried = int((rows["status"] == "diverged").sum()), tries.get((dim, model, *kind), runs[:0])
        dataset = rows["dataset"].iloc[0]
        models.append(TunedModel(store, completed(rows), dataset, model, *kind, int(dim), num_diverged, tried))
        _check_one_setting(models[-1])
    return sorted(models, key=lambda tuned: tuned.order)


def _by_size(rows: pd.DataFrame):
    free_weights = rows["regularize_weights"] == "false"
    return rows.groupby([rows["embedding_dim"], rows["model"], is_pretrained(rows), free_weights])


def _check_one_setting(tuned: TunedModel) -> None:
    rows = tuned.rows
    if len(rows[["objective", *setting_columns(rows)]].drop_duplicates()) > 1:
        settings = sorted({text.replace("\n", ", ") for text in rows["objective"] + "\n" + setting_texts(rows)})
        raise ValueError(f"{tuned.label}: expected final runs of one tuned setting, got {'; '.join(settings)}")


def tuned_settings(models: Sequence[TunedModel]) -> list[str]:
    """The columns that tell what was tuned: the usual ones, and every other that differs between tuned models or that
    some tuning varied."""
    of_models = [pd.concat([tuned.rows for tuned in models]), *(tuned.tried for tuned in models)]
    return [
        column
        for column in setting_columns(models[0].rows)
        if column in _USUAL
        or (column not in _NOT_CHOSEN and any(rows[column].nunique(dropna=False) > 1 for rows in of_models))
    ]


def winner(tests: Sequence[PairwiseTest]) -> str:
    """Of all the tests of one size, by one column."""
    beating = [test for test in tests if test.winner == test.ours.name]
    if beating:
        return max(beating, key=lambda test: test.comparison.difference).ours.name
    return BASE if all(test.winner == BASE for test in tests) else NO_DIFFERENCE
