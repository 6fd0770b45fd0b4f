import sys

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.evaluation.metrics import hit_ratio, ndcg
from ncfjax.models.keras import read_keras
from ncfjax.models.pretraining import join
from ncfjax.models.recommender import Recommender
from ncfjax.models.similarities.gmf import GMF
from ncfjax.models.similarities.mlp import MLP

USER, ITEM = "user_embedding/user_embedding_W", "item_embedding/item_embedding_W"
GMF_SHAPES = {USER: (3, 4), ITEM: (5, 4), "prediction/prediction_W": (4, 1), "prediction/prediction_b": (1,)}
MLP_SHAPES = {
    **GMF_SHAPES,
    "layer1/layer1_W": (8, 6),
    "layer1/layer1_b": (6,),
    "layer2/layer2_W": (6, 3),
    "layer2/layer2_b": (3,),
    "prediction/prediction_W": (3, 1),
}
NUM_USERS, NUM_ITEMS = 3, 5
PAIRS = [(user, item) for user in range(NUM_USERS) for item in range(NUM_ITEMS)]


def draw(shapes):
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def write(folder, arrays):
    path = folder / "weights.h5"
    with h5py.File(path, "w") as file:
        file.create_group("merge_1")  # layers without weights are groups too
        for name, array in arrays.items():
            file[name] = array
    return path


def read(folder, arrays):
    return read_keras(write(folder, arrays), num_users=NUM_USERS, num_items=NUM_ITEMS)


def logit(arrays, user, item):
    """Their network without its sigmoid, layer by layer in float64."""
    arrays = {name: array.astype(np.float64) for name, array in arrays.items()}
    p, q = arrays[USER][user], arrays[ITEM][item]
    units = np.concatenate([p, q]) if "layer1/layer1_W" in arrays else p * q
    for layer in ("layer1", "layer2", "layer3"):
        if f"{layer}/{layer}_W" in arrays:
            units = np.maximum(units @ arrays[f"{layer}/{layer}_W"] + arrays[f"{layer}/{layer}_b"], 0.0)
    return (units @ arrays["prediction/prediction_W"] + arrays["prediction/prediction_b"])[0]


@pytest.mark.parametrize("shapes", [GMF_SHAPES, MLP_SHAPES], ids=["gmf", "mlp"])
def test_the_scores_are_those_of_a_loop_over_the_layers(tmp_path, shapes):
    arrays = draw(shapes)
    model = read(tmp_path, arrays)
    expected = [logit(arrays, user, item) for user, item in PAIRS]
    users, items = map(jnp.array, zip(*PAIRS, strict=True))
    np.testing.assert_allclose(model.score(users, items), expected, rtol=1e-5, atol=1e-5)
    all_scores = model.score_all(jnp.arange(NUM_USERS))
    np.testing.assert_allclose(all_scores.reshape(-1), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("shapes", "build"),
    [
        (GMF_SHAPES, lambda key: GMF(4, regularize_weights=False, key=key)),
        (MLP_SHAPES, lambda key: MLP(4, layers=(8, 6, 3), regularize_weights=False, key=key)),
    ],
    ids=["gmf", "mlp"],
)
def test_a_read_model_goes_where_a_drawn_one_goes(tmp_path, key, shapes, build):
    model = read(tmp_path, {name: array.astype(np.float64) for name, array in draw(shapes).items()})
    drawn = jax.eval_shape(lambda: Recommender(NUM_USERS, NUM_ITEMS, 4, build(key), stddev=1.0, key=key))
    assert jax.tree.structure(model) == jax.tree.structure(drawn)
    assert [(x.shape, x.dtype) for x in jax.tree.leaves(model)] == [(x.shape, x.dtype) for x in jax.tree.leaves(drawn)]


@pytest.mark.parametrize("name", MLP_SHAPES)
def test_a_missing_array_is_named(tmp_path, name):
    arrays = draw(MLP_SHAPES)
    arrays[f"{name.split('/')[0]}/other"] = arrays.pop(name)
    with pytest.raises(ValueError, match=rf"weights\.h5: expected an array {name}, got none among .*merge_1"):
        read(tmp_path, arrays)


def test_a_missing_layer_between_others_is_named(tmp_path):
    arrays = {name.replace("layer2", "layer3"): array for name, array in draw(MLP_SHAPES).items()}
    with pytest.raises(ValueError, match="expected an array layer2/layer2_W, got none among .*layer1, layer3"):
        read(tmp_path, arrays)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        (ITEM, (5, 3), r"item_embedding_W of shape \(5, 4\), got \(5, 3\)"),
        ("layer1/layer1_W", (4, 6), r"layer1_W of shape \(8, 6\), got \(4, 6\)"),  # of one vector, not of two
        ("layer1/layer1_b", (5,), r"layer1_b of shape \(6,\), got \(5,\)"),
        ("layer2/layer2_W", (5, 3), r"layer2_W of shape \(6, 3\), got \(5, 3\)"),
        ("layer2/layer2_b", (1,), r"layer2_b of shape \(3,\), got \(1,\)"),
        ("prediction/prediction_W", (4, 1), r"prediction_W of shape \(3, 1\), got \(4, 1\)"),
        ("prediction/prediction_W", (3, 2), r"prediction_W of shape \(3, 1\), got \(3, 2\)"),
        ("prediction/prediction_W", (3,), r"prediction_W as numbers of 2 dimension\(s\), got float32 \(3,\)"),
        ("prediction/prediction_b", (2,), r"prediction_b of shape \(1,\), got \(2,\)"),
        ("prediction/prediction_b", (), r"prediction_b as numbers of 1 dimension\(s\), got float32 \(\)"),
        (USER, (3, 0), r"user_embedding_W as numbers of 2 dimension\(s\), got float32 \(3, 0\)"),
    ],
)
def test_shapes_that_do_not_fit_together_are_refused(tmp_path, name, shape, message):
    with pytest.raises(ValueError, match=rf"weights\.h5: expected \w+/{message}"):
        read(tmp_path, draw({**MLP_SHAPES, name: shape}))


def test_a_tower_without_a_layer_is_no_gmf(tmp_path):
    with pytest.raises(ValueError, match=r"prediction_W of shape \(4, 1\), got \(8, 1\)"):
        read(tmp_path, draw({**GMF_SHAPES, "prediction/prediction_W": (8, 1)}))


def test_words_in_place_of_numbers_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"prediction_b as numbers of 1 dimension\(s\), got \|S3 \(1,\)"):
        read(tmp_path, {**draw(GMF_SHAPES), "prediction/prediction_b": np.array([b"one"])})


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_not_finite_is_refused(tmp_path, value):
    arrays = draw(MLP_SHAPES)
    arrays[ITEM][1, 2] = value
    with pytest.raises(ValueError, match=rf"expected finite numbers in {ITEM}, got {value}"):
        read(tmp_path, arrays)


@pytest.mark.parametrize(("num_users", "num_items"), [(4, 5), (3, 6)])
def test_weights_of_another_data_set_are_refused(tmp_path, num_users, num_items):
    path = write(tmp_path, draw(GMF_SHAPES))
    expected = rf"weights\.h5: expected weights of {num_users} users and {num_items} items, got 3 and 5"
    with pytest.raises(ValueError, match=expected):
        read_keras(path, num_users=num_users, num_items=num_items)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.h5: expected weights that Keras 1 saved .*, got no file"):
        read_keras(tmp_path / "nowhere.h5", num_users=3, num_items=5)


def keep_nothing(content):
    return b""


def write_text(content):
    return b"0\t1\t5\n" * 100


def cut_the_end(content):
    return content[:-100]


def break_the_root(content):
    start = content.index(b"TREE")  # of the root group's index
    return content[:start] + b"EERT" + content[start + 4 :]


def wipe_a_header(content):
    return content[:64] + bytes(16) + content[80:]


@pytest.mark.parametrize("change", [keep_nothing, write_text, cut_the_end, break_the_root, wipe_a_header])
def test_what_is_no_sound_hdf5_file_is_refused(tmp_path, change):
    path = write(tmp_path, draw(GMF_SHAPES))
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=r"weights\.h5: expected a sound HDF5 file, got: "):
        read_keras(path, num_users=3, num_items=5)


def test_without_h5py_the_extra_is_named(tmp_path, monkeypatch):
    path = write(tmp_path, draw(GMF_SHAPES))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"expected h5py, got none: pip install -e '\.\[keras\]'"):
        read_keras(path, num_users=3, num_items=5)


def sampled_ranks(model, held_out):
    """Among the listed candidates alone: scoring the whole catalogue by an MLP takes 10 s."""

    def rank(row):
        user, positive, negatives = row
        not_beaten = ~(model.score(user, positive) > model.score(user[None], negatives))
        return jnp.sum(not_beaten & (negatives != positive))

    rows = held_out.users, held_out.positives, held_out.negatives
    return np.asarray(jax.lax.map(rank, tuple(map(jnp.asarray, rows)), batch_size=256))


@pytest.mark.realdata
def test_the_authors_weights_give_their_known_metrics(real_data, ml_1m):
    """Of GMF, the MLP and their untrained NeuMF: HR@10 and NDCG@10 that a plain NumPy loop gives for these files."""
    sizes = {"num_users": ml_1m.train.num_users, "num_items": ml_1m.train.num_items}
    gmf = read_keras(real_data / "ncf-pretrain" / "ml-1m_GMF_8_1501651698.h5", **sizes)
    mlp = read_keras(real_data / "ncf-pretrain" / "ml-1m_MLP_64-32-16-8_1501652038.h5", **sizes)
    assert mlp.similarity.layers == (64, 32, 16, 8)
    metrics = []
    for model in (gmf, mlp, join(gmf, mlp, 0.5, regularize_weights=False)):
        ranks = sampled_ranks(model, ml_1m.held_out)
        metrics.append((round(float(hit_ratio(ranks, 10)), 4), round(float(ndcg(ranks, 10)), 4)))
    assert metrics == [(0.6368, 0.3691), (0.6710, 0.3963), (0.6710, 0.3969)]
