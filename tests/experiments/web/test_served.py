"""A model that is warm: whatever is asked first is answered without compiling. Models that go side by side."""

import dataclasses

import jax
import numpy as np
import pytest

from ncfjax.recommend.request import Request
from tests.recommend.models import NUM_ITEMS, NUM_USERS, saved

pytestmark = pytest.mark.slow
_compiled: list[str] = []


def _listen(event: str, seconds: float, **_) -> None:
    if event == "/jax/core/compile/jaxpr_to_mlir_module_duration":
        _compiled.append(event)


@pytest.fixture(scope="module")
def compiled() -> list[str]:
    """Grows by one for each program that is compiled, or read from the cache of them."""
    jax.monitoring.register_event_duration_secs_listener(_listen)
    return _compiled


@pytest.mark.parametrize("name", ["dot", "mlp", "alternating", "ease"])
def test_after_the_warm_up_nothing_is_compiled(served, compiled, name):
    jax.clear_caches()
    compiled.clear()
    model = served(name)
    model.warm_up()
    assert compiled
    compiled.clear()
    for k in (1, 7, 10, 20, 200):
        model.answer(Request(users=(104 + k % 5,), k=k, explain=2))
    for k, explain in ((7, 2), (200, 0)):
        model.answer(Request(users=(104,), k=k, explain=explain))
        model.answer(Request(history=(501, 503 + k % 5), k=k, explain=explain))
    model.answer(Request(users=(110,), items=(503,), prefer={"Comedy": 1}, deny=(504,)))
    assert compiled == []


@pytest.mark.parametrize(
    ("ids", "kind"),
    [({"item_ids": np.arange(NUM_ITEMS)}, "items"), ({"user_ids": np.arange(NUM_USERS)}, "users")],
    ids=["items", "users"],
)
def test_models_whose_ids_mean_others_are_not_shown_side_by_side(served, ids, kind):
    from experiments.web.served import side_by_side

    numbered = dataclasses.replace(saved("ials"), data=dataclasses.replace(saved("ials").data, **ids))
    assert len(side_by_side([numbered, numbered])) == len(side_by_side([saved("ials"), saved("mlp")])) == 2
    with pytest.raises(ValueError, match=f"models: expected models of the same {kind}, got ials of tiny and mlp of"):
        side_by_side([numbered, saved("mlp")])
