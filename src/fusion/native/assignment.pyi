from numpy import float64, int32, int64
from numpy.typing import NDArray

def valid_costs(cost: NDArray[float64]) -> bool: ...
def valid_rows(cost: NDArray[float64], indices: NDArray[int32], indptr: NDArray[int64], m: int) -> bool: ...
def assign(cost: NDArray[float64], miss: NDArray[float64], columns: NDArray[int32]) -> None: ...
def assign_sparse(
    cost: NDArray[float64],
    indices: NDArray[int32],
    indptr: NDArray[int64],
    m: int,
    miss: NDArray[float64],
    columns: NDArray[int32],
) -> None: ...
def k_best(
    cost: NDArray[float64], miss: NDArray[float64], columns: NDArray[int32], totals: NDArray[float64]
) -> int: ...
def marginals(
    weights: NDArray[float64], miss: NDArray[float64], probability: NDArray[float64], log_total: NDArray[float64]
) -> None: ...
