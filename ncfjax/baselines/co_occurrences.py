"""What rows of the users x items matrix X have in common: of items X' X, of users X X'.

    G_ij = the number of users that have both i and j            G_uv = the number of items that both u and v have

Dense products cost rows^2 x columns multiply-adds at the pace of a large product. Products of the rows that co-occur
cost the sum over columns of the squared number of their rows, each of them some thousand times as slow: they win where
histories hold less than 3 % of a catalogue (root mean square).
"""

from collections.abc import Iterator
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8
from scipy.sparse import csr_matrix

from ncfjax.baselines.in_place import add_product, mirrored, set_rows
from ncfjax.data.history import pack_history, unpack_history
from ncfjax.data.interactions import Interactions

COLUMNS_PER_BLOCK = 512
ROWS_TO_FILL = 128
MOST_DENSE = 20_000  # rows: 1.6 GB
SPARSE_COST = 1000  # multiply-adds of a large product in the time of one of a sparse product: 10 ns, two cores
PRODUCTS_AT_ONCE = 1_000_000  # and no fewer than those of one row: some 20 MB


@lru_cache(maxsize=1)  # so that what is kept for it is found again
def transposed(train: Interactions) -> Interactions:
    """The same pairs, with items in the place of users."""
    return Interactions(train.items, train.users, train.num_items, train.num_users)


def incidence(train: Interactions) -> Float[csr_matrix, "users items"]:
    """X, ones where there is a pair."""
    shape = train.num_users, train.num_items
    matrix = csr_matrix((np.ones(len(train), np.float32), (train.users, train.items)), shape)
    matrix.sort_indices()
    return matrix


def num_products(train: Interactions) -> int:
    """Multiply-adds of X' X, by pairs of items of a history."""
    return int((np.bincount(train.users, minlength=train.num_users).astype(np.int64) ** 2).sum())


def is_dense(train: Interactions) -> bool:
    """Whether X' X is better held and computed as a dense array."""
    dense = train.num_users * train.num_items**2
    return train.num_items <= MOST_DENSE and dense <= SPARSE_COST * num_products(train)


@lru_cache(maxsize=1)  # 0.9 s on MovieLens-1M, for every point of a grid
def co_occurrences(train: Interactions) -> Float[Array, "items items"]:
    """X' X. That of the last data set is kept."""
    return new_co_occurrences(train)


def new_co_occurrences(train: Interactions) -> Float[Array, "items items"]:
    """X' X: whole numbers, which float32 holds exactly up to 16,777,216 users. One array of its size is there."""
    gram = jnp.zeros((train.num_items, train.num_items), jnp.float32)
    if is_dense(train):
        history = jnp.asarray(pack_history(train))
        for start in range(0, train.num_users, COLUMNS_PER_BLOCK):
            rows = _unpacked(history, start, train.num_items)
            gram = add_product(gram, rows.T, rows)
        return mirrored(gram)
    for start, rows in co_occurrence_rows(train):
        for first in range(0, rows.shape[0], ROWS_TO_FILL):
            block = rows[first : first + ROWS_TO_FILL].toarray()
            gram = jax.block_until_ready(set_rows(gram, block, start + first))
    return gram


@partial(jax.jit, static_argnames="num_items")
def _unpacked(history: UInt8[Array, "users bytes"], start, num_items: int) -> Float[Array, "block items"]:
    users = start + jnp.arange(COLUMNS_PER_BLOCK, dtype=jnp.int32)  # those past the last have no history
    return unpack_history(history, users, num_items).astype(jnp.float32)


def co_occurrence_rows(train: Interactions) -> Iterator[tuple[int, csr_matrix]]:
    """The rows of X' X in blocks, each with the number of its first row: sparse, columns ascending."""
    matrix = incidence(train)
    by_item = matrix.T.tocsr()
    per_user = np.diff(matrix.indptr).astype(np.int64)
    products = np.concatenate([[0], np.cumsum(by_item @ per_user)])  # up to each row
    start = 0
    while start < train.num_items:
        stop = int(np.searchsorted(products, products[start] + PRODUCTS_AT_ONCE, side="right")) - 1
        stop = min(max(stop, start + 1), train.num_items)
        rows = by_item[start:stop] @ matrix
        rows.sort_indices()
        yield start, rows
        start = stop
