#!/usr/bin/env bash
# TensorFlow 2.21.0: tf.vectorized_map of a TensorArray's pieces put together works for equal pieces.
#
# Input: two rows (4, 3) of numbers; a function that cuts a row in two pieces along time, writes them
# to a tf.TensorArray(infer_shape=False) and gives back its concat(), which is the row as it was.
# Behaviour: called for each row, and by tf.map_fn, it gives the row for pieces of 2 and 2 steps and
# for pieces of 1 and 3. By tf.vectorized_map it does so for 2 and 2; for 1 and 3 it raises
# InvalidArgumentError: "Tried to set a tensor with incompatible shape at a list index", since the
# vectorised concatenation takes all pieces to have the first one's shape, though a TensorArray's
# concat is documented for pieces that differ in their first axis.
# Why users of recurrent models care: a loop over time that works by chunks concatenates its chunks,
# and the last one is shorter. Jacobians by tape.batch_jacobian are vectorised by default, so the
# Jacobian of such a layer with respect to its inputs ends in an error that names neither. Chunks of
# one length, stacked, with what is too much cut off, have none of this.
# Fails when unequal pieces are vectorised too, or when equal ones aren't any more.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "tensorflow==2.21.0"
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PY'
import numpy as np
import tensorflow as tf

tf.get_logger().setLevel("ERROR")  # it says that it finds no file of this program
rows = tf.constant(np.arange(24.0).reshape(2, 4, 3))


def put_together(first):
    def of(row):
        pieces = tf.TensorArray(tf.float64, size=2, infer_shape=False)
        return pieces.write(0, row[:first]).write(1, row[first:]).concat()

    return of


def outcome(run):
    try:
        return bool(tf.reduce_all(run() == rows))
    except tf.errors.InvalidArgumentError as error:
        return next(line for line in str(error).splitlines() if "shape" in line).split(".")[0]


print("tensorflow", tf.__version__)
found = {}
for first in (2, 1):
    function = put_together(first)
    found[first] = [
        outcome(lambda: tf.stack([function(row) for row in rows])),
        outcome(lambda: tf.map_fn(function, rows)),
        outcome(lambda: tf.vectorized_map(function, rows)),
    ]
    print(f"pieces of {first} and {4 - first} steps; row by row, map_fn, vectorized_map:", found[first])
assert found[2] == [True, True, True], "equal pieces aren't put together any more"
assert found[1][:2] == [True, True]
assert found[1][2] == "Tried to set a tensor with incompatible shape at a list index", "it changed"
print("as described")
PY
