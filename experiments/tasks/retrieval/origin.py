"""Which model a run searches with: a row of a study whose models were saved, files of weights, or one trained at once.

What decides which model it is stands here; `source` loads it.
"""

import io
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

import pandas as pd

from experiments.engine.checks import ConfigError
from experiments.tasks.weights import file_content
from ncfjax.table import whole_lines

_TRAINING = (
    "objective", "num_negatives", "negative_weight", "optimizer", "pretraining", "learning_rate", "regularization",
    "stddev", "num_epochs", "batch_size",
)  # fmt: skip
_SINCE_LATER = ("decay", "bias_regularization", "weights_regularization", "weights_rate")  # older tables lack them
_READ = ("run_id", "status", "model", "embedding_dim", "seed", "command", *_TRAINING)

# Of a study's folder, the run_ids that the studies of conf/ ask for, None where none does: experiments.retrieval says.
claimed: Callable[[Path], frozenset[str] | None] | None = None


def trained_run(source: SimpleNamespace, seed: int) -> dict[str, str]:
    """The row of runs.csv that a source=study and a seed name. Beside one that a study of conf/ asks for, trial runs do
    not count.

    Raises:
        ConfigError: no table, no such row, or several.
    """
    path = Path(source.folder) / "runs.csv"
    if not path.is_file():
        why = "python -m experiments.sweep with save_models=true writes one"
        raise ConfigError(f"source.folder={source.folder}: expected the folder of a study, got no {path}; {why}")
    wanted = {"model": source.model, "embedding_dim": str(source.embedding_dim), "seed": str(seed)}
    return dict(_row(path, path.stat().st_mtime_ns, source.pretrained, tuple(wanted.items())))


@lru_cache(maxsize=256)  # which run it is decides the run_ids of all searches
def _row(path: Path, changed: int, pretrained: bool, wanted: tuple[tuple[str, str], ...]) -> dict[str, str]:
    rows = _read_runs(path, changed)
    is_pretrained = rows["pretraining"].ne("")
    found = rows[(rows["status"] == "completed") & (is_pretrained == pretrained)]
    for column, value in wanted:
        found = found[found[column] == value]
    if len(found) > 1 and claimed and (asked_for := claimed(path.parent)):
        is_asked_for = found["run_id"].isin(list(asked_for))
        found = found[is_asked_for] if is_asked_for.any() else found
    if len(found) != 1:
        what = ", ".join(f"{name}={value}" for name, value in wanted) + ", pretrained" * pretrained
        got = f"{len(found)}: {', '.join(found['run_id'])}" if len(found) else _there(rows)
        raise ConfigError(f"source.folder={path.parent}: expected one run of {what}, got {got}")
    return found.iloc[0].to_dict()


def training_text(row: dict[str, str]) -> str:
    """How a model of a study was trained: what its seeds share."""
    return ", ".join(f"{name}={row[name]}" for name in (*_TRAINING, *_SINCE_LATER) if row.get(name))


def _there(rows: pd.DataFrame) -> str:
    names = sorted({f"{model} d={dim}" for model, dim in zip(rows["model"], rows["embedding_dim"], strict=True) if dim})
    return f"none among {', '.join(names) or 'no runs'}"


@lru_cache(maxsize=4)
def _read_runs(path: Path, _: int) -> pd.DataFrame:
    try:
        table = io.BytesIO(whole_lines(path.read_bytes()))
        rows = pd.read_csv(table, dtype=str, keep_default_na=False)
        later = [column for column in _SINCE_LATER if column in rows]
        return rows[[*_READ, *later]].drop_duplicates("run_id", ignore_index=True)
    except (ValueError, KeyError) as error:
        raise ConfigError(f"source.folder={path.parent}: expected runs of experiments.sweep, got: {error}") from error


def branches(source: SimpleNamespace) -> tuple[str, ...]:
    """The files that the model of source=keras is made of."""
    return ("gmf", "mlp") if source.model == "neumf" else (source.model,)


def files_identity(source: SimpleNamespace) -> dict[str, str]:
    """What the files hold that a model is made of: as the source states it, or else read from them."""
    return {
        branch: getattr(source, f"{branch}_sha256") or file_content(Path(getattr(source, branch)))
        for branch in branches(source)
    }
