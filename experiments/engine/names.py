"""In one table, data sets of one name are one: rows of the same name are read as rows of the same data.

So that two files of one name are never pooled, nor the rows from before and after a file changed, the second one is
refused before anything is run. A table of an older version does not say what its rows were made from: they stand for
any content.
"""

from collections.abc import Sequence
from typing import Any

from experiments.engine.checks import ConfigError
from experiments.engine.task import DataName, Task
from ncfjax.store import Store

_WAY_OUT = "rename the file, as rows are called after it"


def check_names(task: Task, configs: Sequence[Any], store: Store) -> list[str]:
    """Compares the data sets of some jobs with each other, and with the rows of their table.

    Returns what to tell of those that have one content and two names: a run is known by the content.

    Raises:
        ConfigError: two of one name and of other content.
    """
    named: dict[str, DataName] = {}
    for config in configs:
        if (data := task.data_name(config)) is not None:
            other = named.setdefault(data.name, data)
            if other.content != data.content:
                raise ConfigError(
                    f"{data.where}: expected another name than {data.name}, which rows of {other.where} have too, and "
                    f"that is other data (content {other.content}, not {data.content}): {_WAY_OUT}"
                )
    rows, first, told = store.runs() if named else None, {}, []
    for name, data in named.items():
        others = rows["dataset"][(rows["content"] == data.content) & (rows["dataset"] != name)]
        other = first.setdefault(data.content, next(iter(others), name))
        if other != name:
            told.append(f"{data.where} has the content of {other}: a run that there is of one is that of both")
        for content in rows["content"][(rows["dataset"] == name) & (rows["content"] != "")].unique():
            if content != data.content:
                raise ConfigError(
                    f"{data.where}: not what the rows called {name} of {store.folder / 'runs.csv'} were made from "
                    f"(content {content}, now {data.content}), so it is new data: choose another study.name for it, or "
                    f"{_WAY_OUT}"
                )
    return told
