#!/usr/bin/env bash
# Keras 3.15.1 (TensorFlow 2.21.0): in training, GRU(reset_after=False) keeps a matrix of the size of
# its whole recurrent kernel for each step, however few rows a batch has; with reset_after=True, the
# default, it doesn't.
#
# Input: GRU(256) over one row of 128 features, with 100 and with 500 steps; the gradient of the
# weights in a tf.function, each in a process of its own, and by how much its peak memory grows.
# Behaviour: each step more takes about 0.8 MB with reset_after=False, which is the kernel's
# 256 x 768 numbers of 4 bytes, and 0.1 MB with reset_after=True. Of the two, only the first
# multiplies with slices of the kernel in each step, and the gradient of a slice is as large as what
# it is a slice of.
# Why users of recurrent models care: reset_after=False is the GRU of the first papers and of most
# teaching pages. Of 500 steps it keeps 400 MB, which is many times what the states need, and with
# one row a training step took 12 times as long as that of a loop without the slices.
# Fails when reset_after=False takes less than half a kernel for each step, or reset_after=True more
# than a quarter.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "tensorflow==2.21.0" "keras==3.15.1"
cat > "$folder/peak.py" <<'PY'
import resource
import sys

import keras
import tensorflow as tf

after, steps = sys.argv[1] == "after", int(sys.argv[2])
layer = keras.layers.GRU(256, return_sequences=True, reset_after=after, use_cudnn=False)
layer.build((1, None, 128))


@tf.function(input_signature=[tf.TensorSpec([1, None, 128])])
def gradients(x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(layer(x)))
    return tape.gradient(loss, layer.trainable_weights)


gradients(tf.ones((1, 5, 128)))  # traces it
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
gradients(tf.random.normal((1, steps, 128)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)  # KB on Linux
PY
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - "$folder/peak.py" <<'PY'
import subprocess
import sys

KERNEL = 256 * 768 * 4 / 1e6  # MB


def grows(rule):
    """MB that a step more takes."""

    def peak(steps):
        command = [sys.executable, sys.argv[1], rule, str(steps)]
        return int(subprocess.run(command, capture_output=True, check=True).stdout) * 1024 / 1e6

    return (peak(500) - peak(100)) / 400


before, after = grows("before"), grows("after")
print(f"a step more takes {before:.2f} MB with reset_after=False (the kernel has {KERNEL:.2f} MB)")
print(f"                  {after:.2f} MB with reset_after=True")
assert before > KERNEL / 2, "a matrix a step is kept no more: the behaviour has changed"
assert after < KERNEL / 4, "reset_after=True keeps as much: the behaviour has changed"
PY
