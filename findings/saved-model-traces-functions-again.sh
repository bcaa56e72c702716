#!/usr/bin/env bash
# TensorFlow 2.21.0 (Keras 3.15.1): saving a module traces its tf.functions once more.
#
# Input: a tf.function with an input signature that was traced by get_concrete_function(), saved
# with tf.saved_model.save(module, ..., signatures=that concrete function), once without the
# tf.function as an attribute of the module, and once with it; and a layer exported by Keras'
# ExportArchive, whose add_endpoint makes each endpoint such an attribute.
# Behaviour: without the attribute the Python function runs once in all. With it, it runs a second
# time while saving, though the trace for that signature is there already. In Keras' export the
# layer's call runs twice for its one endpoint.
# Why users of recurrent models care: tracing is most of the time of exporting a recurrent network
# (loops over time for each layer and direction, and a signature each for prediction, attention,
# single steps). Each signature is paid for twice. Saving concrete functions as signatures alone
# gives the same signatures in half of the time; what is lost is calling the function by its
# attribute on what tf.saved_model.load returns.
# Fails when the second trace no longer happens, or when there are others.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "tensorflow==2.21.0" "keras==3.15.1"
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - "$folder" <<'PY'
import sys

import keras
import tensorflow as tf

folder = sys.argv[1]


def traces_of_saving(as_attribute):
    traces = []
    module = tf.Module()
    module.scale = tf.Variable(2.0)

    def answer(x):
        traces.append(1)
        return {"y": x * module.scale}

    signature = [tf.TensorSpec([None], tf.float32)]
    function = tf.function(answer, input_signature=signature, autograph=False)
    concrete = function.get_concrete_function()
    before = len(traces)
    if as_attribute:
        module.answer = function
    tf.saved_model.save(module, f"{folder}/{as_attribute}", signatures=concrete)
    return before, len(traces)


calls = []


class Counted(keras.layers.Layer):
    def build(self, input_shape):
        self.scale = self.add_weight(())

    def call(self, x):
        calls.append(1)
        return x * self.scale


layer = Counted()
layer.build((None, 3))
archive = keras.export.ExportArchive()
archive.track(layer)
archive.add_endpoint("serve", layer.__call__, [tf.TensorSpec([None, 3], tf.float32)])
archive.write_out(f"{folder}/keras", verbose=False)

print("tensorflow", tf.__version__, "keras", keras.__version__)
alone, attribute = traces_of_saving(False), traces_of_saving(True)
print("traces before and after saving, signatures only:        ", *alone)
print("traces before and after saving, as an attribute as well:", *attribute)
print("traces of a layer in Keras' add_endpoint and write_out:  ", len(calls))
assert alone == (1, 1), "signatures alone are traced again: the behaviour has changed"
assert attribute == (1, 2), "the attribute isn't traced once more: the behaviour has changed"
assert len(calls) == 2, "Keras' export doesn't trace a layer twice: the behaviour has changed"
PY
