"""In one table, data sets of one name are one: rows of the same name are read as rows of the same data.

So that two files of one name are never pooled, nor the rows from before and after a file changed, the second one is
refused before anything is run. A table of an older version does not say what its rows were made from: they stand for
any content.
"""

from collections.abc import Sequence

from experiments.engine.checks import ConfigError
from experiments.engine.jobs import Job
from experiments.engine.task import DataName, Task
from ncfjax.store import Store

_WAY_OUT = "rename the file, as rows are called after it"


def check_names(task: Task, jobs: Sequence[Job], store: Store) -> None:
    """Compares the data sets of some jobs with each other, and with the rows of their table.

    Raises:
        ConfigError: two of one name and of other content.
    """
    named: dict[str, DataName] = {}
    for job in jobs:
        if (data := task.data_name(job.config)) is not None:
            other = named.setdefault(data.name, data)
            if other.content != data.content:
                raise ConfigError(
                    f"{data.where}: expected another name than {data.name}, which rows of {other.where} have too, and "
                    f"that is other data (content {other.content}, not {data.content}): {_WAY_OUT}"
                )
    rows = store.runs() if named else None
    for name, data in named.items():
        for content in rows["content"][(rows["dataset"] == name) & (rows["content"] != "")].unique():
            if content != data.content:
                raise ConfigError(
                    f"{data.where}: not what the rows called {name} of {store.folder / 'runs.csv'} were made from "
                    f"(content {content}, now {data.content}), so it is new data: choose another study.name for it, or "
                    f"{_WAY_OUT}"
                )
