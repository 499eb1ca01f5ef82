from typing import Any

from numpy import float64, int32, uint8
from numpy.typing import NDArray

def explain(
    delta_g: NDArray[float64],
    sigma_g: NDArray[float64],
    inside: NDArray[uint8],
    facing_product: NDArray[int32],
    hands: NDArray[float64],
    vision: NDArray[float64],
    owners: NDArray[int32],
    mass_g: NDArray[float64],
    by_mass: NDArray[int32],
    present: NDArray[uint8],
    null: float,
    parts: NDArray[int32],
    terms: NDArray[float64],
    log_score: NDArray[float64],
    s: Any,
) -> int: ...
