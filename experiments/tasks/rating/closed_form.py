"""Runs of methods that solve for their numbers: means, biases, ridge regressions, factorization by turns."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from experiments.engine.compiling import timed
from experiments.engine.progress import Progress
from experiments.engine.work import Result, Work
from experiments.tasks.rating import cost
from experiments.tasks.rating.data import data_cells, load_item_features, load_job, ratings_bytes
from experiments.tasks.rating.evaluation import arrays, metrics, to_predict
from experiments.tasks.rating.task import TASK
from experiments.tasks.saving import Saver
from ncfjax.ratings.alternating import alternating_iterations
from ncfjax.ratings.content_based import fit_content_based
from ncfjax.ratings.ensemble import mean_iterations
from ncfjax.ratings.hybrid import hybrid_iterations
from ncfjax.ratings.model import RatingModel, added
from ncfjax.ratings.normalization import residuals
from ncfjax.ratings.predictors import fit_biases, fit_global_mean, fit_item_mean, fit_user_mean
from ncfjax.training.blocks import Block, MemoryEstimate


class ClosedFormWork(Work):
    """One job of methods in closed form."""

    one_by_one = True

    def __init__(self, config: Any):
        self.config, self.data = config, load_job(config)
        self.saver = Saver(config, self.data.name, self.data.train)
        self.features = None
        if config.method.name in ("content_based", "hybrid"):
            self.features = load_item_features(config, self.data.train)
        train, width, many = self.data.train, self._width(), config.method.num_members or 1
        num_iterations = (config.method.num_epochs or 1) * many
        self.each = cost.of_solutions(train, width, num_iterations) if width else cost.of_means(train)
        self.pace_share = 1 / cost.PRODUCT
        predicting = cost.PREDICTED_BYTES * len(to_predict(self.data))
        fitting = cost.solution_bytes(train, width, many) + predicting
        fitting += self.saver.extra_bytes(4 * width * many * (train.num_users + train.num_items))
        self.memory = MemoryEstimate(0, fitting, ratings_bytes(self.data))

    def _width(self) -> int:
        """Entries that are solved for a user: none of a mean."""
        features = 0 if self.features is None else self.features.shape[1] + 1
        return max(self.config.method.embedding_dim or 0, features)

    def run(self, block: Block, bar: Progress) -> Iterator[tuple[Any, Result]]:
        (point,), label, num_epochs = block.members, TASK.label(self.config), self.config.method.num_epochs
        pairs, curve, seconds, compile_seconds = to_predict(self.data), [], 0.0, 0.0
        bar.show(f"{label}, fitting")
        for epoch, (model, fitting, compiling) in enumerate(timed(lambda: self._models(point)), start=1):
            seconds, compile_seconds = seconds + fitting, compile_seconds + compiling
            if not num_epochs:
                epoch = 0  # the only one that a holdout may choose
            if epoch % self.config.eval_every == 0 or epoch == num_epochs:
                predictions = model.predict(pairs.users, pairs.items)
                values = metrics(predictions, self.data)
                curve += [{"epoch": epoch, "metric": name, "value": value} for name, value in values.items()]
            bar.advance(self.each / (num_epochs or 1), f"{label}, epoch {epoch}" if num_epochs else label)
        cells = data_cells(self.data) | {"parameters": model.num_parameters}
        cells |= {"train_seconds": seconds, "compile_seconds": compile_seconds}
        if not np.isfinite(predictions).all():
            yield point, Result(cells, status="diverged")
            return
        epochs = {"epoch": num_epochs} if num_epochs else {}
        save = self.saver.of("rating", self.config.method.name, lambda: model)
        yield point, Result(cells | values | epochs, curve, arrays(predictions, self.data), save=save)

    def _models(self, point: Any) -> Iterator[RatingModel]:
        """The fitted one, or that after each epoch."""
        fitted = _FITS[self.config.method.name](self, point)
        return iter([fitted]) if isinstance(fitted, RatingModel) else fitted

    def _biases(self, point: Any) -> RatingModel:
        dampings = {"user_damping": point.user_damping, "item_damping": point.item_damping}
        return fit_biases(self.data.train, **dampings)

    def _content_based(self, point: Any) -> RatingModel:
        return fit_content_based(self.data.train, self.features, regularization=point.regularization, nu=0.0)

    def _factors(self, point: Any) -> dict[str, Any]:
        method = self.config.method
        return {
            "embedding_dim": method.embedding_dim,
            "regularization": point.regularization,
            "bias_regularization": point.bias_regularization or 0.0,  # blank where no entry is a bias
            "nu": point.nu,
            "stddev": point.stddev,
            "num_iterations": method.num_epochs,
            "seed": point.seed,
        }

    def _alternating(self, point: Any) -> Iterator[RatingModel]:
        return alternating_iterations(self.data.train, biases=True, **self._factors(point))

    def _without_biases(self, point: Any) -> Iterator[RatingModel]:
        return alternating_iterations(self.data.train, biases=False, **self._factors(point))

    def _mean_normalized(self, point: Any) -> Iterator[RatingModel]:
        base = fit_item_mean(self.data.train)
        rest = residuals(self.data.train, base)
        return (added(base, model) for model in alternating_iterations(rest, biases=False, **self._factors(point)))

    def _ensemble(self, point: Any) -> Iterator[RatingModel]:
        """The seeds of an ensemble follow each other, and no other ensemble has them."""
        many = self.config.method.num_members
        seeds = range(point.seed * many, (point.seed + 1) * many)
        return mean_iterations([self._alternating(point._replace(seed=seed)) for seed in seeds])

    def _hybrid(self, point: Any) -> Iterator[RatingModel]:
        kappa = {"feature_regularization": point.feature_regularization}
        return hybrid_iterations(self.data.train, self.features, **kappa, **self._factors(point))


_FITS: dict[str, Callable[[ClosedFormWork, Any], RatingModel | Iterator[RatingModel]]] = {
    "global_mean": lambda work, _: fit_global_mean(work.data.train),
    "user_mean": lambda work, _: fit_user_mean(work.data.train),
    "item_mean": lambda work, _: fit_item_mean(work.data.train),
    "biases": ClosedFormWork._biases,
    "content_based": ClosedFormWork._content_based,
    "alternating": ClosedFormWork._alternating,
    "alternating_without_biases": ClosedFormWork._without_biases,
    "mean_normalized": ClosedFormWork._mean_normalized,
    "ensemble": ClosedFormWork._ensemble,
    "hybrid": ClosedFormWork._hybrid,
}
