"""What can be imported from the package itself."""

import subprocess
import sys

import pytest

import ncfjax


def test_every_name_is_there_and_no_other():
    assert all(callable(getattr(ncfjax, name)) for name in ncfjax.__all__)
    with pytest.raises(AttributeError, match="module 'ncfjax' has no attribute 'nothing'"):
        assert ncfjax.nothing


def test_importing_the_package_loads_no_jax():
    code = "import sys, ncfjax; assert 'jax' not in sys.modules and ncfjax.Spec and 'jax' in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
