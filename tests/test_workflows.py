"""The workflows that build the wheels elsewhere are valid, and build what the package promises."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))

if not WORKFLOWS:
    pytest.skip("the tests do not lie in a source tree", allow_module_level=True)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.stem)
def test_the_workflow_is_valid(path: Path) -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema (extra: test) is not installed")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_broken_workflow_is_found(tmp_path: Path) -> None:
    pytest.importorskip("check_jsonschema", reason="check-jsonschema (extra: test) is not installed")
    path = tmp_path / "broken.yml"
    path.write_text(WORKFLOWS[0].read_text(encoding="utf-8").replace("runs-on", "run-on"), encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_wheels_are_built_for_every_python_and_system() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    build = project["tool"]["cibuildwheel"]["build"]
    oldest = re.fullmatch(r">=3\.(\d+)", project["project"]["requires-python"])
    assert oldest is not None
    minors = sorted(int(m[1]) for tag in build if (m := re.fullmatch(r"cp3(\d+)-\*", tag)))
    assert minors == list(range(int(oldest[1]), minors[-1] + 1))
    assert {"cp314t-*", f"cp3{minors[-1]}t-*"} <= set(build)
    text = (ROOT / ".github" / "workflows" / "wheels.yml").read_text(encoding="utf-8")
    runners = ("ubuntu-24.04", "ubuntu-24.04-arm", "macos-15", "macos-15-intel", "windows-2025", "windows-11-arm")
    (matrix,) = re.findall(r"runner: \[(.+)\]", text)
    assert tuple(matrix.split(", ")) == runners
