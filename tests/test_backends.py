"""The choice of a backend: by statement, by variable, and no silent way around a missing one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fusion import backend, backends, extras, use_backend

SRC = Path(backends.__file__).parents[1]

HIDE = """
import importlib.abc, sys

class Hidden(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.startswith({prefix!r}):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
"""

POINT = """
import numpy as np, fusion
cameras = [fusion.Camera(str(x), np.diag([1000.0, 1000.0, 1.0]), np.eye(3), np.array([-x, 0, 0])) for x in (-0.5, 0.5)]
print(fusion.triangulate(cameras, [[[50, 0], [-50, 0]]]).xyz_m.round(9).tolist())
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a fresh process, in which no backend is chosen unless told."""
    inherited = {k: v for k, v in os.environ.items() if k != backends.VARIABLE}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**inherited, "PYTHONPATH": str(SRC), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(autouse=True)
def unchosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """No choice before a test; what was chosen before comes back after it."""
    monkeypatch.setattr(backends, "_chosen", None)
    monkeypatch.delenv(backends.VARIABLE, raising=False)


class TestChoice:
    def test_native_by_default(self) -> None:
        assert backend() == "native"

    def test_as_a_statement(self) -> None:
        use_backend("reference")
        assert backend() == "reference"
        use_backend("native")
        assert backend() == "native"

    def test_until_the_end_of_a_block(self) -> None:
        with use_backend("reference"):
            assert backend() == "reference"
        assert backend() == "native"

    def test_nested(self) -> None:
        with use_backend("reference"):
            with use_backend("numba"):
                assert backend() == "numba"
                use_backend("native")
            assert backend() == "reference"
        assert backend() == "native"

    def test_an_error_in_the_block_restores_too(self) -> None:
        with pytest.raises(ZeroDivisionError), use_backend("reference"):
            raise ZeroDivisionError
        assert backend() == "native"

    @pytest.mark.parametrize("name", ["", "Native", "cuda", None, 3, ["native"]])
    def test_a_wrong_name(self, name: str) -> None:
        use_backend("reference")
        with pytest.raises(ValueError, match="name must be one of native, numba, reference; got"):
            use_backend(name)
        assert backend() == "reference"

    def test_the_variable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(backends.VARIABLE, "reference")
        assert backend() == "reference"
        with use_backend("numba"):
            assert backend() == "numba"
        monkeypatch.setenv(backends.VARIABLE, "cuda")
        with pytest.raises(ValueError, match="FUSION_BACKEND must be one of native, numba, reference; got 'cuda'"):
            backend()

    def test_kernels_come_from_the_backend(self) -> None:
        for name, module in (
            ("native", "fusion.native.triangulation"),
            ("numba", "fusion.numba.triangulation"),
            ("reference", "fusion.reference.triangulation"),
        ):
            with use_backend(name):
                assert backends.kernels("triangulation").__name__ == module

    def test_the_reference_stays_plain_when_numba_compiles_its_twin(self) -> None:
        with use_backend("numba"):
            twin = backends.kernels("triangulation")
        with use_backend("reference"):
            plain = backends.kernels("triangulation")
        assert twin.COMPILED == plain.COMPILED
        for function in twin.COMPILED:
            assert hasattr(getattr(twin, function), "py_func")
            assert not hasattr(getattr(plain, function), "py_func")


class TestFreshProcesses:
    @pytest.mark.parametrize("name", backends.BACKENDS)
    def test_the_variable_is_honoured(self, name: str) -> None:
        done = run("import fusion; print(fusion.backend())", FUSION_BACKEND=name)
        assert (done.stdout, done.stderr) == (f"{name}\n", "")

    def test_a_wrong_variable_is_refused(self) -> None:
        done = run(POINT, FUSION_BACKEND="gpu")
        assert done.returncode == 1
        assert "ValueError: FUSION_BACKEND must be one of native, numba, reference; got 'gpu'" in done.stderr

    def test_without_native_modules(self) -> None:
        done = run(HIDE.format(prefix="fusion.native.") + POINT)
        assert (done.returncode, done.stdout) == (1, "")
        for words in ("ImportError: the native kernel fusion.native.triangulation", "pip install .", "C++17 compiler"):
            assert words in done.stderr.splitlines()[-1]
        assert "FUSION_BACKEND=reference" in done.stderr
        done = run(HIDE.format(prefix="fusion.native.") + POINT, FUSION_BACKEND="reference")
        assert (done.stdout, done.stderr) == ("[[0.0, 0.0, 10.0]]\n", "")

    def test_without_numba(self) -> None:
        done = run(HIDE.format(prefix="numba") + POINT, FUSION_BACKEND="numba")
        assert (done.returncode, done.stdout) == (1, "")
        expected = "ImportError: this needs numba, which is not installed: pip install 'walkout-fusion[numba]'"
        assert done.stderr.splitlines()[-1] == expected

    def test_numba_compiles_once_for_all_processes(self, tmp_path: Path) -> None:
        report = """
from fusion import backends
from numba.core.dispatcher import Dispatcher
twin = backends.kernels("triangulation")
used = [f for f in map(vars(twin).get, twin.COMPILED) if isinstance(f, Dispatcher) and f.signatures]
print(sum(sum(f.stats.cache_hits.values()) for f in used), sum(sum(f.stats.cache_misses.values()) for f in used))
"""
        environment = {"FUSION_BACKEND": "numba", "NUMBA_CACHE_DIR": str(tmp_path)}
        first, second = (run(POINT + report, **environment) for _ in range(2))
        assert (first.stderr, second.stderr) == ("", "")
        point, counts = first.stdout.splitlines()
        hits, misses = map(int, counts.split())
        assert misses > 0
        point_again, counts = second.stdout.splitlines()
        hits, misses = map(int, counts.split())
        assert hits > 0
        assert misses == 0
        assert point == point_again == "[[0.0, 0.0, 10.0]]"


class TestExtras:
    def test_there(self) -> None:
        assert extras.require("json.decoder", extra="cli").__name__ == "json.decoder"

    def test_missing(self) -> None:
        expected = r"this needs no_such_package, which is not installed: pip install 'walkout-fusion\[vision\]'"
        with pytest.raises(ImportError, match=expected):
            extras.require("no_such_package.part", extra="vision")

    def test_broken(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Installed, but it does not load: saying "not installed" would send the user the wrong way."""
        (tmp_path / "broken_package.py").write_text("raise ImportError('needs NumPy 2.1 or less')")
        monkeypatch.syspath_prepend(tmp_path)
        with pytest.raises(ImportError, match=r"broken_package, which cannot be loaded \(needs NumPy 2.1 or less\)"):
            extras.require("broken_package", extra="numba")
