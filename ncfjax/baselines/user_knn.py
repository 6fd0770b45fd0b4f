"""UserKNN: similar users vote for what they have (Herlocker et al., SIGIR 1999; here of implicit feedback).

    sim_uv = G_uv / (sqrt(G_uu G_vv) + shrinkage)      s_ui = sum of sim_uv over those v of the num_neighbors users most
                                                       similar to u that have i

G_uv is the number of items that both have; a user is no neighbour of himself. The scorer works on the host.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix

from ncfjax.baselines.co_occurrences import incidence, transposed
from ncfjax.baselines.item_based import history_matrix
from ncfjax.baselines.neighbors import check_neighbors, first_of_each, neighbors
from ncfjax.data.interactions import Interactions


class UserBased(NamedTuple):
    """Users vote for items: ids[starts[u] : starts[u + 1]] for what is recommended to user u."""

    similarities: Float[np.ndarray, " pairs"]
    shrinkage: Float[np.ndarray, ""]
    ids: Int[np.ndarray, " pairs"]
    starts: Int[np.ndarray, " num_users_and_one"]
    num_neighbors: Int[np.ndarray, ""]
    num_items: Int[np.ndarray, ""]
    history_items: Int[np.ndarray, " n"]  # user by user
    history_starts: Int[np.ndarray, " num_users_and_one"]

    on_host = True

    def score_all(self, users: Int[np.ndarray, " users"]) -> Float[np.ndarray, "users items"]:
        """Scores of every item for each of the given users."""
        num_users = len(self.starts) - 1
        weights = csr_matrix((self.similarities, self.ids, self.starts), (num_users, num_users))
        return (weights[users] @ self._history()).toarray()

    def votes(self, history: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n items"]:
        """What every item of a history adds to the scores of a user who has it and is no part of training.

        Training users of the same history do not vote: they have nothing else, and one of them may be that user.
        """
        table = self._history()
        has = table[:, history]
        shared, sizes = np.asarray(has.sum(axis=1)).ravel(), np.diff(table.indptr)
        similar = shared / (np.sqrt(np.float32(len(history))) * np.sqrt(sizes.astype(np.float32)) + self.shrinkage)
        users = np.flatnonzero((shared > 0) & ~((shared == sizes) & (sizes == len(history))))
        users = users[first_of_each(np.zeros(len(users), np.int32), -similar[users], int(self.num_neighbors))]
        return (has[users].multiply((similar / np.maximum(shared, 1))[users, None]).T @ table[users]).toarray()

    def _history(self) -> csr_matrix:
        return history_matrix(self.history_items, self.history_starts, int(self.num_items))


def fit_user_knn(train: Interactions, num_neighbors: int, shrinkage: float) -> UserBased:
    """The similarities of every user's nearest neighbours.

    Raises:
        ValueError: no neighbour, more than there are, or a negative shrinkage.
    """
    check_neighbors(num_neighbors, train.num_users, shrinkage)
    nearest, history = neighbors(transposed(train), num_neighbors, shrinkage), incidence(train)
    arrays = (nearest.indices, nearest.indptr, num_neighbors, train.num_items, history.indices, history.indptr)
    similarities = nearest.data.astype(np.float32)
    return UserBased(similarities, np.asarray(shrinkage, np.float32), *(np.asarray(a, np.int32) for a in arrays))
