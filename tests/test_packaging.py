"""What is shipped: an sdist and a wheel that work with numpy alone, one version everywhere, errors that help."""

import os
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

import fusion
from fusion.native import build_info

ROOT = Path(__file__).parents[1]


def python(*arguments: str | Path, executable: Path | str = sys.executable, **environment: str) -> str:
    result = subprocess.run(
        [str(executable), *map(str, arguments)], capture_output=True, text=True, env=os.environ | environment
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an sdist and of the wheel built from it, isolated."""
    out = tmp_path_factory.mktemp("dist")
    python("-m", "build", "--outdir", out, ROOT)
    return out


def test_one_version_everywhere() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == fusion.__version__ == build_info.version
    assert project["dependencies"] == ["numpy>=2.0"]


def test_the_sdist_is_complete(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for needed in ("ext/core/segmentation.hpp", "ext/bindings/association.pyx", "tests/test_minimal.py", "LICENSE"):
        assert needed in names
    assert not [name for name in names if name.endswith((".so", ".pyc"))]


def test_the_wheel_has_types_and_kernels_and_no_sources(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for kernel in ("segmentation", "triangulation", "association", "hypotheses", "build_info"):
        assert f"fusion/native/{kernel}.pyi" in names
        assert [n for n in names if n.startswith(f"fusion/native/{kernel}.") and n.endswith((".so", ".pyd"))]
    assert "fusion/py.typed" in names
    assert not [n for n in names if n.endswith((".cpp", ".hpp", ".pyx", ".c"))]


def test_the_wheel_works_with_numpy_alone(built: Path, tmp_path: Path) -> None:
    (wheel,) = built.glob("*.whl")
    venv.create(tmp_path / "v", with_pip=True)
    bare = tmp_path / "v" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    python("-m", "pip", "install", "--quiet", wheel, executable=bare)
    listed = python("-m", "pip", "list", "--format=freeze", executable=bare)
    assert {line.partition("==")[0] for line in listed.split()} <= {"numpy", "walkout-fusion", "pip", "setuptools"}
    assert "known answer" in python(ROOT / "tests" / "test_minimal.py", executable=bare)
    code = "import fusion.recordings as r\ntry: r.open_recording('.')\nexcept Exception as e: print(e)"
    assert "recording" in python("-c", code, executable=bare)


HIDDEN = """
import sys
for kernel in ("segmentation", "triangulation", "association", "hypotheses"):
    sys.modules["fusion.native." + kernel] = None
"""


def test_without_native_modules_the_error_says_what_to_do() -> None:
    code = HIDDEN + "import fusion\ntry: fusion.Segmenter([0], rate_hz=60.0)\nexcept ImportError as e: print(e)"
    told = python("-c", code, FUSION_BACKEND="native")
    assert "pip install ." in told
    assert "FUSION_BACKEND=reference" in told


def test_without_native_modules_the_reference_works() -> None:
    code = HIDDEN + "import fusion; print(fusion.Segmenter([0], rate_hz=60.0).flush(), fusion.backend())"
    assert python("-c", code, FUSION_BACKEND="reference").split() == ["[]", "reference"]


def test_without_numba_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['numba']=None\nimport fusion\nfusion.use_backend('numba')\n"
        "try: fusion.Segmenter([0], rate_hz=60.0)\nexcept ImportError as e: print(e)"
    )
    assert "walkout-fusion[numba]" in python("-c", code)


def test_backends_are_chosen_by_call_context_and_variable() -> None:
    before = fusion.backend()
    with fusion.use_backend("reference"):
        assert fusion.backend() == "reference"
        with fusion.use_backend("native"):
            assert fusion.backend() == "native"
        assert fusion.backend() == "reference"
    assert fusion.backend() == before
    with pytest.raises(ValueError, match="native, numba, reference; got 'cuda'"):
        fusion.use_backend("cuda")
    assert python("-c", "import fusion; print(fusion.backend())", FUSION_BACKEND="numba").strip() == "numba"
