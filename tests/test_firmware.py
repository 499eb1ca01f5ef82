"""The shelf controller on the boards that QEMU has: its records are those of the server's segmentation, to the byte."""

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from c_library import tool
from fusion import WeightEvent
from fusion.device_records import Damage, DeviceStatus, decode

FIRMWARE = Path(__file__).parents[1] / "ext" / "firmware"
PROBLEMS, KINDS = 7, 6
TOOLS = {"host": ("g++",), "aarch64": ("aarch64-linux-gnu-g++", "qemu-aarch64")}
BOARDS = ("an500", "an386")  # Cortex-M7 and M4F
ALLOWED = {"memcpy", "memmove", "memset", "sqrt", "log", "exp", "__ctzdi2"}  # and __aeabi_*: the compiler's helpers
MOST_RAM, MOST_FLASH, MOST_STACK, MOST_INSTRUCTIONS = 16 * 1024, 48 * 1024, 3 * 1024, 400
MOST_FLASH_OF_ALL = 200 * 1024


def module(name: str) -> ModuleType:
    if not FIRMWARE.is_dir():
        pytest.skip("the tests do not lie in a source tree")
    spec = importlib.util.spec_from_file_location(f"firmware_{name}", FIRMWARE / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    result = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(result)
    return result


def build(board: str, out: Path, program: str = "replay") -> subprocess.CompletedProcess[str]:
    """Build for a board, and run."""
    for name in TOOLS.get(board, ("arm-none-eabi-g++", "qemu-system-arm")):
        tool(name)
    command = [tool("make"), "-s", "-C", str(FIRMWARE), f"BOARD={board}", f"PROGRAM={program}", f"OUT={out}", "run"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)


def told(output: str) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(r"^(\w+) (\d+)$", output, re.MULTILINE)}


@pytest.fixture(scope="module", params=BOARDS)
def board(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """A board's build folder, and the figures that its replay told."""
    out = tmp_path_factory.mktemp(request.param)
    done = build(request.param, out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stderr
    return out, told(done.stderr)


def golden(name: str) -> bytes:
    return (FIRMWARE / "golden" / f"golden.{name}").read_bytes()


def test_the_golden_recording_comes_out_again(tmp_path: Path) -> None:
    """The generator also compares the native with the reference segmentation."""
    module("golden").main(tmp_path)
    for name in ("counts", "records"):
        assert (tmp_path / f"golden.{name}").read_bytes() == golden(name)


def test_the_golden_problems_come_out_again(tmp_path: Path) -> None:
    """To 1e-12, as they come out of numpy's own sines and roots."""
    module("golden_kernels").main(tmp_path / "kernels")
    again, known = (np.frombuffer(data) for data in ((tmp_path / "kernels").read_bytes(), golden("kernels")))
    np.testing.assert_allclose(again, known, rtol=1e-12)
    whole = np.abs(known) < 1e-150  # integers, as doubles
    assert again[whole].tobytes() == known[whole].tobytes()


def test_the_golden_recording_is_not_empty() -> None:
    records = list(decode(golden("records"), 12))
    assert not any(isinstance(record, Damage) for record in records)
    bodies = [body for _, body in records]  # type: ignore[misc]
    changes = [b for b in bodies if not isinstance(b, DeviceStatus) and b.kind == "change" and b.final]
    assert len(changes) >= 5
    assert sum(isinstance(b, DeviceStatus) for b in bodies) >= 59


@pytest.mark.parametrize("machine", TOOLS)
def test_on_this_machine_and_on_a_gateway(machine: str, tmp_path: Path) -> None:
    done = build(machine, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "records").read_bytes() == golden("records")


def test_on_the_boards(board: tuple[Path, dict[str, int]]) -> None:
    out, figures = board
    assert (out / "records").read_bytes() == golden("records")
    assert figures["records"] > 60


@pytest.mark.parametrize("board", [*TOOLS, *BOARDS])
def test_all_kernels(board: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The engine's numbers, to the bit where no logarithm is involved; in little enough flash."""
    done = build(board, tmp_path, "kernels")
    assert done.returncode == 0, done.stdout + done.stderr
    figures = told(done.stderr)
    assert figures["problems"] == PROBLEMS
    if board in TOOLS:
        return
    figures |= module("figures").figures(tmp_path)
    assert figures["flash_bytes"] <= MOST_FLASH_OF_ALL
    assert {n for n in figures.pop("undefined") if not n.startswith("__aeabi_")} <= ALLOWED
    show(capsys, f"{board}, all kernels", figures)


def test_a_gateway_tells_who_took_what(tmp_path: Path) -> None:
    """The same words on two processors: a line for each final change of the golden recording."""
    told = []
    for machine in TOOLS:
        done = build(machine, tmp_path / machine, "gateway")
        assert done.returncode == 0, done.stdout + done.stderr
        told.append((tmp_path / machine / "records").read_text(encoding="utf-8"))
    assert told[0] == told[1]
    found = re.findall(r"^event (\d+), \S+ g: (.+), p = (0\.\d{9})$", told[0], re.MULTILINE)
    bodies = [record[1] for record in decode(golden("records"), 12) if not isinstance(record, Damage)]
    finals = [b.id for b in bodies if isinstance(b, WeightEvent) and b.kind == "change" and b.final]
    assert [int(id_) for id_, _, _ in found] == finals
    assert "shopper 0 takes 1 of product 3" in [what for _, what, _ in found]
    assert all(float(p) > 0.9 for _, _, p in found)


def test_a_gateway_passes_over_rubbish(tmp_path: Path) -> None:
    assert build("host", tmp_path, "gateway").returncode == 0
    known = (tmp_path / "records").read_bytes()
    data = golden("records")
    for spoilt in (b"rubbish" + data, data[:300] + b"FW\x01" + data[300:], data + data[:50]):
        done = subprocess.run([tmp_path / "gateway"], input=spoilt, capture_output=True, check=False)
        assert done.returncode == 1
        assert b"belong to no record" in done.stderr
        assert len(done.stdout.splitlines()) >= len(known.splitlines()) - 1
    assert subprocess.run([tmp_path / "gateway"], input=data, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(("program", "name"), [("replay", "records"), ("kernels", "kernels")])
def test_a_difference_is_an_exit_code(program: str, name: str, tmp_path: Path) -> None:
    """One bit of what is expected is wrong: of the last record, or of the last hypothesis."""
    tool("g++")
    shutil.copytree(FIRMWARE, tmp_path / "ext" / "firmware", ignore=shutil.ignore_patterns("build"))
    shutil.copytree(FIRMWARE.parent / "core", tmp_path / "ext" / "core")
    path = tmp_path / "ext" / "firmware" / "golden" / f"golden.{name}"
    data = bytearray(path.read_bytes())
    data[-1 if program == "replay" else -16] ^= 1
    path.write_bytes(data)
    command = [tool("make"), "-s", "-C", path.parents[1], "BOARD=host", f"PROGRAM={program}", f"OUT={tmp_path}"]
    subprocess.run(command, check=True, capture_output=True)
    code = subprocess.run([tmp_path / program], capture_output=True, check=False).returncode
    assert code == (1 if program == "replay" else 10 + KINDS)


def test_what_it_takes(board: tuple[Path, dict[str, int]], capsys: pytest.CaptureFixture[str]) -> None:
    out, told_figures = board
    figures = module("figures").figures(out)
    assert figures["ram_bytes"] <= MOST_RAM
    assert figures["flash_bytes"] <= MOST_FLASH
    assert told_figures["stack_used"] <= figures["stack_bytes"] <= MOST_STACK
    assert 50 < told_figures["instructions_quiet"] <= MOST_INSTRUCTIONS
    assert told_figures["quiet_samples"] > 1000
    assert {n for n in figures["undefined"] if not n.startswith("__aeabi_")} <= ALLOWED
    del figures["undefined"]
    show(capsys, f"{out.name}, segmentation of twelve plates", figures | told_figures)


def show(capsys: pytest.CaptureFixture[str], what: str, figures: dict[str, int]) -> None:
    with capsys.disabled():
        print(f"\n{what}: {', '.join(f'{name} {value}' for name, value in figures.items())}", file=sys.stderr)
