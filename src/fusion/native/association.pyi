from typing import Any

from numpy import float64, int32, uint8
from numpy.typing import NDArray

def hand_log_likelihood(
    hands: NDArray[float64],
    place_start: NDArray[int32],
    center: NDArray[float64],
    axes: NDArray[float64],
    half: NDArray[float64],
    s: Any,
) -> NDArray[float64]: ...
def explain(
    delta_g: NDArray[float64],
    sigma_g: NDArray[float64],
    inside: NDArray[uint8],
    facing_product: NDArray[int32],
    hands: NDArray[float64],
    mass_g: NDArray[float64],
    present: NDArray[uint8],
    parts: NDArray[int32],
    log_score: NDArray[float64],
    s: Any,
) -> int: ...
def log_echo(
    delta_g: NDArray[float64],
    sigma_g: NDArray[float64],
    earlier_g: NDArray[float64],
    earlier_sigma_g: NDArray[float64],
    null: float,
    s: Any,
) -> float: ...
