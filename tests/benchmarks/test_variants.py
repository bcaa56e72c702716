"""What `bench variants` measures: each ratio of two runs that there are, at a toy size."""

import pytest

from seqtasks.benchmarks import variants


@pytest.mark.slow
def test_every_ratio_is_measured_at_every_shape():
    rows = variants.measure(1, ((3, 2, 2, 3),))
    assert [(row["of"], row["over"]) for row in rows] == [ratio[:2] for ratio in variants.RATIOS]
    assert all(row["ratio"] > 0 and min(row["ms"]) > 0 for row in rows)
    assert variants.table(rows).count("\n") == 2 + 1 + len(rows)
