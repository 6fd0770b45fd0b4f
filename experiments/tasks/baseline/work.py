"""The runs of python -m experiments.baselines, under the protocols of the sweep."""

from collections.abc import Iterator
from typing import Any

from experiments.engine.checks import expect
from experiments.engine.compiling import timed
from experiments.engine.device import check_devices, memory_limit
from experiments.engine.memory import held_bytes
from experiments.engine.progress import Progress
from experiments.engine.work import Result, Work
from experiments.tasks.baseline.evaluation import evaluation_of
from experiments.tasks.baseline.plan import plan_of
from experiments.tasks.baseline.task import TASK, given
from experiments.tasks.saving import Saver
from ncfjax.baselines.cost import fit_bytes, fit_work, is_finite, largest_array, num_parameters, scorer_bytes
from ncfjax.baselines.methods import METHODS, fit_of
from ncfjax.data.history import fits_as_bits
from ncfjax.models.recommender import Recommender
from ncfjax.models.tables import SpreadRecommender
from ncfjax.training.blocks import Block, MemoryEstimate


class BaselineWork(Work):
    """One job of baselines."""

    one_by_one = True

    def __init__(self, config: Any):
        self.config, self.name = config, config.baseline.name
        check_devices("table_shards", config.table_shards)
        self.evaluation = evaluation_of(config)  # its cells too: files may change while it is fitted
        self.data = self.evaluation.data
        self.saver = Saver(config, self.data.name, self.data.train)
        self.pace_share = METHODS[self.name].share
        train, most, ranked = self.data.train, max(config.grid.num_neighbors or [0]), self.evaluation.ranked
        self.each = fit_work(train=train, ranked=ranked, eval_every=config.eval_every, **vars(config.baseline))
        self.memory_bytes = memory_limit(config.memory_gb)
        sizes = {"embedding_dim": config.baseline.embedding_dim, "num_neighbors": most}
        how = {
            "l1": min(config.grid.l1 or [0.0]),
            "as_bits": fits_as_bits(train if ranked is None else ranked, self.memory_bytes),
            "table_shards": config.table_shards,
        }
        on_device = self.evaluation.num_bytes + fit_bytes(self.name, train, ranked=ranked, **sizes, **how)
        self.plan = plan_of(train, config.baseline.embedding_dim, config.table_shards)
        on_device += self.saver.extra_bytes(scorer_bytes(self.name, train, config.baseline.embedding_dim))
        largest = largest_array(self.name, train)
        self.memory = MemoryEstimate(0, on_device, held_bytes(self.data), largest, config.table_shards)
        who, rows = ("users", train.num_users) if self.name == "user_knn" else ("items", train.num_items)
        expected = f"at most {rows - 1}, the other {who} of {config.dataset.name}"
        expect("grid.num_neighbors", most < rows, expected, most)

    def run(self, block: Block, bar: Progress) -> Iterator[tuple[Any, Result]]:
        (point,), num_epochs, label = block.members, self.config.baseline.num_epochs, TASK.label(self.config)
        options, curve, seconds, compile_seconds = given(self.config, point), [], 0.0, 0.0
        bar.show(f"{label}, fitting")
        for epoch, (scorer, fitting, compiling) in enumerate(timed(lambda: self._scorers(point)), start=1):
            seconds, compile_seconds = seconds + fitting, compile_seconds + compiling
            if epoch % self.config.eval_every == 0 or epoch == (num_epochs or 1):
                evaluated = self.evaluation.of(scorer, options, self.memory_bytes)
                curve += [{"epoch": epoch, "metric": name, "value": value} for name, value in evaluated.metrics.items()]
            bar.advance(self.each / (num_epochs or 1), f"{label}, epoch {epoch}" if num_epochs else label)
        cells = self.evaluation.cells | {"parameters": num_parameters(scorer)}
        cells |= {"train_seconds": seconds, "compile_seconds": compile_seconds}
        if is_finite(scorer):
            how = {"biases": False} if isinstance(scorer, Recommender | SpreadRecommender) else None
            whole = (lambda: scorer.whole) if isinstance(scorer, SpreadRecommender) else (lambda: scorer)
            save = self.saver.of("baseline", self.name, whole, how)
            cells |= {**evaluated.metrics, **evaluated.cells}
            curve = curve if num_epochs else []
            yield point, Result(cells, curve, evaluated.arrays, save=save, remarks=evaluated.remarks)
        else:
            yield point, Result(cells, status="diverged")

    def _scorers(self, point: Any) -> Iterator[Any]:
        """The fitted one, or that after each epoch."""
        shards = self.config.table_shards
        spread = {"table_shards": shards} if shards > 1 else {}
        fitted = fit_of(self.name)(self.data.train, **given(self.config, point), **spread)
        return iter(fitted if self.config.baseline.num_epochs else [fitted])
