"""The models that a command asks: those of the folders that it names, or small ones that are trained for it."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.engine.checks import expect
from experiments.tasks.small import Settings, train_small
from ncfjax.saved import SavedModel, load_model


def models_of(config: Mapping[str, Any], trained: Sequence[str]) -> list[SavedModel]:
    """Those of config["model"], else each of `trained` (small.TRAINED) on its data set.

    Raises:
        ValueError: a folder without a sound model, or what `train_small` refuses.
    """
    if config["model"] is not None:
        names = config["model"] if isinstance(config["model"], list) else [config["model"]]
        return [load_model(_folder(str(name))) for name in names]
    what = "a small one" if len(trained) == 1 else f"{len(trained)} small ones"
    print(f"no model=FOLDER: training {what}, train={','.join(trained)} of {config['dataset']}", file=sys.stderr)
    return [train_small(Settings(config["dataset"], name, config["data_dir"])) for name in trained]


def _folder(name: str) -> Path:
    """The folder of a saved model.

    Raises:
        ConfigError: there is none, but there are some within it.
    """
    folder = Path(name)
    inside = sorted(str(path.parent) for path in folder.glob("*/model.json"))
    expect("model", not inside, f"one of {', '.join(inside[:10])}", name)
    return folder
