from typing import Any

from numpy import float64, int32
from numpy.typing import NDArray

def hand_log_likelihood(
    hands: NDArray[float64],
    var: NDArray[float64],
    when: NDArray[float64],
    place_start: NDArray[int32],
    center: NDArray[float64],
    axes: NDArray[float64],
    half: NDArray[float64],
    s: Any,
) -> NDArray[float64]: ...
def log_echo(total: float, var: float, earlier: float, earlier_var: float, null: float, s: Any) -> float: ...
def lot_gains(
    moved: NDArray[int32],
    sums: NDArray[float64],
    lots: NDArray[float64],
    mass_g: NDArray[float64],
    same: float,
    gains: NDArray[float64],
    s: Any,
) -> None: ...
