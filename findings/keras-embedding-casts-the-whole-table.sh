#!/usr/bin/env bash
# Keras 3.15.1 (TensorFlow 2.21.0): under a mixed 16-bit policy, Embedding casts its whole table in
# every call, and not only the rows that it looks up.
#
# Input: Embedding(40000, 16) called with three ids, under the policy float32 and then under
# mixed_bfloat16; the operations of the traced call are listed with the shapes of their outputs.
# Behaviour: under mixed_bfloat16 a Cast makes (40000, 16), and a gather takes three rows of it. The
# result equals, bit for bit, the three rows gathered first and cast then, which is 48 numbers to
# cast for 640,000.
# Why users of recurrent models care: mixed precision is chosen to save time and memory. A language
# model's or translator's table is often its largest weight; each step then reads all of it, and
# holds a second copy for as long as the step takes, however short the batch is.
# Fails when no Cast has the table's shape, or when both orders don't give the same numbers.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "tensorflow==2.21.0" "keras==3.15.1"
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PY'
import keras
import numpy as np
import tensorflow as tf

ROWS, WIDTH = 40000, 16
ids = tf.constant([[3, 1, 2]])


def casts(policy):
    """The layer, and the shapes that Cast makes in a call of it."""
    layer = keras.layers.Embedding(ROWS, WIDTH, dtype=policy)
    layer.build()
    traced = tf.function(layer.__call__).get_concrete_function(ids)
    operations = traced.graph.get_operations()
    return layer, [op.outputs[0].shape.as_list() for op in operations if op.type == "Cast"]


print("keras", keras.__version__)
_, plain = casts("float32")
print("shapes that are cast under float32:       ", plain)
layer, mixed = casts("mixed_bfloat16")
print("shapes that are cast under mixed_bfloat16:", mixed)
assert [ROWS, WIDTH] not in plain, "the plain layer casts its table, too"
assert [ROWS, WIDTH] in mixed, "the whole table is cast no more: the behaviour has changed"
rows = tf.cast(tf.gather(layer.embeddings.value, ids), tf.bfloat16)
same = np.array_equal(tf.cast(layer(ids), tf.float32), tf.cast(rows, tf.float32))
assert same, "casting the rows alone would give other numbers"
print("casting the three rows alone gives the same numbers:", same)
PY
