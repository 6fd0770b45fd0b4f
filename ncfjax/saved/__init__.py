"""Saved models: a folder with all that it takes to use a trained model; the data set's files are not needed.

    model.json    format, kind, what rebuilds the model's shape, true counts, the row of its run, every file's size
    arrays/       an orbax checkpoint: the arrays of the model, every user's history, every item's average rating
    names.npz     what users and items are called in the data set's files; titles, years and genres where known

All is written to a hidden folder beside it, which then takes its name: killed at any moment, a writer leaves a whole
model or none. What is read is checked against what model.json says: another format, other shapes, a file that is
missing or cut off are refused by name.

    kind           models                                        score
    recommender    any similarity                                a logit
    baseline       popularity; item_knn, user_knn, ease, slim; ials        the method's own
    rating         means, biases, factors; any similarity        a rating, off the scale too
"""

from ncfjax.saved.forms import Model
from ncfjax.saved.model import KINDS, SavedModel
from ncfjax.saved.reading import export_npz, is_saved, load_model, read_metadata
from ncfjax.saved.writing import FORMAT, save_model

__all__ = [
    "FORMAT", "KINDS", "Model", "SavedModel", "export_npz", "is_saved", "load_model", "read_metadata", "save_model",
]  # fmt: skip
