"""Where the C ABI lies for those who come by pip."""

from pathlib import Path


def get_include() -> str:
    """Return the folder of the C ABI: ``fusion.h``, the C++ headers behind it, and the sources ``fusion*.cpp``.

    A C or C++ program compiles against it, and takes in the sources, in C++17; they need no library but ``libm``.
    ``-ffp-contract=off`` gives the bits of this package.

    Returns
    -------
    str
        Absolute path.

    Examples
    --------
    ``include=$(python -c 'import fusion; print(fusion.get_include())')``, then
    ``g++ -std=c++17 -O2 -ffp-contract=off -c "$include"/fusion*.cpp``, ``gcc -I"$include" -c app.c`` and
    ``gcc app.o fusion*.o -lm``.
    """
    here = Path(__file__).resolve().parent
    installed = here / "include"
    return str(installed if installed.is_dir() else here.parents[1] / "ext" / "core")  # a source tree
