"""A member in the middle of its training on disk: what is read is what was written, or nothing at all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.saved.checkpoints import load_checkpoint, remove_checkpoints, save_checkpoint

STATE = {"model": jnp.arange(6.0).reshape(2, 3), "moments": [jnp.zeros(3, jnp.int32), jnp.float32(0.5)]}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


def load(folder, name="a", state=STATE, most_epochs=100):
    return load_checkpoint(folder, name, jax.eval_shape(lambda: state), most_epochs)


def test_what_is_read_is_what_was_written(folder):
    save_checkpoint(folder, "a", 7, STATE, {"seconds": np.float64(1.5), "epochs": np.arange(3)})
    epoch, state, kept = load(folder)
    assert epoch == 7 and jax.tree.structure(state) == jax.tree.structure(STATE)
    jax.tree.map(np.testing.assert_array_equal, state, STATE)
    assert (kept["seconds"], kept["epochs"].tolist()) == (1.5, [0, 1, 2])


def test_the_last_of_a_member_counts_and_the_others_go(folder):
    for name, epoch in (("a", 3), ("b", 9), ("a", 20), ("a", 5)):
        save_checkpoint(folder, name, epoch, STATE, {})
    assert sorted(path.name for path in folder.iterdir()) == ["a-5.npz", "b-9.npz"]
    assert (load(folder).epoch, load(folder, "b").epoch, load(folder, "c")) == (5, 9, None)
    remove_checkpoints(folder, "a")
    assert load(folder) is None and load(folder, "b").epoch == 9


def test_a_run_that_ends_before_it_does_not_go_on_from_there(folder):
    save_checkpoint(folder, "a", 8, STATE, {})
    assert load(folder, most_epochs=7) is None and load(folder, most_epochs=8).epoch == 8


def test_what_a_killed_writer_left_is_no_checkpoint(folder):
    save_checkpoint(folder, "a", 8, STATE, {})
    (folder / ".a-9.npz.part").write_bytes(b"half of it")
    assert load(folder).epoch == 8


def test_a_damaged_one_and_one_of_other_shapes_are_refused_by_name(folder):
    save_checkpoint(folder, "a", 8, STATE, {})
    with pytest.raises(ValueError, match=r"a-8\.npz: expected float32\[2, 4\], got float32\[2, 3\]"):
        load(folder, state=STATE | {"model": jnp.zeros((2, 4))})
    with pytest.raises(ValueError, match=r"a-8\.npz: expected a sound checkpoint, got KeyError"):
        load(folder, state=STATE | {"more": jnp.zeros(1)})
    path = folder / "a-8.npz"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(ValueError, match=r"a-8\.npz: expected a sound checkpoint, got"):
        load(folder)
