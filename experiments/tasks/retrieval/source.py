"""The trained model of a run, and the data that it was trained on."""

from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

from experiments.engine.checks import ConfigError, expect, refused
from experiments.tasks.models import model_options
from experiments.tasks.retrieval.origin import branches, files_identity, trained_run, training_text
from experiments.tasks.weights import file_content, read_joined
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.data.summary import summarize
from ncfjax.models.keras import read_keras
from ncfjax.models.recommender import Recommender
from ncfjax.saved import load_model
from ncfjax.training.fit import train
from ncfjax.training.loop import Spec
from ncfjax.training.recommender import Member

FROM_KERAS = "Keras weights"


class Trained(NamedTuple):
    model: Recommender
    training: str  # how it was trained: what its seeds share
    run_id: str | None = None  # of its training, where it has a row


def load_trained(config: Any, data: LeaveOneOut, seed: int) -> Trained:
    """The model of one seed.

    Raises:
        ConfigError: it is not there, not sound, or of other data.
    """
    source = config.source
    match source.name:
        case "study":
            return _saved(source, data, seed)
        case "keras":
            return _of_files(source, data)
    return _fitted(source, data, seed)


def _saved(source: SimpleNamespace, data: LeaveOneOut, seed: int) -> Trained:
    row = trained_run(source, seed)
    folder = Path(source.folder) / "models" / row["run_id"]
    where = f"source.folder={source.folder}"
    with refused(where):
        if not folder.is_dir():
            raise ValueError(f"expected the saved model {folder}, got none; {row['command']} save_models=true makes it")
        saved = load_model(folder)
    expected = _content(data)
    if saved.data.content != expected:
        raise ConfigError(f"{where}: expected a model of {data.name}, got one of other data, {saved.data.name}")
    return Trained(saved.model, training_text(row), row["run_id"])


@lru_cache(maxsize=2)
def _content(data: LeaveOneOut) -> str:
    return summarize(data.name, data.train).content


def _of_files(source: SimpleNamespace, data: LeaveOneOut) -> Trained:
    sizes = {"num_users": data.train.num_users, "num_items": data.train.num_items}
    files = [Path(getattr(source, branch)) for branch in branches(source)]
    for branch, file, expected in zip(branches(source), files, files_identity(source).values(), strict=True):
        expect(f"source.{branch}", file_content(file) == expected, f"a file of SHA-256 {expected}...", str(file))
    with refused(", ".join(f"source.{branch}={file}" for branch, file in zip(branches(source), files, strict=True))):
        if source.model == "neumf":
            model = read_joined(*files, *sizes.values(), source.alpha, False)
        else:
            model = read_keras(*files, **sizes)
    contents = ", ".join(f"{branch} {content[:8]}" for branch, content in files_identity(source).items())
    alpha = f", alpha={source.alpha:g}" * (source.model == "neumf")
    return Trained(model, f"{FROM_KERAS}: {contents}{alpha}")


def _fitted(source: SimpleNamespace, data: LeaveOneOut, seed: int) -> Trained:
    options = model_options(SimpleNamespace(name=source.model, embedding_dim=source.embedding_dim))
    spec = Spec(source.embedding_dim, "sampled", 256, 4, source.model, tuple(options.items()), "lazy_adam")
    member = Member(source.learning_rate, regularization=0.0, stddev=0.1, negative_weight=1.0, seed=seed)
    (model,) = train(data, spec, [member], source.num_epochs)
    return Trained(model, f"trained at once, {source.num_epochs} epochs, learning_rate={source.learning_rate:g}")
