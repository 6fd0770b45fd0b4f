"""What is different about the runs of python -m experiments.retrieval: a catalogue searched by one method."""

from typing import TYPE_CHECKING, Any

from experiments.engine.task import DataName, Task
from experiments.tasks.data import described
from experiments.tasks.retrieval import config as configs

if TYPE_CHECKING:
    from experiments.tasks.retrieval.work import RetrievalWork


class RetrievalTask(Task):
    """One method of search, on the catalogues of some models."""

    name = "retrieval"
    keys, choices = configs.KEYS, configs.CHOICES
    check, identity = staticmethod(configs.check), staticmethod(configs.identity)
    groups = ("dataset", "source", "search")
    arguments = ("source.model=dot,mlp", "search=exact,svd")
    columns, outcomes = configs.COLUMNS, frozenset({*configs.OUTCOMES, "content", "trained_run"})
    shown = {
        f"recall@{configs.K}": f"recall@{configs.K}",
        "share_scored": "share",
        f"full_ndcg@{configs.K}": f"full NDCG@{configs.K}",
        "milliseconds_per_query": "ms",
        "queries_per_second": "queries/s",
    }
    always_shown = ("model", "embedding_dim", "method")
    verb = "measure"

    def points(self, config: Any) -> list[Any]:
        """All efforts of a seed after each other: its index is built once."""
        return sorted(super().points(config), key=lambda point: point.seed)

    def label(self, config: Any) -> str:
        """ "ml-1m mlp d=16 svd rank 32"."""
        source, search = config.source, config.search
        dim = getattr(source, "embedding_dim", None)
        parts = [config.dataset.name, source.model, *([f"d={dim}"] if dim else []), search.name]
        rank, size = getattr(search, "rank", None), config.num_items
        return " ".join(parts + [f"rank {rank}"] * bool(rank) + [f"of {size} items"] * bool(size))

    def data_key(self, config: Any) -> str:
        return str(configs.data_of(config))

    def data_name(self, config: Any) -> DataName | None:
        return described(config)

    def open(self, config: Any) -> "RetrievalWork":
        from experiments.tasks.retrieval.work import RetrievalWork

        return RetrievalWork(config)


TASK = RetrievalTask()
