"""When one model is better than another, and learned similarities against the dot product of the same embedding_dim.

    difference    mean over users of a learned similarity's metric less that of the dot product, each averaged over its
                  seeds; its interval is for other users and other seeds
    p-value       of Wilcoxon's signed-rank test of the users' differences, corrected by Holm over all sizes and models
                  in the same metric and protocol: each of these four columns is a family of its own
    winner        the better of the two, or "no difference" where the interval holds 0 or the corrected p >= 0.05

Read are the final runs of a tuning: one tuned setting per model and size, several seeds, on the test split. The winner
of a size is the learned similarity that beats the dot product, by most if there are several; "dot" if the dot product
beats all of that size; else "no difference". Learned similarities are not tested against each other.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Integer

from experiments.analysis.lines import MODELS, completed, is_pretrained, setting_columns, setting_texts
from experiments.analysis.metrics import COLUMNS, K
from ncfjax.evaluation.significance import Comparison, compare, holm
from ncfjax.store import Store

LEVEL = 0.05
BASE, NO_DIFFERENCE = "dot", "no difference"
FREE_WEIGHTS = ", weights free"


def decide(comparison: Comparison, p_value: float, ours: str, other: str) -> str:
    """The better of two, or NO_DIFFERENCE where the interval holds 0 or the corrected p-value is not below LEVEL."""
    if comparison.low <= 0.0 <= comparison.high or p_value >= LEVEL:
        return NO_DIFFERENCE
    return ours if comparison.low > 0.0 else other


class TunedModel(NamedTuple):
    """One model at one size."""

    dataset: str
    model: str  # as in conf/model/
    pretrained: bool
    free_weights: bool  # its weights pay no penalty
    embedding_dim: int
    rows: pd.DataFrame  # completed final runs, all of one setting
    num_diverged: int  # of the final runs
    tried: pd.DataFrame  # tuning runs, diverged ones too

    @property
    def name(self) -> str:
        return self.model + ", pretrained" * self.pretrained + FREE_WEIGHTS * self.free_weights

    @property
    def order(self) -> tuple[int, int, bool, bool]:
        """By size, each size in the order of MODELS."""
        known = list(MODELS)
        place = known.index(self.model) if self.model in known else len(known)
        return self.embedding_dim, place, self.pretrained, self.free_weights

    def ranks(self, store: Store, protocol: str) -> Integer[np.ndarray, "seeds users"]:
        return np.stack([store.ranks(run_id)[protocol] for run_id in self.rows["run_id"]])


class PairwiseTest(NamedTuple):
    """A learned similarity against the dot product of its size, by one column of runs.csv."""

    ours: TunedModel
    column: str
    comparison: Comparison
    p_value: float  # corrected

    @property
    def winner(self) -> str:
        """The name of the model, "dot" or "no difference"."""
        return decide(self.comparison, self.p_value, self.ours.name, BASE)


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
    """Raises ValueError and StoreError as `tuned_models` and `pairwise_tests` do."""
    models = tuned_models(store.runs())
    return EqualBudget(models, pairwise_tests(store, models))


def tuned_models(runs: pd.DataFrame) -> list[TunedModel]:
    """The tuned models of a study, in order.

    Raises:
        ValueError: no final run on the test split, several data sets, or several settings of a model at one size.
    """
    final = runs[(runs["phase"] == "final") & (runs["split"] == "test")]
    if final.empty:
        kinds = ", ".join(f"{n} {' '.join(kind)}" for kind, n in runs.groupby(["phase", "split"]).size().items())
        raise ValueError(f"expected final runs of a tuning on the test split, got {kinds or 'none'}")
    for column in ("dataset", "negatives"):
        if final[column].nunique() > 1:
            raise ValueError(f"expected final runs of one {column}, got {'; '.join(final[column].unique())}")
    tries, models = dict(iter(_by_size(runs[runs["phase"] == "tune"]))), []
    for (dim, model, *kind), rows in _by_size(final):
        num_diverged, tried = int((rows["status"] == "diverged").sum()), tries.get((dim, model, *kind), runs[:0])
        tuned = TunedModel(rows["dataset"].iloc[0], model, *kind, int(dim), completed(rows), num_diverged, tried)
        _check_one_setting(tuned)
        models.append(tuned)
    return sorted(models, key=lambda tuned: tuned.order)


def _by_size(rows: pd.DataFrame):
    free_weights = rows["regularize_weights"] == "false"
    return rows.groupby([rows["embedding_dim"], rows["model"], is_pretrained(rows), free_weights])


def _check_one_setting(tuned: TunedModel) -> None:
    rows = tuned.rows
    if len(rows[["objective", *setting_columns(rows)]].drop_duplicates()) > 1:
        settings = sorted({text.replace("\n", ", ") for text in rows["objective"] + "\n" + setting_texts(rows)})
        raise ValueError(
            f"{tuned.name} d={tuned.embedding_dim}: expected final runs of one tuned setting, got {'; '.join(settings)}"
        )


def pairwise_tests(store: Store, models: Sequence[TunedModel]) -> list[PairwiseTest]:
    """Every learned similarity against the dot product of its size, where both have a completed run.

    Raises:
        ValueError, StoreError: ranks that are missing, or of other users.
    """
    bases = {tuned.embedding_dim: tuned for tuned in models if tuned.model == BASE and len(tuned.rows)}
    learned = [t for t in models if t.model != BASE and len(t.rows) and t.embedding_dim in bases]
    tests = []
    for column, (_, protocol, metric) in COLUMNS.items():
        pairs = [(tuned, bases[tuned.embedding_dim]) for tuned in learned]
        comparisons = [compare(*(tuned.ranks(store, protocol) for tuned in pair), metric, K) for pair in pairs]
        p_values = holm(np.array([comparison.p_value for comparison in comparisons], float))
        tests += map(PairwiseTest, learned, [column] * len(learned), comparisons, p_values.tolist())
    return tests


def winner(tests: Sequence[PairwiseTest]) -> str:
    """Of all the tests of one size, by one column."""
    beating = [test for test in tests if test.winner == test.ours.name]
    if beating:
        return max(beating, key=lambda test: test.comparison.difference).ours.name
    return BASE if all(test.winner == BASE for test in tests) else NO_DIFFERENCE
