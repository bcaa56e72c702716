"""Are two arrays the same answer? Of an export and of its run."""

import numpy as np

TOLERANCE = 1e-4  # absolute and relative, for numbers: kernels may sum in another order


def compare(found: np.ndarray, right: np.ndarray) -> float | str:
    """Give the largest difference of two arrays, or a description of why they aren't the same.

    >>> compare(np.array([1.0, 2.0]), np.array([1.0, 2.00001]))
    1.0000000000065512e-05
    >>> compare(np.array([b"a"], object), np.array([b"b"], object))
    "b'a' instead of b'b'"
    """
    if found.shape != right.shape or found.dtype != right.dtype:
        return f"{found.dtype}{list(found.shape)} instead of {right.dtype}{list(right.shape)}"
    if not np.issubdtype(right.dtype, np.floating):
        wrong = np.flatnonzero(found.ravel() != right.ravel())
        if len(wrong):
            return f"{found.ravel()[wrong[0]]!r:.80} instead of {right.ravel()[wrong[0]]!r:.80}"
        return 0.0
    if not np.allclose(found, right, TOLERANCE, TOLERANCE, equal_nan=True):
        return f"numbers differ by up to {np.nanmax(np.abs(found - right)):.3g}"
    same = found == right  # infinities have no difference
    return float(np.max(np.abs(np.where(same, 0, found) - np.where(same, 0, right)), initial=0))
