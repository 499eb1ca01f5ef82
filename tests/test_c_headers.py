"""The C ABI as others compile it: as C11 and as C++17, by two compilers, needing next to nothing at link time."""

import ctypes as c
import re
import subprocess
from pathlib import Path

import pytest

from c_library import (
    BODY,
    CORE,
    CXX,
    FLAGS,
    POINT,
    TRACK,
    AssociationSettings,
    Calibration,
    Evidence,
    Hands,
    Hypotheses,
    Lineage,
    Places,
    Plate,
    PlateHealth,
    Scene,
    Settings,
    TrackerSettings,
    WeightEvent,
    build,
    library,
    objects,
    tool,
)
from fusion import get_include

C_LIBRARY = {"memcpy", "memmove", "memset", "sqrt", "log", "exp"}
COMPILER = {"_GLOBAL_OFFSET_TABLE_", "__cpu_model", "__cpu_indicator_init", "__stack_chk_fail"}
STRUCTS = {
    "fusion_segmentation_settings": c.sizeof(Settings),
    "fusion_plate": c.sizeof(Plate),
    "fusion_weight_event": c.sizeof(WeightEvent),
    "fusion_plate_health": c.sizeof(PlateHealth),
    "fusion_calibration": c.sizeof(Calibration),
    "fusion_camera": 49 * 8,
    "fusion_point": POINT.itemsize,
    "fusion_tracker_settings": c.sizeof(TrackerSettings),
    "fusion_body": BODY.itemsize,
    "fusion_track": TRACK.itemsize,
    "fusion_association_settings": c.sizeof(AssociationSettings),
    "fusion_hands": c.sizeof(Hands),
    "fusion_places": c.sizeof(Places),
    "fusion_scene": c.sizeof(Scene),
    "fusion_hypotheses": c.sizeof(Hypotheses),
    "fusion_evidence": c.sizeof(Evidence),
    "fusion_lineage": c.sizeof(Lineage),
    "fusion_part": 16,
    "fusion_record": 12,
}


@pytest.mark.parametrize("compiler", ["gcc", "clang", "clang-14"])
@pytest.mark.parametrize("language", ["c11", "c++17"])
def test_every_header_stands_alone(tmp_path: Path, compiler: str, language: str) -> None:
    program, include = tool(compiler), Path(get_include())
    headers = sorted(include.glob("*.h"))
    assert len(headers) >= 5
    source = tmp_path / ("all.c" if language == "c11" else "all.cpp")
    sizes = "".join(f"typedef char {name}_[sizeof({name}) == {size} ? 1 : -1];\n" for name, size in STRUCTS.items())
    for header in headers:
        source.write_text(f'#include "{header.name}"\n' + (sizes if header.name == "fusion.h" else ""))
        flags = [*FLAGS, "-pedantic", "-Wconversion", f"-std={language}", f"-I{include}", "-fsyntax-only"]
        build([program, *flags, source])


@pytest.mark.parametrize("example", ["shelf.c", "point.cpp"])
def test_examples_compile_without_a_warning(example: str) -> None:
    source = CORE.parent / "examples" / example
    compiler, flags = (tool("gcc"), ["-std=c11"]) if source.suffix == ".c" else (tool("g++"), ["-std=c++17"])
    build([compiler, *FLAGS, *flags, f"-I{CORE}", "-fsyntax-only", source])


def test_the_page_s_example_compiles(tmp_path: Path) -> None:
    page = (CORE.parent / "README.md").read_text()
    blocks = re.findall(r"```c\n(.*?)```", page, re.DOTALL)
    assert blocks
    for block in blocks:
        (tmp_path / "block.c").write_text(block)
        build([tool("gcc"), *FLAGS, "-std=c11", f"-I{CORE}", "-fsyntax-only", tmp_path / "block.c"])


def test_the_page_names_functions_that_exist() -> None:
    """And every function of the library is told of, if only by what follows its part's name."""
    page = (CORE.parent / "README.md").read_text()
    declared = {name for h in CORE.glob("*.h") for name in re.findall(r"\b(fusion_\w+)\(", h.read_text())}
    assert len(declared) > 25
    for name in declared:
        ending = "_" + name.partition("_")[2]
        endings = [ending[i:] for i in range(len(ending)) if ending[i] == "_"]
        told = name in page or any(f"`{e}`" in page or f"..{e}`" in page for e in endings)
        assert told or name in ("fusion_abi", "fusion_plates_defaults"), name


def test_the_library_needs_next_to_nothing() -> None:
    nm = tool("nm")
    for compiled in objects():
        told = subprocess.run([nm, "-u", "-C", compiled], capture_output=True, text=True, check=True).stdout
        needed = set(re.findall(r"U (\w+)", told)) - C_LIBRARY - COMPILER
        assert needed == set(), compiled.name


def test_the_library_keeps_no_state() -> None:
    nm = tool("nm")
    for compiled in objects():
        told = subprocess.run([nm, compiled], capture_output=True, text=True, check=True).stdout
        assert re.findall(r" [bBdDcC] (\w+)", told) == [], compiled.name


def test_clang_compiles_the_core_without_a_warning(tmp_path: Path) -> None:
    compiler = tool("clang++-14")
    source = tmp_path / "one.cpp"
    for header in sorted(CORE.glob("*.hpp")):
        source.write_text(f'#include "{header.name}"\n')
        build([compiler, *CXX, "-fsyntax-only", source])
    for part in sorted(CORE.glob("*.cpp")):
        build([compiler, *CXX, "-fsyntax-only", part])


def test_every_status_has_words_of_its_own() -> None:
    text = (CORE / "fusion_status.h").read_text()
    codes = [int(n) for n in re.findall(r"FUSION_\w+ = (-?\d+)", text)]
    assert len(codes) == 7
    words = [library().fusion_status_text(code) for code in (*codes, 99, -99)]
    assert len(set(words)) == len(codes) + 1
    assert library().fusion_abi() == int(re.search(r"#define FUSION_ABI (\d+)u", text)[1])  # type: ignore[index]
