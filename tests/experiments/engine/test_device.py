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


def test_a_job_of_a_batch_system_has_what_the_narrowest_group_around_it_leaves(system):
    """SLURM limits the job, its step and its task; the process is in the task's group, and sees the whole tree."""
    job, step = "/sys/fs/cgroup/system.slice/slurmstepd.scope/job_7", "step_0/user/task_0"
    system({"/proc/self/cgroup": f"0::{job.removeprefix('/sys/fs/cgroup')}/{step}\n"})
    system({f"{job}/{step}/memory.max": "max\n", f"{job}/{step}/memory.current": f"{GB}\n"})
    system({f"{job}/memory.max": f"{4 * GB}\n", f"{job}/memory.current": f"{1 * GB}\n"})
    assert device.memory_limit(None) == 3 * GB // 2
    system({f"{job}/{step}/memory.max": f"{2 * GB}\n"})
    assert device.memory_limit(None) == GB // 2
    system({f"{job}/step_0/memory.high": f"{GB // 2}\n", f"{job}/step_0/memory.current": "0\n"})
    assert device.memory_limit(None) == GB // 4


def test_groups_of_version_1_count_too_with_their_own_names(system):
    lines = ["9:name=systemd:/", "4:cpu,cpuacct:/elsewhere", "3:memory:/slurm/uid_1/job_7", "0::/"]
    system({"/proc/self/cgroup": "\n".join(lines) + "\n"})
    job = "/sys/fs/cgroup/memory/slurm/uid_1/job_7"
    no_limit = {f"{job}/memory.limit_in_bytes": "9223372036854771712\n", f"{job}/memory.usage_in_bytes": f"{GB}\n"}
    system(no_limit)
    assert device.memory_limit(None) == 8_000_000 * 1024 // 2
    parent = job.rsplit("/", 1)[0]
    system({f"{parent}/memory.limit_in_bytes": f"{5 * GB}\n", f"{parent}/memory.usage_in_bytes": f"{3 * GB}\n"})
    assert device.memory_limit(None) == GB


def test_pages_of_files_that_the_system_gives_up_are_free(system):
    """Reading a file of 3 GB leaves them in memory.current until something else needs their place."""
    system({"/sys/fs/cgroup/memory.max": f"{5 * GB}\n", "/sys/fs/cgroup/memory.current": f"{4 * GB}\n"})
    system({"/sys/fs/cgroup/memory.stat": f"anon {GB}\nfile {3 * GB}\ninactive_file {3 * GB}\nactive_file 0\n"})
    assert device.memory_limit(None) == 2 * GB


def test_a_group_of_the_system_outside_is_that_of_the_container(system):
    """A container that keeps the names of the system outside: its root is its own group."""
    system({"/proc/self/cgroup": "0::/docker/0123abc\n"})
    system({"/sys/fs/cgroup/memory.max": f"{5 * GB}\n", "/sys/fs/cgroup/memory.current": f"{6 * GB}\n"})
    assert device.memory_limit(None) == 0


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
