"""MovieLens's own rating files as a leave-one-out split: ML-1M's `ratings.dat` and ML-100K's `u.data`.

    ratings.dat   user::item::rating::timestamp
    u.data        user <tab> item <tab> rating <tab> timestamp

Every rating counts as an interaction, whatever its value, as in He et al., WWW 2017. The split is that of
`splits.leave_one_out`. NCF's published files are such a split of ML-1M with other negatives, and with other picks among
interactions of equal time.
"""

from pathlib import Path

from ncfjax.data.interactions import LeaveOneOut
from ncfjax.data.splits import leave_one_out
from ncfjax.data.text import Layout, read_content, read_table

_RATINGS = Layout("4 fields (user, item, rating, timestamp)", widths=(4,), num_ids=2)


def read_movielens(path: Path, *, name: str, num_negatives: int = 99, seed: int = 0) -> LeaveOneOut:
    """Returns the split of one file, plain or gzip; raises ValueError with file and line for a bad one."""
    content = read_content(path).replace(b"::", b"\t")
    table = read_table(path, content, _RATINGS)
    users, items, _, timestamps = (table[column].to_numpy() for column in range(4))
    return leave_one_out(users, items, timestamps, name=name, num_negatives=num_negatives, seed=seed)
