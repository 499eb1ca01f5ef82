from typing import Any

from numpy import float64, int32
from numpy.typing import NDArray

def update(
    weight: NDArray[float64],
    count: NDArray[int32],
    records: NDArray[int32],
    echo: NDArray[float64],
    parts: NDArray[int32],
    log_score: NDArray[float64],
    plates: NDArray[int32],
    main_plate: int,
    products: int,
    facings: int,
    new_weight: NDArray[float64],
    new_count: NDArray[int32],
    new_records: NDArray[int32],
    share: NDArray[float64],
    chosen: NDArray[float64],
    s: Any,
) -> int: ...
def forget(
    owner: int,
    weight: NDArray[float64],
    count: NDArray[int32],
    records: NDArray[int32],
    share: NDArray[float64],
) -> int: ...
