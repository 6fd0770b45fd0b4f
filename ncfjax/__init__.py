"""ncfjax: is a dot product of embeddings or a learned similarity the better way to score a user and an item?

What most programs need can be had from here: `from ncfjax import Member, Spec, load, train`.
"""

import importlib
from typing import Any

# name -> module, imported when it is asked for: JAX takes a second, and a table is read without it.
_MODULES = {
    "Member": "training.recommender",
    "Recommender": "models.recommender",
    "Recommenders": "recommend.recommenders",
    "Request": "recommend.request",
    "Spec": "training.loop",
    "compare": "evaluation.significance",
    "export_npz": "saved",
    "hit_ratio": "evaluation.metrics",
    "load": "data.catalog",
    "load_model": "saved",
    "ndcg": "evaluation.metrics",
    "ranks_of": "evaluation.ranking",
    "train": "training.fit",
}
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'ncfjax' has no attribute {name!r}")
    return getattr(importlib.import_module(f"ncfjax.{_MODULES[name]}"), name)
