"""What is asked -> what all models answer, as JSON has it: the same words as those of the command line."""

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.web.served import Served
from ncfjax.recommend.request import MOST, Refused, Request


def asked(values: Any) -> Request:
    """The request of a JSON value. An answer has MOST rows at most, so that none keeps the others waiting for long.

    Raises:
        Refused: no object, a key that there is not, a value that cannot be, or an answer that is too long.
    """
    if not isinstance(values, Mapping):
        raise Refused(f"expected an object of keys and values, got {type(values).__name__}")
    request = Request.of(values)
    if request.weights is not None:
        raise Refused("weights: expected none, as each model answers for itself")
    if request.users == "all":
        raise Refused("users: expected some, got 'all': python -m experiments.recommend answers for everybody")
    rows = max(1, len(request.users)) * (len(request.items) or request.k)
    if rows > MOST:
        raise Refused(f"expected at most {MOST:,} rows in an answer, users times k or items, got {rows:,}")
    return request


def answer(models: Sequence[Served], values: Any) -> dict[str, Any]:
    """What each model answers; one that cannot says why in the place of its answer.

    Raises:
        Refused: as `asked`, or no model can answer: what the first one says.
    """
    request = asked(values)
    answers, refusals = [], []
    for model in models:
        try:
            answers.append(model.answer(request))
        except Refused as error:
            refusals.append(error)
            answers.append(model.cost | {"error": str(error)})
    if len(refusals) == len(models):
        raise refusals[0]
    return {"answers": answers}
