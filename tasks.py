"""Set-up and everyday tasks, with nothing but Python's standard library: ``python3 tasks.py TASK``.

Each task makes the virtual environment ``.venv`` if need be, installs what it needs there, and runs.
"""

import os
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")


def run(*command: str | Path) -> None:
    """Run a command in the virtual environment; stop with its exit code if it fails."""
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}", "VIRTUAL_ENV": str(VENV)}
    code = subprocess.run([str(c) for c in command], cwd=ROOT, env=environment, check=False).returncode
    if code:
        sys.exit(code)


def install(extra: str) -> None:
    """Install the package with an extra, as users get it: an isolated build, no editable mode."""
    if not PYTHON.exists():
        try:
            venv.create(VENV, with_pip=True)
        except (subprocess.CalledProcessError, ImportError) as error:
            sys.exit(f"cannot make {VENV} ({error}); on Debian and Ubuntu: apt install python3-venv python3-dev")
    run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f".[{extra}]")


def demo() -> None:
    """Install, then simulate a store, replay it and print the receipts beside the truth."""
    install("cli")
    run(BIN / "fusion", "demo")


def test() -> None:
    """Install, then check style, types and behaviour."""
    install("test")
    lint()
    run(PYTHON, "-m", "pytest", "-q")


def lint() -> None:
    """Check style and types; needs what `test` installs."""
    native = [p for p in sorted((ROOT / "ext").rglob("*")) if p.suffix in (".h", ".hpp", ".c", ".cpp")]
    run(PYTHON, "-m", "ruff", "check", ".")
    run(PYTHON, "-m", "ruff", "format", "--check", ".")
    run(BIN / "clang-format", "--dry-run", "--Werror", *native)
    run(PYTHON, "-m", "mypy")


def bench() -> None:
    """Install, then run every benchmark; prints one table a kernel."""
    install("bench")
    run(PYTHON, "-m", "pytest", "-q", "bench", "--benchmark-only", "--benchmark-columns=median,iqr,rounds")


TASKS: dict[str, Callable[[], None]] = {f.__name__: f for f in (demo, test, lint, bench)}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in TASKS:
        lines = [f"  {name:6} {(task.__doc__ or '').splitlines()[0]}" for name, task in TASKS.items()]
        sys.exit("\n".join(["usage: python3 tasks.py TASK", *lines]))
    TASKS[sys.argv[1]]()
