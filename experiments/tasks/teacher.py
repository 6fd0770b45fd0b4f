"""The dot product that networks learn from, or start as: a configuration's `teacher` or `pretraining` has its sizes."""

from typing import Any

from ncfjax.training.loop import Spec


def teacher_spec(embedding_dim: int, settings: Any) -> Spec:
    """With biases, trained on the expected objective by SGD, as in the study."""
    sizes = settings.batch_size, settings.num_negatives
    return Spec(embedding_dim, "expected", *sizes, "dot", (("biases", True),), "sgd")
