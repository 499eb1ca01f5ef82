"""Symmetric 3x3 systems by L D L^T without pivoting (Golub & Van Loan 2013, section 4.1.2), as ``linalg.hpp``.

A symmetric matrix is the tuple ``(xx, xy, xz, yy, yz, zz)``; a factor is ``(l10, l20, l21, 1/d0, 1/d1, 1/d2)``.
"""

from typing import TypeAlias

COMPILED = ("factor", "solve", "inverse")

Six: TypeAlias = tuple[float, float, float, float, float, float]
Three: TypeAlias = tuple[float, float, float]

PIVOT = 1e-12
"""Share of its diagonal element that a pivot must keep; below it, rounding decides what is left."""


def factor(a: Six) -> tuple[Six, bool]:
    """Return the factor of `a` and whether `a` is safely positive definite (never true of NaN)."""
    xx, xy, xz, yy, yz, zz = a
    i0 = 1.0 / xx
    l10 = xy * i0
    l20 = xz * i0
    d1 = yy - l10 * xy
    i1 = 1.0 / d1
    b = yz - l10 * xz
    l21 = b * i1
    d2 = zz - l20 * xz - l21 * b
    definite = (xx > 0.0) & (d1 > PIVOT * yy) & (d2 > PIVOT * zz)
    return (l10, l20, l21, i0, i1, 1.0 / d2), definite


def solve(f: Six, bx: float, by: float, bz: float) -> Three:
    """Return x of ``a x = b`` from the factor of `a`."""
    l10, l20, l21, i0, i1, i2 = f
    y1 = by - l10 * bx
    y2 = bz - l20 * bx - l21 * y1
    z = y2 * i2
    y = y1 * i1 - l21 * z
    x = bx * i0 - l10 * y - l20 * z
    return x, y, z


def inverse(f: Six) -> Six:
    """Return the inverse of `a`, symmetric, from the factor of `a`."""
    l10, l20, l21, i0, i1, i2 = f
    m20 = l10 * l21 - l20  # last row of the inverse of L
    zz = i2
    yz = -l21 * i2
    xz = m20 * i2
    yy = i1 - l21 * yz
    xy = m20 * yz - l10 * i1
    xx = i0 + l10 * l10 * i1 + m20 * xz
    return xx, xy, xz, yy, yz, zz
