import numpy as np
from numpy.typing import NDArray

def look(
    camera: NDArray[np.float64], px: NDArray[np.float64], sigma_px: NDArray[np.float64], sightings: NDArray[np.float64]
) -> None: ...
def match(
    sightings: NDArray[np.float64],
    camera: NDArray[np.int32],
    centres_m: NDArray[np.float64],
    motion_m: NDArray[np.float64],
    people_m: NDArray[np.float64],
    edge_room: int,
    person: NDArray[np.int32],
    ambiguity: NDArray[np.float64],
    bodies: NDArray[np.float64],
) -> int: ...
