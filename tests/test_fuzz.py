"""A short run of the fuzzer over the C ABI; `ext/fuzz/fuzz.cpp` tells how to run a long one."""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from c_library import CORE, build, tool

SECONDS = 15
SANITIZERS = "address,undefined,float-cast-overflow"
FLAGS = ["-std=c++17", "-g1", "-O1", "-Wall", "-Wextra", "-Werror", "-DFUSION_BASELINE", f"-I{CORE}"]


def compiler() -> str:
    found = [name for name in ("clang++", "clang++-14") if os.access(f"/usr/bin/{name}", os.X_OK)]
    return tool(found[0] if found else "clang++")


@pytest.mark.parametrize("form", ["full", "compact"])
def test_a_short_run_finds_nothing(tmp_path: Path, form: str) -> None:
    clang, compact = compiler(), ["-DFUSION_COMPACT"] if form == "compact" else []
    sources = [*sorted((CORE.parent / "fuzz").glob("*.cpp")), *sorted(CORE.glob("fusion*.cpp"))]
    objects = [tmp_path / f"{source.parent.name}-{source.stem}.o" for source in sources]
    flags = [*FLAGS, *compact, f"-fsanitize=fuzzer-no-link,{SANITIZERS}", "-fno-sanitize-recover=all"]
    probe = tmp_path / "probe.cpp"
    probe.write_text('extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }\n')
    done = subprocess.run(
        [clang, f"-fsanitize=fuzzer,{SANITIZERS}", probe, "-o", tmp_path / "probe"], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("clang has no libFuzzer: install libclang-rt-dev")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        commands = [[clang, *flags, "-c", s, "-o", o] for s, o in zip(sources, objects, strict=True)]
        list(pool.map(build, commands))
    program = tmp_path / "fuzz"
    build([clang, f"-fsanitize=fuzzer,{SANITIZERS}", *objects, "-o", program])
    options = [
        f"-max_total_time={SECONDS}",
        "-max_len=4096",
        "-len_control=0",
        "-seed=1",
        f"-artifact_prefix={tmp_path}/",
    ]
    ran = subprocess.run([program, *options], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-4000:]
    runs = re.search(r"Done (\d+) runs", ran.stderr)
    assert runs is not None
    assert int(runs[1]) > 200
