"""What a residual's rows say of its network: its share of the scores, and how well the rest ranks without it."""

from experiments.tasks.ranking import values_of
from ncfjax.data.interactions import LeaveOneOut
from ncfjax.evaluation.ablation import with_item_means, without_network
from ncfjax.evaluation.ranking import ranking_of
from ncfjax.evaluation.shares import network_shares
from ncfjax.models.recommender import Recommender


def share_cells(model: Recommender) -> dict[str, float]:
    shares = network_shares(model)
    return {"network_share": float(shares.network), "network_interaction": float(shares.interaction)}


def ablation_cells(model: Recommender, data: LeaveOneOut, memory_bytes: int | None) -> dict[str, float]:
    cells = {}
    for prefix, scorer in (("without_network", without_network(model)), ("item_means", with_item_means(model))):
        values = values_of(ranking_of(scorer, data, memory_bytes=memory_bytes))
        cells |= {f"{prefix}_{name}": values[name] for name in ("ndcg@10", "full_ndcg@10")}
    return cells
