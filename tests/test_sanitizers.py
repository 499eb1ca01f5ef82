"""Kernels under AddressSanitizer and UndefinedBehaviorSanitizer, over random problems."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("kernel", "problems"), [("assignment", 3000), ("association", 20_000)])
def test_random_problems(kernel: str, problems: int, tmp_path: Path) -> None:
    compiler = shutil.which("g++")
    source = ROOT / "tests" / f"sanitize_{kernel}.cpp"
    if compiler is None or not (ROOT / "ext" / "core").is_dir():
        pytest.skip("needs g++ and the source tree")
    flags = ["-std=c++17", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    program = tmp_path / "sanitize"
    command = [compiler, *flags, f"-I{ROOT / 'ext' / 'core'}", source, "-o", program]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if "cannot find" in built.stderr:
        pytest.skip("the compiler has no sanitizers")
    assert built.returncode == 0, built.stderr
    done = subprocess.run([program, str(problems)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"{problems} problems\n"), done.stderr
