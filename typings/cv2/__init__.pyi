from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

class CascadeClassifier:
    """OpenCV 5 has dropped it."""

    def empty(self) -> bool: ...
    def detectMultiScale(
        self,
        image: NDArray[np.uint8],
        *,
        scaleFactor: float = ...,
        minNeighbors: int = ...,
        minSize: tuple[int, int] = ...,
    ) -> Sequence[tuple[int, int, int, int]]: ...
