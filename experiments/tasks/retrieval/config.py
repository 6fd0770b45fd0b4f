"""The keys of python -m experiments.retrieval: which values they take, and what makes a run what it is."""

import re
from types import SimpleNamespace
from typing import Any

from experiments.engine.checks import expect, refused
from experiments.engine.config import AXIS, Choice, part, set_keys
from experiments.tasks.data import DATASET, check_dataset, data_identity
from experiments.tasks.models import MODEL_KEYS, check_model
from experiments.tasks.retrieval.origin import branches, files_identity, trained_run
from ncfjax.evaluation.columns import TIE_COLUMNS, K  # K items are found for each query
from ncfjax.keys import COUNT, FLAG, PATH, POSITIVE, SEED, SHARE, TEXT, Key, one_of

OPTIONAL = COUNT._replace(default=None, expected="an integer >= 1, or null")
CANDIDATES = Key(int, lambda value: value == 0 or value >= K, f"0, or an integer >= {K}, as so many items are found")
FILE = PATH._replace(expected="a file", default=None)
CONTENT = Key(
    str, lambda text: re.fullmatch("[0-9a-f]{16}", text) is not None, "the first 16 digits of a SHA-256", default=None
)

KEYS: dict[str, Key] = {"num_items": OPTIONAL, "num_queries": OPTIONAL, "grid.seed": SEED}
SOURCE = part(
    "source",
    {
        "fitted": {
            "model": TEXT,
            "embedding_dim": MODEL_KEYS["model.embedding_dim"],
            "learning_rate": POSITIVE,
            "num_epochs": COUNT,
        },
        "study": {"folder": PATH, "model": TEXT, "embedding_dim": COUNT, "pretrained": FLAG},
        "keras": {
            "gmf": FILE,
            "mlp": FILE,
            "gmf_sha256": CONTENT,
            "mlp_sha256": CONTENT,
            "model": one_of("gmf", "mlp", "neumf"),
            "alpha": SHARE,
        },
    },
)

_LISTS = {"num_clusters": COUNT, "longest": OPTIONAL}
_TWO_STAGE = {
    "rank": COUNT,
    "num_users": OPTIONAL,
    "num_clusters": OPTIONAL,
    "longest": OPTIONAL,
    f"{AXIS}num_candidates": CANDIDATES,
    f"{AXIS}probes": OPTIONAL,
}
SEARCHES: dict[str, dict[str, Key]] = {
    "exact": {"num_devices": OPTIONAL},
    "pairs": {},
    "clusters": _LISTS | {f"{AXIS}probes": COUNT},
    "ivf": {"num_clusters": COUNT, f"{AXIS}probes": COUNT},
    "hnsw": {"construction": COUNT, f"{AXIS}num_candidates": COUNT},
    "svd": _TWO_STAGE | {"num_anchors": OPTIONAL},
    "cur": _TWO_STAGE | {"num_users": COUNT, "num_anchors": COUNT},
    "distill_ranking": _TWO_STAGE | {"num_rounds": COUNT},
}
IMITATIONS = ("svd", "cur", "distill_ranking")
SEARCH = Choice(
    "search.name",
    {
        name: {key if key.startswith(AXIS) else f"search.{key}": value for key, value in keys.items()}
        for name, keys in SEARCHES.items()
    },
)
CHOICES = (DATASET, SOURCE, SEARCH)

OUTCOMES: dict[str, type] = {
    f"recall@{K}": float,  # of the K items that the model itself scores highest
    "share_scored": float,  # of the catalogue, by the model: means of lists count too; empty where it is not known
    # Of all held-out users among the sampled candidates, by what can score any item: the model, a dot product alone.
    f"hit_ratio@{K}": float,
    f"ndcg@{K}": float,
    f"full_hit_ratio@{K}": float,  # of those who ask, of the K items that are found in the whole catalogue
    f"full_ndcg@{K}": float,
    **dict.fromkeys(TIE_COLUMNS, float),  # of all held-out users, of the same
    "num_asked": int,  # of them, those whom this method was asked for: few where it is slow
    "milliseconds_per_query": float,  # one after the other, the median
    "milliseconds_per_new_query": float,  # the same of a user who was not known before the index was built
    "queries_per_second": float,  # all at once
    "multiplications": float,  # per query, counted
    "build_seconds": float,  # of the index, without compiling
    "memory_bytes": int,  # of the index
}
COLUMNS: dict[str, type | str] = {
    "dataset": str,
    "content": str,
    "negatives": str,
    "note": str,
    "model": "source.model",
    "embedding_dim": int,
    "layers": str,
    "training": str,  # how the model was trained: what its seeds share
    "trained_run": str,  # its run_id, where it has one
    "pretrained": "source.pretrained",
    "seed": f"{AXIS}seed",
    "method": "search.name",
    "rank": "search.rank",
    "num_users": "search.num_users",
    "num_anchors": "search.num_anchors",
    "num_clusters": "search.num_clusters",
    "longest": "search.longest",
    "construction": "search.construction",
    "num_rounds": "search.num_rounds",
    "num_devices": "search.num_devices",
    "probes": f"{AXIS}probes",
    "num_candidates": f"{AXIS}num_candidates",
    "catalogue": str,  # data | drawn
    "num_items": int,
    "num_queries": int,  # users who ask
    **OUTCOMES,
}


def identity(config: Any, point: Any) -> dict[str, Any]:
    """Of what is searched, and how. How long it took is no part of it."""
    searched = {"num_items": config.num_items, "num_queries": config.num_queries}
    how = {name: value for name, value in vars(config.search).items() if value is not None}
    axes = {name: value for name, value in point._asdict().items() if value is not None}
    return {"data": data_of(config), "source": origin_identity(config, point.seed), "search": how} | searched | axes


def data_of(config: Any) -> dict[str, Any]:
    """Of the interactions, those that are held out for the test among them."""
    return data_identity(SimpleNamespace(dataset=config.dataset, split="test", data_dir=config.data_dir))


def origin_identity(config: Any, seed: int) -> dict[str, Any]:
    """What decides the numbers of a model."""
    source = config.source
    match source.name:
        case "study":
            return {"run_id": trained_run(source, seed)["run_id"]}
        case "keras":
            alpha = {"alpha": source.alpha} if source.model == "neumf" else {}
            return {"model": source.model} | alpha | files_identity(source)
    return set_keys(source) | {"seed": seed}


def check(config: Any) -> None:
    """Refuses what could only fail, or mean nothing, later.

    Raises:
        ValueError: naming the key, what was expected and what it got.
    """
    source, search, grid = config.source, config.search, config.grid
    check_dataset(config)
    if source.name == "fitted":
        with refused("source"):
            check_model(SimpleNamespace(name=source.model, embedding_dim=source.embedding_dim))
    if source.name == "keras":
        for branch in branches(source):
            expect(f"source.{branch}", getattr(source, branch) is not None, "a file of weights", None)
    if source.name == "study":
        for seed in grid.seed:
            trained_run(source, seed)
    if search.name in IMITATIONS:
        _check_lists(search, grid)
        if search.num_users is not None:
            expected = f"at most search.num_users={search.num_users}"
            expect("search.rank", search.rank <= search.num_users, expected, search.rank)
        if getattr(search, "num_anchors", None) is not None:
            expected = f"at least search.rank={search.rank}, or null"
            expect("search.num_anchors", search.num_anchors >= search.rank, expected, search.num_anchors)


def _check_lists(search: Any, grid: Any) -> None:
    """Lists and probes come together."""
    has_probes = grid.probes is not None and None not in grid.probes
    if search.num_clusters is None:
        expect("grid.probes", not has_probes, "null, as search.num_clusters is null", grid.probes)
        expect("search.longest", search.longest is None, "null, as search.num_clusters is null", search.longest)
    else:
        expect("grid.probes", has_probes, f"an integer, as search.num_clusters={search.num_clusters}", grid.probes)
