"""What is shipped: an sdist that builds, a wheel without sources, one version, numpy alone."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

import fusion
from fusion.native import build_info

ROOT = Path(__file__).parents[1]
LOCAL = (".*", "build", "dist", "wheelhouse", "__pycache__", "*.egg-info", "*.so", "*.pyd")
OFFLINE = re.compile(
    r"Temporary failure in name resolution|Name or service not known|Failed to establish a new connection"
    r"|Network is unreachable|Connection refused|No route to host|timed out|ProxyError"
)


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program without this checkout on its path; skip where what it needs cannot be downloaded."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "FUSION_BACKEND")}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    output = done.stdout + done.stderr
    if done.returncode and (reason := OFFLINE.search(output)):
        pytest.skip(f"packages cannot be downloaded here: {reason[0]}")
    assert done.returncode == 0, output[-4000:]
    return output


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the sdist of a copy of this tree, and the wheel built from that sdist, isolated from everything."""
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("the tests do not lie in a source tree")
    tree = tmp_path_factory.mktemp("packaging") / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*LOCAL))
    for name in (".clang-format", ".gitignore"):
        if (ROOT / name).is_file():
            shutil.copy(ROOT / name, tree)
    output = run(sys.executable, "-m", "build", "--outdir", tree.parent / "dist", ".", cwd=tree)
    assert not re.search(r":\d+: warning: ", output), output  # the compiler's; setuptools warns of what is absent
    return tree.parent / "dist"


@pytest.fixture(scope="module")
def sdist_names(dist: Path) -> set[str]:
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}


@pytest.fixture(scope="module")
def wheel_names(dist: Path) -> set[str]:
    (path,) = dist.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def sources(folder: str, *patterns: str) -> set[str]:
    return {p.relative_to(ROOT).as_posix() for pattern in patterns for p in (ROOT / folder).rglob(pattern)}


def test_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == fusion.__version__ == build_info.version


def test_numpy_is_the_only_requirement() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert [re.match("[a-z]+", requirement)[0] for requirement in project["dependencies"]] == ["numpy"]  # type: ignore[index]


def test_sdist_holds_everything_needed_to_build_and_test(sdist_names: set[str]) -> None:
    expected = {"pyproject.toml", "setup.py", "MANIFEST.in", "LICENSE", "README.md", "src/fusion/py.typed"}
    expected |= sources("ext", "*.hpp", "*.cpp", "*.pyx", "*.h", "*.c", "*.txt", "*.in", "*.md")
    expected |= sources("src", "*.py", "*.pyi")
    expected |= sources("tests", "*.py") | sources("bench", "*.py")
    assert expected - sdist_names == set()


def test_sdist_holds_nothing_built(sdist_names: set[str]) -> None:
    assert [n for n in sdist_names if re.search(r"\.(so|pyd|o|pyc)$|^build/|__pycache__|^\.hypothesis", n)] == []


def test_wheel_holds_modules_types_and_native_code(wheel_names: set[str]) -> None:
    package = {n.removeprefix("src/") for n in sources("src", "*.py", "*.pyi", "py.typed")}
    assert package - wheel_names == set()
    native = {
        PurePosixPath(n).name.partition(".")[0] for n in wheel_names if re.fullmatch(r"fusion/native/.*\.(so|pyd)", n)
    }
    assert native == {p.stem for p in (ROOT / "ext" / "bindings").iterdir() if p.suffix in (".pyx", ".cpp")}
    assert {PurePosixPath(n).name.removesuffix(".pyi") for n in wheel_names if n.endswith(".pyi")} == native


def test_wheel_holds_the_core_for_c_no_other_sources_and_no_tests(wheel_names: set[str]) -> None:
    core = {f"fusion/include/{p.name}" for p in (ROOT / "ext" / "core").iterdir()}
    assert {n for n in wheel_names if PurePosixPath(n).suffix in (".cpp", ".pyx", ".hpp", ".h", ".c", ".o")} == core
    top = {PurePosixPath(n).parts[0] for n in wheel_names}
    assert top == {"fusion", f"walkout_fusion-{fusion.__version__}.dist-info"}


def test_wheel_runs_with_numpy_alone(dist: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "venv", "env", cwd=tmp_path)
    python = tmp_path / "env" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    (wheel,) = dist.glob("*.whl")
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel, cwd=tmp_path)
    installed = run(python, "-m", "pip", "list", "--disable-pip-version-check", "--format=freeze", cwd=tmp_path)
    names = {line.partition("==")[0] for line in installed.split()}
    assert {"numpy", "walkout-fusion"} <= names <= {"numpy", "walkout-fusion", "pip", "setuptools"}
    shutil.copy(ROOT / "tests" / "test_minimal.py", tmp_path)
    output = run(python, "-W", "error", "-I", "test_minimal.py", cwd=tmp_path)
    tests = re.findall(r"^def (test_\w+)", (tmp_path / "test_minimal.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert output.splitlines() == [f"{name}: passed" for name in tests]
    run(python, "-W", "error", "-I", "-c", "import fusion.recordings, fusion.simulation, fusion.scoring", cwd=tmp_path)
    command = tmp_path / "env" / ("Scripts/fusion.exe" if sys.platform == "win32" else "bin/fusion")
    done = subprocess.run([command, "info"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install 'walkout-fusion[cli]'" in done.stderr
