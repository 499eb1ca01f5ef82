import numpy as np
from numpy.typing import NDArray

def step(
    tracks: NDArray[np.float64],
    facts: NDArray[np.int64],
    ambiguity: NDArray[np.float64],
    left: NDArray[np.float64],
    left_camera: NDArray[np.int32],
    left_ns: NDArray[np.int64],
    counts: NDArray[np.int64],
    sightings: NDArray[np.float64],
    camera: int,
    now_ns: int,
    centres_m: NDArray[np.float64],
    habits: NDArray[np.float64],
    track: NDArray[np.int64],
    doubt: NDArray[np.float64],
) -> None: ...
