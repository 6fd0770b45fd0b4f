"""What a run leaves in the tables: its configuration under the config's names, its metrics, where and when it ran."""

from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Float

from experiments import device
from experiments.columns import K
from experiments.config import DatasetConfig, Point, SweepConfig, weight_files
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.metrics import hit_ratio, mrr, ndcg
from ncfjax.evaluation.ranking import Ranks
from ncfjax.store import RUN_COLUMNS

_METRICS = {f"hit_ratio@{K}": lambda ranks: hit_ratio(ranks, K), f"ndcg@{K}": lambda ranks: ndcg(ranks, K), "mrr": mrr}


def metrics(ranks: Ranks) -> dict[str, Float[np.ndarray, "*members"]]:
    """Metric -> its value per member: among the candidates, and (full_) in the whole catalogue."""
    return {
        prefix + name: np.asarray(metric(np.asarray(protocol)))
        for prefix, protocol in (("", ranks.sampled), ("full_", ranks.full))
        for name, metric in _METRICS.items()
    }


def values_of(ranks: Ranks) -> dict[str, float]:
    """`metrics` of a single run."""
    return {name: float(value) for name, value in metrics(ranks).items()}


def note_of(dataset: DatasetConfig, data: LeaveOneOut, *others: str) -> str:
    """What has no column of its own, and without which two rows would look comparable that are not."""
    synthetic = asdict(dataset.synthetic) if dataset.synthetic else {}
    return "; ".join(filter(None, [data.note, *others, *(f"{k}={v}" for k, v in synthetic.items())]))


def data_cells(config: SweepConfig, data: LeaveOneOut) -> dict[str, Any]:
    """A row that knows its study, data set and machine; every other cell is empty."""
    return dict.fromkeys(RUN_COLUMNS) | {
        "status": "completed",
        "phase": config.phase,
        "study": config.study.name,
        "dataset": data.name,
        "split": data.split,
        "negatives": data.negatives,
        "note": note_of(config.dataset, data, "biases=false" if config.model.biases is False else ""),
        "device": device.name(),
    }


def _pretraining(config: SweepConfig) -> str:
    pretraining = config.pretraining
    if pretraining.name == "trained":
        how = f"{pretraining.num_epochs} epochs, learning_rate={pretraining.learning_rate:g}, "
    else:
        how = "".join(f"{branch}={content[:8]}, " for branch, content in weight_files(pretraining).items())
    return "" if pretraining.name == "none" else f"{pretraining.name}, {how}alpha={pretraining.alpha:g}"


def run_cells(config: SweepConfig, point: Point) -> dict[str, Any]:
    """The cells that a run's configuration fills."""
    model = config.model
    return {
        "model": model.name,
        "embedding_dim": model.embedding_dim,
        "layers": "-".join(map(str, model.layers or [])),
        "regularize_weights": "" if model.regularize_weights is None else str(model.regularize_weights).lower(),
        "objective": config.objective.name,
        "batch_size": config.objective.batch_size,
        "num_negatives": config.objective.num_negatives,
        "reject_positives": "true" if config.objective.reject_positives else "",
        "shuffle_examples": "true" if config.objective.shuffle_examples else "",
        "optimizer": config.optimizer.name,
        "pretraining": _pretraining(config),
        "num_epochs": config.num_epochs,
        "select_epoch": "" if config.select_epoch == "last" else config.select_epoch,
        **point._asdict(),
    }


def curve_rows(epoch: int, values: dict[str, float]) -> list[dict[str, Any]]:
    return [{"epoch": epoch, "metric": name, "value": value} for name, value in values.items()]
