"""Rated rows of a file as `Ratings`: ids numbered, values checked against the scale with the line that is off it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Num, Shaped

from ncfjax.data.numbering import number_pairs
from ncfjax.data.ratings import Ratings, Scale
from ncfjax.data.text import bad_line


def check_scale(
    path: Path,
    values: Num[np.ndarray, " rows"],
    scale: Scale,
    lines: Sequence[int] | np.ndarray | None = None,
    hint: str = "",
) -> None:
    """Raises ValueError with file and line for a value that is not on the scale.

    `lines` are those of the rows, from 0 (None: a row each, from the first one); `hint` ends the message.
    """
    wrong = ~scale.contains(values)
    if wrong.any():
        row = int(wrong.argmax())
        line = row if lines is None else int(lines[row])
        raise bad_line(path, line, f"a rating on the scale {scale}", f"{values[row]:g}{hint}")


def ratings_of_rows(
    users: Shaped[np.ndarray, " rows"],
    items: Shaped[np.ndarray, " rows"],
    values: Num[np.ndarray, " rows"],
    timestamps: Num[np.ndarray, " rows"] | None,
    scale: Scale,
    note: str = "",
) -> Ratings:
    """Numbers users by ascending id and items by first appearance; of a repeated pair the latest row counts.

    `note` of the ratings tells how many rows were dropped.
    """
    pairs = number_pairs(users, items, timestamps)
    repeated = f"{pairs.num_repeated} repeated pairs dropped" if pairs.num_repeated else ""
    return Ratings(
        pairs.users,
        pairs.items,
        values[pairs.rows],
        len(pairs.user_ids),
        len(pairs.item_ids),
        scale,
        None if timestamps is None else timestamps[pairs.rows],
        pairs.user_ids,
        pairs.item_ids,
        note="; ".join(filter(None, [note, repeated])),
    )
