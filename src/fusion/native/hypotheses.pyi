from typing import Any

from numpy import float64, int32, uint8
from numpy.typing import NDArray

def update(
    weight: NDArray[float64],
    count: NDArray[int32],
    records: NDArray[int32],
    echo: NDArray[float64],
    together: NDArray[float64],
    parts: NDArray[int32],
    log_score: NDArray[float64],
    first_joint: int,
    plates: NDArray[int32],
    main_plates: NDArray[int32],
    products: int,
    facings: int,
    new_weight: NDArray[float64],
    new_count: NDArray[int32],
    new_records: NDArray[int32],
    share: NDArray[float64],
    joint_share: NDArray[float64],
    columns: NDArray[int32],
    chosen: NDArray[float64],
    s: Any,
) -> tuple[int, int]: ...
def ask(
    parts: NDArray[int32],
    log_score: NDArray[float64],
    first_joint: int,
    null: float,
    plates: NDArray[int32],
    facings: int,
    owners: NDArray[int32],
    carried: NDArray[uint8],
    back: NDArray[uint8],
    found: NDArray[uint8],
    s: Any,
) -> None: ...
def forget(
    owner: int,
    weight: NDArray[float64],
    count: NDArray[int32],
    records: NDArray[int32],
    share: NDArray[float64],
) -> int: ...
def join(
    weight: NDArray[float64],
    count: NDArray[int32],
    records: NDArray[int32],
    other_weight: NDArray[float64],
    other_count: NDArray[int32],
    other_records: NDArray[int32],
    new_weight: NDArray[float64],
    new_count: NDArray[int32],
    new_records: NDArray[int32],
    source: NDArray[int32],
    s: Any,
) -> int: ...
def certain(count: NDArray[int32], records: NDArray[int32], owner: int) -> bool: ...
def add_to_all(
    found: NDArray[int32],
    count: NDArray[int32],
    records: NDArray[int32],
    new_count: NDArray[int32],
    new_records: NDArray[int32],
) -> None: ...
def list_doubts(count: NDArray[int32], records: NDArray[int32], doubtful: NDArray[int32]) -> int: ...
