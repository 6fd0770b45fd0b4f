"""The machine of a study: what a block may take of its memory, and its name in the tables."""

from pathlib import Path

import pytest

from experiments.engine import device

GB = 1_000_000_000


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Files of a made-up system, by their absolute names."""

    def write(files: dict[str, str]) -> None:
        for name, text in files.items():
            path = tmp_path / name.lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    monkeypatch.setattr(device, "Path", lambda name: tmp_path / str(name).lstrip("/"))
    write({"/proc/meminfo": "MemTotal: 99000000 kB\nMemAvailable:   8000000 kB\n"})
    return write


def test_the_limit_given_is_the_limit():
    assert device.memory_limit(2.0) == 2 * GB and device.memory_limit(0.5) == GB // 2


def test_without_one_it_is_half_of_what_is_free(system):
    assert device.memory_limit(None) == 8_000_000 * 1024 // 2


def test_the_limit_of_a_container_counts_with_what_is_taken_of_it(system):
    system({"/sys/fs/cgroup/memory.max": f"{5 * GB}\n", "/sys/fs/cgroup/memory.current": f"{2 * GB}\n"})
    assert device.memory_limit(None) == 3 * GB // 2


def test_a_container_without_a_limit_has_what_the_system_has(system):
    system({"/sys/fs/cgroup/memory.max": "max\n", "/sys/fs/cgroup/memory.current": "1\n"})
    assert device.memory_limit(None) == 8_000_000 * 1024 // 2


def test_where_the_system_does_not_tell_all_memory_is_free(tmp_path, monkeypatch):
    monkeypatch.setattr(device, "Path", lambda name: tmp_path / str(name).lstrip("/"))
    monkeypatch.setattr(device.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1_000_000}.get)
    assert device.memory_limit(None) == 4096 * 1_000_000 // 2


def test_accelerators_share_half_of_what_is_free_on_them(monkeypatch):
    class Accelerator:
        @staticmethod
        def memory_stats() -> dict[str, int]:
            return {"bytes_limit": 10 * GB, "bytes_in_use": 4 * GB}

    monkeypatch.setattr(device.jax, "local_devices", lambda: [Accelerator, Accelerator])
    assert device.memory_limit(None) == 6 * GB


def test_a_cpu_is_named_with_its_cores_and_its_model(system):
    system({"/proc/cpuinfo": "processor : 0\nmodel name\t: Some CPU @ 2 GHz\n"})
    device.name.cache_clear()
    try:
        assert device.name() == f"cpu x{device._num_cores()} (Some CPU @ 2 GHz)"
    finally:
        device.name.cache_clear()


def test_compiled_programs_stay_where_the_user_keeps_them():
    """The tests' own folder, which they set before."""
    before = device.jax.config.jax_compilation_cache_dir
    device.prepare()
    assert device.jax.config.jax_compilation_cache_dir == before and Path(before).is_dir()
