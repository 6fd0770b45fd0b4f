"""What a ranking does where scores are equal, and where a list of negatives holds the positive itself.

Both are conventions that papers rarely state. Ours are strict; the others are here to show how much they move a metric.
"""

from typing import NamedTuple

TIES = ("against", "order", "favour", "average")
SELF_NEGATIVES = ("masked", "counted")


class Rules(NamedTuple):
    """How ranks are counted.

    ties: of a candidate with the positive's score,
        against   it comes first: a constant scorer ranks last
        order     it comes first if it is listed first: by item id in the catalogue; among sampled negatives by their
                  order, with the positive in its own place if it is listed there, else at the end (NCF's code)
        favour    the positive comes first: a constant scorer is perfect
        average   every order of the equal ones is as likely: a metric is its mean over them, exactly, and a constant
                  scorer is a random one. The ranks are those of `against`, the metrics take the ties beside them
    self_negatives: a sampled negative that is the positive is
        masked    left out
        counted   one more candidate, with the positive's own score
    """

    ties: str = "against"
    self_negatives: str = "masked"


STRICT = Rules()


def check_rules(rules: Rules) -> Rules:
    """Raises ValueError for a rule that there is not."""
    for name, valid in (("ties", TIES), ("self_negatives", SELF_NEGATIVES)):
        if (got := getattr(rules, name)) not in valid:
            raise ValueError(f"{name}: expected one of {', '.join(valid)}, got {got!r}")
    return rules
