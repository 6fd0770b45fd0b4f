"""What a dry run says of iALS whose tables are spread over devices: which rows go where, how large, what is sent."""

import numpy as np

from experiments.tasks.spread_rows import rows_line
from ncfjax.baselines.cost import ials_tables_bytes
from ncfjax.baselines.least_squares import sent_bytes
from ncfjax.data.interactions import Interactions
from ncfjax.training.blocks import size_text


def plan_of(train: Interactions, embedding_dim: int | None, table_shards: int) -> list[str]:
    """Nothing where every device has whole tables."""
    if table_shards == 1:
        return []
    sizes = train.num_users, train.num_items
    histories = [np.bincount(ids, minlength=size) for ids, size in zip((train.users, train.items), sizes, strict=True)]
    sent = max(sent_bytes(counts, embedding_dim, table_shards) for counts in histories)
    bytes_of_all = ials_tables_bytes(train, embedding_dim, table_shards)
    return [
        rows_line(*sizes, table_shards, bytes_of_all, "those that an epoch makes of them"),
        "tables: each device solves its own rows, in step; of the histories of a chunk ids go to all by all-gather, "
        f"and vectors back by reduce-scatter, at most {size_text(sent)}; of the fixed table "
        f"{embedding_dim} x {embedding_dim} numbers add up by all-reduce; no table and no scores of others are sent",
    ]
