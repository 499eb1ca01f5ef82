"""Rotations: matrix, vector and quaternion name the same turn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion import rotations


class TestRotations:
    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(st.floats(-1, 1), min_size=3, max_size=3), st.sampled_from([0.0, 1e-9, 1e-3, 1.0, np.pi - 1e-7, np.pi])
    )
    def test_vector_and_quaternion_come_back(self, axis: list[float], angle: float) -> None:
        length = np.linalg.norm(axis)
        vector = np.array(axis) / length * angle if length > 1e-3 else np.zeros(3)
        rotation = rotations.from_vector(vector)
        np.testing.assert_allclose(rotations.from_vector(rotations.to_vector(rotation)), rotation, atol=1e-14)
        quaternion = rotations.to_quaternion(rotation)
        np.testing.assert_allclose(rotations.from_quaternion(quaternion), rotation, atol=1e-14)
        if 0 < angle < 3:
            np.testing.assert_allclose(rotations.to_vector(rotation), vector, atol=1e-14)

    @pytest.mark.parametrize("wxyz", [[0, 0, 0, 0], [2, 0, 0, 0], [np.nan, 0, 0, 1], [np.inf, 0, 0, 0], [1e200] * 4])
    def test_a_quaternion_of_another_length_is_refused(self, wxyz: list[float]) -> None:
        with pytest.raises(ValueError, match="quaternion must be of unit length"):
            rotations.from_quaternion(np.array(wxyz, np.float64))
