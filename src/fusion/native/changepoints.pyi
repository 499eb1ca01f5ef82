import numpy as np
from numpy.typing import NDArray

def segment(
    grams: NDArray[np.float64], weights: NDArray[np.float64], penalty_g2: float, bound_g: float
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]: ...
