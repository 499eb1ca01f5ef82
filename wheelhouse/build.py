"""Builds a wheel for the running Python into this folder and runs ``tests/test_minimal.py`` on it with numpy alone."""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent


def main() -> None:
    """Build, install in a clean environment, run the minimal test, and say what was built."""
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "dist"
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(built), str(ROOT)], check=True)
        (wheel,) = built.glob("*.whl")
        environment = Path(folder) / "venv"
        venv.create(environment, with_pip=True)
        python = environment / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        quiet = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        subprocess.run([*quiet, str(wheel)], check=True)
        subprocess.run([str(python), str(ROOT / "tests" / "test_minimal.py")], check=True, cwd=folder)
        target = HERE / wheel.name
        target.write_bytes(wheel.read_bytes())
    print(f"{target.name}: {target.stat().st_size / 1e6:.2f} MB, minimal test passed")


if __name__ == "__main__":
    main()
