"""What a dry run says of tables that are spread over devices: which rows go where, how large, and what a step sends."""

from experiments.tasks.spread_rows import rows_line
from ncfjax.training.blocks import size_text
from ncfjax.training.recommender import RecommenderRun

_TABLES = {"sgd": 1, "adam": 3, "lazy_adam": 3}  # of an optimiser: the table, and its moments


def plan_of(run: RecommenderRun) -> list[str]:
    """Nothing where every device has whole tables."""
    if run.table_shards == 1:
        return []
    spec, rows = run.spec, run.table_rows
    tables = 4 * spec.embedding_dim * sum(rows) * _TABLES[spec.optimizer]
    return [
        rows_line(run.num_users, run.num_items, run.table_shards, tables, "the optimiser's moments"),
        f"tables: a step adds up {_sent(run)} by all-reduce, and the gradient of what is no table; no table and no "
        "scores of other devices are sent; everything else is on every device",
    ]


def _sent(run: RecommenderRun) -> str:
    """The rows of a batch that every device gets, and what they take."""
    spec = run.spec
    if spec.objective == "expected":
        what, vectors = "the users' vectors and their gradient", 2 * spec.batch_size
    else:
        what, vectors = "the vectors of its examples", spec.batch_size * (2 + spec.num_negatives)
        if spec.shuffle_examples:
            vectors = 2 * spec.batch_size
        if spec.optimizer == "lazy_adam":  # their moments too
            vectors *= _TABLES[spec.optimizer]
    return f"{what}, {vectors:,} x {spec.embedding_dim} ({size_text(4 * vectors * spec.embedding_dim)})"
