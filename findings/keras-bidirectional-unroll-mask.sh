#!/usr/bin/env bash
# Keras 3.15.1 (TensorFlow 2.21.0): a Bidirectional layer with unroll=True zeroes real steps.
#
# Input: one row of three real steps and two of padding, right-padded, with the mask that
# Embedding(mask_zero=True) makes, through Bidirectional(LSTM(2, return_sequences=True)), once with
# unroll=False and once with unroll=True; the same weights, chosen so that no output is 0.
# Behaviour: the forward half agrees. The backward half of the real steps, which unroll=False
# computes, is exactly 0 with unroll=True at the first steps of the row: the mask is applied to the
# reversed sequence as if it had not been reversed.
# Why users of recurrent models care: unroll=True is documented as a matter of speed. For short
# padded batches, where it is faster, a bidirectional tagger or encoder silently loses what it read
# from behind; training hides it, as the forward half learns to do without.
# Fails when the two ways agree, or when they disagree in another way.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "tensorflow==2.21.0" "keras==3.15.1"
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PY'
import keras
import numpy as np

ids = np.array([[3, 1, 2, 0, 0]])


def network(unroll):
    keras.utils.set_random_seed(7)
    layer = keras.layers.LSTM(2, return_sequences=True, unroll=unroll)
    given = keras.Input((5,), dtype="int32")
    vectors = keras.layers.Embedding(4, 3, mask_zero=True)(given)
    return keras.Model(given, keras.layers.Bidirectional(layer)(vectors))


plain, unrolled = network(False), network(True)
unrolled.set_weights(plain.get_weights())
expected, found = (np.array(model(ids))[0, :3] for model in (plain, unrolled))
print("keras", keras.__version__)
print("backward half of the three real steps, unroll=False:", expected[:, 2:].round(4).tolist())
print("backward half of the three real steps, unroll=True: ", found[:, 2:].round(4).tolist())
forward_agrees = np.allclose(expected[:, :2], found[:, :2], atol=1e-6)
zeros = (np.abs(found[:, 2:]) == 0).all(axis=1)
assert forward_agrees, "the forward halves differ too: the behaviour has changed"
assert (np.abs(expected[:, 2:]) > 1e-4).all(), "the example has a zero of its own"
assert zeros.any(), "no real step is zeroed any more: the behaviour has changed"
print("real steps whose backward half is exactly 0:", np.flatnonzero(zeros).tolist())
PY
