"""A member in the middle of its training on disk: what is read is what was written, or nothing at all."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ncfjax.saved.checkpoints import epochs_of, load_checkpoint, remove_checkpoints, save_checkpoint

STATE = {"model": jnp.arange(6.0).reshape(2, 3), "moments": [jnp.zeros(3, jnp.int32), jnp.float32(0.5)]}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints"


def load(folder, epoch=8, state=STATE):
    return load_checkpoint(folder, "a", epoch, jax.eval_shape(lambda: state))


def test_what_is_read_is_what_was_written(folder):
    save_checkpoint(folder, "a", 8, STATE, {"seconds": np.array(1.5), "remarks": np.array(["none"])})
    epoch, state, kept = load(folder)
    assert epoch == 8 and jax.tree.structure(state) == jax.tree.structure(STATE)
    jax.tree.map(np.testing.assert_array_equal, state, STATE)
    assert (kept["seconds"], kept["remarks"].tolist()) == (1.5, ["none"])


def test_those_of_a_member_up_to_an_epoch_go_and_a_longer_runs_stay(folder):
    assert epochs_of(folder, "a") == set()
    for name, epoch in (("a", 3), ("b", 9), ("a", 20), ("a", 5)):
        save_checkpoint(folder, name, epoch, STATE, {})
    (folder / ".a-6.npz.part").write_bytes(b"half of it, of a killed writer")
    assert epochs_of(folder, "a") == {3, 5, 20}
    remove_checkpoints(folder, "a", 5)
    assert sorted(path.name for path in folder.iterdir()) == ["a-20.npz", "b-9.npz"]


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
    with pytest.raises(OSError):
        load(folder, epoch=9)
