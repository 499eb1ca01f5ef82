"""Builds every kernel binding under ext/bindings: Cython from .pyx, pybind11 from .cpp."""

import sys
import tomllib
from pathlib import Path

from Cython.Build import cythonize
from pybind11 import get_include
from setuptools import Extension, find_packages, setup

# -ffp-contract=off: a fused multiply-add rounds once where the reference rounds twice, so bits would differ.
# -fno-trapping-math, -fno-thread-jumps: loops with choices become vectors in SSE2 too; no bit changes.
UNIX = (
    "-std=c++17 -O3 -g0 -ffp-contract=off -fno-math-errno -fno-trapping-math -fno-thread-jumps -fvisibility=hidden"
    " -Wall -Wextra"
)
FLAGS = ("/std:c++17 /O2 /fp:precise" if sys.platform == "win32" else UNIX).split()
VERSION = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def extension(source: Path) -> Extension:
    """One binding file becomes the module of the same name in fusion.native."""
    return Extension(
        f"fusion.native.{source.stem}",
        [source.as_posix()],
        include_dirs=["ext/core", "ext/bindings", get_include()],
        depends=[str(header) for header in Path("ext/core").glob("*.hpp")],
        define_macros=[("FUSION_FLAGS", f'"{" ".join(FLAGS)}"'), ("FUSION_VERSION", f'"{VERSION}"')],
        extra_compile_args=FLAGS,
        language="c++",
    )


bindings = Path("ext/bindings")
setup(
    packages=[*find_packages("src"), "fusion.include"],  # what fusion.get_include() tells of
    package_dir={"": "src", "fusion.include": "ext/core"},
    package_data={"fusion": ["py.typed", "native/*.pyi"], "fusion.include": ["*.h", "*.hpp", "*.cpp"]},
    ext_modules=[
        *cythonize([extension(p) for p in sorted(bindings.glob("*.pyx"))], build_dir="build/cython", language_level=3),
        *[extension(p) for p in sorted(bindings.glob("*.cpp"))],
    ],
)
