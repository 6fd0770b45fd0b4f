"""save_models=true: the model of every run that ends, kept beside the tables in models/<run_id>/.

A model is written before the row of its run, which is the commit record: a run whose row is there and whose model is
not was trained without save_models, and is trained again for its model. Its row stays as it was. A tuning keeps the
models of its final runs alone, and a run that diverged has none.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.engine.work import Result
from ncfjax.saved import is_saved
from ncfjax.store import Store
from ncfjax.table import StoreError


def keeps_models(config: Any) -> bool:
    """Whether the runs of a job have to end with a saved model."""
    return getattr(config, "save_models", False) and getattr(config, "phase", "run") != "tune"


def model_folder(store: Store, run_id: str) -> Path:
    """Of one run."""
    return store.folder / "models" / run_id


def completed(config: Any, store: Store) -> set[str]:
    """The run_ids with nothing left to do: their row is there and, where models are kept, their model."""
    done = store.completed()
    return done - _without_model(store, done) if keeps_models(config) else done


def _without_model(store: Store, done: set[str]) -> set[str]:
    runs = store.runs()
    sound = done - set(runs["run_id"][runs["status"] == "diverged"])
    return {run_id for run_id in sound if not is_saved(model_folder(store, run_id))}


def save(store: Store, run_id: str, row: Mapping[str, Any], result: Result) -> None:
    """Writes the model of a run, with its row beside it.

    Raises:
        StoreError: it cannot be written.
    """
    folder = model_folder(store, run_id)
    try:
        result.save(folder, row)
    except OSError as error:
        raise StoreError(f"{folder}: cannot save the model: {error}; what was stored is untouched") from error
