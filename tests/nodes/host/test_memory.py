"""Work that does not fit in memory is refused in one sentence with both numbers, before anything is filled."""

import pytest
from pack.nodes.host import memory

ADVICE = "lower width, height or frames"


@pytest.fixture
def container(tmp_path, monkeypatch):
    """A container's own limit, in the files that Linux shows inside it."""

    def set_limit(limit: str, used: int, droppable: int = 0):
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.current").write_text(f"{used}\n")
        (tmp_path / "memory.stat").write_text(f"anon 5\ninactive_file {droppable}\n")
        monkeypatch.setattr(memory, "CGROUP", tmp_path)

    return set_limit


def test_what_fits_passes():
    memory.check_memory(10**6, "A small clip", ADVICE)


def test_what_does_not_fit_is_refused_with_both_numbers():
    with pytest.raises(
        ValueError, match=r"^A huge clip needs about 1000000 GB of memory, but \d+\.\d GB are free: lower"
    ):
        memory.check_memory(10**15, "A huge clip", ADVICE)


def test_the_limit_of_a_container_counts(container):
    container(str(3 * 10**9), 2 * 10**9, droppable=10**9)
    assert memory.left_in_container() == 2 * 10**9
    with pytest.raises(ValueError, match=r"needs about 2\.0 GB of memory, but 1\.7 GB are free"):
        memory.check_memory(2 * 10**9, "The clip", ADVICE)


def test_a_container_without_a_limit_does_not(container):
    container("max", 2 * 10**9)
    assert memory.left_in_container() == float("inf")


def test_models_that_the_host_keeps_in_main_memory_make_room_first(monkeypatch):
    free, asked = [10**9], []

    def unload(needed, device):
        asked.append((needed, device.type))
        free[0] = 4 * 10**9

    monkeypatch.setattr(memory.memory, "free_memory", unload)
    monkeypatch.setattr(memory, "free_memory", lambda: free[0])
    memory.check_memory(3 * 10**9, "The clip", ADVICE)
    assert asked == [(3 * 10**9 + memory.SPARE, "cpu")]


def test_bytes_of_float_pictures():
    assert memory.bytes_of(10, 100, 200, 3) == 10 * 100 * 200 * 3 * 4
    assert memory.bytes_of(10, 100, 200, copies=2.5, itemsize=2) == 10 * 100 * 200 * 5
