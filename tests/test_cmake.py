"""The C ABI installed by CMake: found by find_package and by pkg-config, from C and from C++, static and shared."""

import os
import subprocess
from pathlib import Path

import pytest

import fusion
from c_library import CORE, tool

EXT = CORE.parent
SHELF = "event 1, final, change, quality 1.00: plate 2 +500.0 +- 1.5 g\n"
POINT = "0.000000 0.000000 10.000000 m, z +- 0.141 m, status 0 of 127 bits\n"


def run(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def cmake(source: Path, build: Path, *options: str) -> str:
    told = run(tool("cmake"), "-S", source, "-B", build, *options)
    run(tool("cmake"), "--build", build, "--parallel")
    return told


@pytest.fixture(scope="module", params=["OFF", "ON"], ids=["static", "shared"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an installed copy, moved after its installation."""
    tool("g++")
    folder = tmp_path_factory.mktemp("cmake")
    cmake(EXT, folder / "build", f"-DBUILD_SHARED_LIBS={request.param}", "-DCMAKE_INSTALL_LIBDIR=lib")
    run(tool("cmake"), "--install", folder / "build", "--prefix", folder / "before")
    (folder / "before").rename(folder / "prefix")
    return folder / "prefix"


def test_find_package(installed: Path, tmp_path: Path) -> None:
    told = cmake(EXT / "examples", tmp_path, f"-DCMAKE_PREFIX_PATH={installed}")
    assert f"fusion {fusion.__version__}" in told
    assert run(tmp_path / "shelf").endswith(SHELF)
    assert run(tmp_path / "point") == POINT


def test_pkg_config(installed: Path, tmp_path: Path) -> None:
    tool("pkg-config")
    found = {"PKG_CONFIG_PATH": str(installed / "lib" / "pkgconfig")}
    assert run("pkg-config", "--modversion", "fusion", **found).strip() == fusion.__version__
    flags = run("pkg-config", "--cflags", "--libs", "fusion", **found).split()
    source = EXT / "examples" / "shelf.c"
    run(tool("gcc"), "-std=c11", "-Wall", "-Wextra", "-Werror", source, *flags, "-o", tmp_path / "shelf")
    assert run(tmp_path / "shelf", LD_LIBRARY_PATH=str(installed / "lib")).endswith(SHELF)


def test_a_project_in_c_alone(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        f"""cmake_minimum_required(VERSION 3.20)
        project(one LANGUAGES C)
        find_package(fusion {fusion.__version__} EXACT REQUIRED)
        add_executable(shelf {EXT / "examples" / "shelf.c"})
        target_link_libraries(shelf fusion::core)"""
    )
    cmake(tmp_path, tmp_path / "build", f"-DCMAKE_PREFIX_PATH={installed}")
    assert run(tmp_path / "build" / "shelf").endswith(SHELF)
