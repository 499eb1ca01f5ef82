"""Wheels: the interpreters that are found, and one for another processor, built and run in a clean environment."""

import importlib.util
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

WHEELHOUSE = Path(__file__).parents[1] / "wheelhouse"
FOREIGN = "cp311-aarch64"
MINUTES = 25

if not WHEELHOUSE.is_dir():
    pytest.skip("the tests do not lie in a source tree", allow_module_level=True)


def interpreters() -> ModuleType:
    spec = importlib.util.spec_from_file_location("interpreters", WHEELHOUSE / "interpreters.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["interpreters"] = module
    spec.loader.exec_module(module)
    return module


def test_the_running_python_is_found_first() -> None:
    if not (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        pytest.skip("Python's headers (python3-dev) are not installed")
    first = next(iter(interpreters().local(sys.executable)))
    assert first.runner == ()
    assert first.name == f"cp3{sys.version_info.minor}{sys.abiflags}-{platform.machine()}"
    assert first.version == platform.python_version()


def test_what_is_no_cpython_from_3_11_on_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "python3.9"
    path.write_text('#!/bin/sh\necho \'["cpython", [3, 9], "", "3.9.1", "/usr/include"]\'\n', encoding="utf-8")
    path.chmod(0o755)
    assert interpreters().describe((), str(path), "x86_64", "here") is None
    path.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    assert interpreters().describe((), str(path), "x86_64", "here") is None


def test_a_wheel_for_another_processor_runs() -> None:
    if platform.machine() != "x86_64":
        pytest.skip(f"{FOREIGN} is foreign on x86-64 only")
    for name in ("apt-get", "dpkg-deb", "qemu-aarch64"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    command = [sys.executable, str(WHEELHOUSE / "build.py"), FOREIGN]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60 * MINUTES)
    if re.search(r"no interpreter for|No matching distribution|Temporary failure", done.stdout + done.stderr):
        pytest.skip(f"packages cannot be downloaded here: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.fullmatch(r"(\S+manylinux_2_17_aarch64\.whl): (\d\.\d+) MB, (\d+) tests passed\n", done.stdout)
    assert told is not None, done.stdout
    assert (WHEELHOUSE / told[1]).is_file()
    minimal = (WHEELHOUSE.parent / "tests" / "test_minimal.py").read_text(encoding="utf-8")
    assert int(told[3]) == len(re.findall(r"^def test_", minimal, re.MULTILINE))
