"""What a dry run says of the rows of tables that are spread over devices, whatever trains them."""

from ncfjax.models.tables import filled_up
from ncfjax.training.blocks import size_text


def rows_line(num_users: int, num_items: int, table_shards: int, num_bytes: int, beside: str) -> str:
    """`num_bytes`: of all devices, with what is `beside` the tables."""
    filling = sum(filled_up(size, table_shards) - size for size in (num_users, num_items))
    return (
        f"tables: rows of {num_users:,} users and {num_items:,} items over {table_shards} devices, {filling} rows "
        f"fill them up: {size_text(num_bytes / table_shards)} on each device instead of "
        f"{size_text(num_bytes)}, with {beside}"
    )
