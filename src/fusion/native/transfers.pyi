from numpy import float64, int32
from numpy.typing import NDArray

def transfer(
    weight: NDArray[float64],
    count: NDArray[int32],
    records: NDArray[int32],
    moves: NDArray[int32],
    in_hand: NDArray[float64],
    from_basket: float,
    own_things: float,
    passing: float,
    negligible: float,
    new_weight: NDArray[float64],
    new_count: NDArray[int32],
    new_records: NDArray[int32],
    share: NDArray[float64],
    chosen: NDArray[float64],
) -> int: ...
