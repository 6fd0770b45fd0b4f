"""What would change the numbers of a run from outside: refused, or kept with its row."""

import os
import subprocess
import sys

import jax
import pytest

from experiments import plot, recommend, report, serve
from experiments.engine import device, environment
from experiments.engine.checks import ConfigError

OTHERS = {
    "JAX_ENABLE_X64": "1", "JAX_DEFAULT_PRNG_IMPL": "rbg", "JAX_DEFAULT_MATMUL_PRECISION": "bfloat16",
    "JAX_THREEFRY_PARTITIONABLE": "false", "JAX_NUMPY_DTYPE_PROMOTION": "strict", "JAX_RANDOM_SEED_OFFSET": "7",
    "JAX_DISABLE_JIT": "True", "JAX_DEBUG_NANS": "yes", "JAX_EXPLICIT_X64_DTYPES": "allow",
    "JAX_DEFAULT_DEVICE": "cpu", "JAX_TRANSFER_GUARD": "disallow", "JAX_NO_TRACING": "1", "JAX_NO_EXECUTION": "1",
    "JAX_ERROR_CHECKING_BEHAVIOR_NAN": "raise",
}  # fmt: skip


@pytest.mark.parametrize(("variable", "value"), [*OTHERS.items(), ("JAX_ENABLE_X64", "perhaps")])
def test_a_wish_for_other_numbers_is_refused(variable: str, value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=f"^{variable}={value}: expected .*; unset {variable}$"):
        device.prepare()


@pytest.mark.parametrize("value", ["0", "false", "False", "off"])
def test_a_wish_for_what_it_is_anyway_is_none(value: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JAX_ENABLE_X64", value)
    monkeypatch.setenv("JAX_DEFAULT_PRNG_IMPL", "threefry2x32")
    environment.check()


@pytest.mark.parametrize("main", [plot.main, recommend.main, report.main, serve.main])
def test_every_command_refuses_it(main, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setenv("JAX_ENABLE_X64", "1")
    assert main([]) == 2
    assert "JAX_ENABLE_X64=1: expected 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("setting", "other"),
    [("jax_enable_x64", True), ("jax_default_prng_impl", "rbg"), ("jax_default_matmul_precision", "bfloat16"),
     ("jax_threefry_partitionable", False), ("jax_random_seed_offset", 7)],
)  # fmt: skip
def test_what_a_later_version_of_jax_may_choose_is_pinned(setting: str, other: object):
    before = getattr(jax.config, setting)
    jax.config.update(setting, other)
    try:
        device.prepare()
        assert getattr(jax.config, setting) == environment.PINNED[setting][0] == before
    finally:
        jax.config.update(setting, before)


@pytest.mark.parametrize("setting", ["jax_platforms", "jax_platform_name"])
def test_a_platform_that_is_not_there_is_told_with_what_there_is(setting: str, monkeypatch: pytest.MonkeyPatch):
    wanted = iter(["abacus"])

    def devices():
        for name in wanted:
            raise RuntimeError(f"Unknown backend {name}\nin many lines")
        return jax.local_devices()

    before = jax.config.jax_platforms
    monkeypatch.setattr(device.jax, "devices", devices)
    monkeypatch.setenv("JAX_PLATFORM_NAME", "abacus" * (setting == "jax_platform_name"))
    jax.config.update("jax_platforms", "abacus" * (setting == "jax_platforms"))
    try:
        with pytest.raises(ConfigError) as refused:
            device.prepare()
    finally:
        jax.config.update("jax_platforms", before)
    there = dict.fromkeys([jax.local_devices()[0].platform, "cpu"])
    expected = f"{setting.upper()}=abacus: expected one that is there ({', '.join(there)}), got: Unknown backend abacus"
    assert str(refused.value) == expected


def test_flags_that_leave_no_device_are_told(monkeypatch: pytest.MonkeyPatch):
    def devices():
        raise RuntimeError("Unable to initialize backend 'cpu': none\nin many lines")

    monkeypatch.setattr(device.jax, "devices", devices)
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=0")
    with pytest.raises(ConfigError, match="^XLA_FLAGS=--xla_force_host_platform_device_count=0: expected flags that"):
        device.prepare()


@pytest.mark.slow
def test_a_variable_that_jax_does_not_understand_is_one_message():
    for module, value in (("baselines", "perhaps"), ("recommend", "")):
        command = [sys.executable, "-m", f"experiments.{module}", *["baseline=popularity"] * (module == "baselines")]
        done = subprocess.run(command, env=os.environ | {"JAX_LOG_COMPILES": value}, capture_output=True, text=True)
        assert done.returncode == 2 and done.stderr.count("\n") == 1
        assert (
            f"JAX cannot be imported: invalid truth value '{value}' for environment 'JAX_LOG_COMPILES'" in done.stderr
        )


def test_flags_of_compilers_stand_beside_the_device(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true --xla_force_host_platform_device_count=2")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    assert device.described() == f"{device.name()}, XLA_FLAGS=--xla_cpu_enable_fast_math=true, NVIDIA_TF32_OVERRIDE=1"
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=x")
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE")
    assert device.described() == device.name()
