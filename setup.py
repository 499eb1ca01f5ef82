"""Builds every kernel binding under ext/bindings: Cython from .pyx, pybind11 from .cpp."""

import sys
import tomllib
from pathlib import Path

from Cython.Build import cythonize
from pybind11 import get_include
from pybind11.setup_helpers import has_flag
from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

# -ffp-contract=off: a fused multiply-add rounds once where the reference rounds twice, so bits would differ.
# -fno-trapping-math, and -fno-thread-jumps of gcc: loops with choices become vectors in SSE2 too; no bit changes.
UNIX = "-std=c++17 -O3 -g0 -ffp-contract=off -fno-math-errno -fno-trapping-math -fvisibility=hidden -Wall -Wextra"
FLAGS = ("/std:c++17 /O2 /fp:precise" if sys.platform == "win32" else UNIX).split()
BINDINGS = Path("ext/bindings")
VERSION = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def extension(source: Path) -> Extension:
    """One binding file becomes the module of the same name in fusion.native."""
    name, folders = f"fusion.native.{source.stem}", ["ext/core", "ext/bindings", get_include()]
    headers = [str(header) for header in Path("ext/core").glob("*.hpp")]
    return Extension(name, [source.as_posix()], include_dirs=folders, depends=headers, language="c++")


class BuildExtensions(build_ext):
    """Builds with the flags that the compiler has."""

    def build_extensions(self) -> None:
        """Choose them, and tell the modules which they are."""
        jumps = "-fno-thread-jumps"
        flags = FLAGS + [jumps] * (sys.platform != "win32" and has_flag(self.compiler, jumps))
        for module in self.extensions:
            module.extra_compile_args = flags
            module.define_macros += [("FUSION_VERSION", f'"{VERSION}"'), ("FUSION_FLAGS", f'"{" ".join(flags)}"')]
        super().build_extensions()


setup(
    cmdclass={"build_ext": BuildExtensions},
    packages=[*find_packages("src"), "fusion.include"],  # what fusion.get_include() tells of
    package_dir={"": "src", "fusion.include": "ext/core"},
    package_data={"fusion": ["py.typed", "native/*.pyi"], "fusion.include": ["*.h", "*.hpp", "*.cpp"]},
    ext_modules=[
        *cythonize([extension(p) for p in sorted(BINDINGS.glob("*.pyx"))], build_dir="build/cython", language_level=3),
        *[extension(p) for p in sorted(BINDINGS.glob("*.cpp"))],
    ],
)
