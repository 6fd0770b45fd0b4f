"""Files of weights that the authors of NCF saved with Keras, as more than one kind of run begins with them."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ncfjax.data.content import of_file

if TYPE_CHECKING:  # JAX takes a second, and a configuration needs none
    from ncfjax.models.recommender import Recommender


def file_content(path: Path) -> str:
    """As `content.of_file`; the path where there is no file, which is refused before anything is trained."""
    return of_file(path) or str(path)


@lru_cache(maxsize=1)
def read_joined(
    gmf: Path, mlp: Path, num_users: int, num_items: int, alpha: float, regularize_weights: bool
) -> "Recommender":
    """The NeuMF that is joined from a GMF and an MLP.

    Raises:
        ValueError, OSError, ImportError: a file is missing, damaged or of other sizes; no h5py.
    """
    from ncfjax.models.keras import read_keras
    from ncfjax.models.pretraining import join

    read = (read_keras(path, num_users=num_users, num_items=num_items) for path in (gmf, mlp))
    return join(*read, alpha, regularize_weights=regularize_weights)
