"""What is saved beside the models of a job, whatever it trains: names, titles and histories of its data."""

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from experiments.engine.checks import refused
from experiments.engine.models import keeps_models
from ncfjax.data.interactions import Interactions
from ncfjax.data.rating_catalog import find_movies
from ncfjax.data.ratings import Ratings
from ncfjax.data.summary import Summary, summarize
from ncfjax.saved import Model, save_model

SAVED_COPIES = 3  # of a model that was trained in a block: on the host, by itself, and while it is written


class Saver:
    """Saves the models of one job.

    Titles are read at once, so that a bad file ends a command before anything is trained: ConfigError.
    """

    def __init__(self, config: Any, name: str, train: Interactions | Ratings):
        self.name, self.train, self.movies = name, train, None
        self.keeps = keeps_models(config)
        if self.keeps:
            with refused(f"dataset={config.dataset.name}"):
                what = {"data_dir": config.data_dir, "is_rated": isinstance(train, Ratings)}
                self.movies = find_movies(config.dataset.name, train.num_items, train.item_ids, **what)

    def extra_bytes(self, num_bytes: int) -> int:
        """Of memory to save models that take so much: a copy, where any is kept."""
        return num_bytes * self.keeps

    @cached_property
    def _summary(self) -> Summary:
        return summarize(self.name, self.train, self.movies)

    def of(
        self, kind: str, method: str, model: Callable[[], Model], options: Mapping[str, Any] | None = None
    ) -> Callable[[Path, Mapping[str, Any]], None]:
        """What writes a model, which is made when it is asked for, into a folder with the row of its run."""

        def save(folder: Path, row: Mapping[str, Any]) -> None:
            what = {"kind": kind, "method": method, "options": options}
            save_model(folder, model(), data=self._summary, run=row, **what)

        return save
