#!/usr/bin/env bash
# TensorFlow 2.21.0 on Python 3.13: an attribute of a tf.Module that was a dict is no JSON any more.
#
# Input: a tf.Module (a Keras layer does the same) with the attribute {"a": [1, 2]}, and
# json.dumps(module.attribute, indent=1); for comparison without `indent`, and of a plain dict.
# Behaviour: on Python 3.11 and 3.12 json.dumps(..., indent=1) gives the text. On 3.13, where the
# encoder in C also writes with an indent, it raises "TypeError: Object of type dict is not JSON
# serializable" for the module's attribute: TensorFlow has put a dictionary of its own, a proxy that
# isinstance takes for a dict, in its place. Without `indent` it raises that on 3.11, too. The
# message names a dict, and one stands in the code.
# Why users of recurrent models care: a text model keeps its vocabulary or its settings on a module
# and writes them as readable JSON beside the weights; that program runs for years and ends in this
# traceback after training, on the day its Python becomes 3.13. dict(...) and list(...) of it mend it.
# Fails when the attribute is written, or when what is described for the other cases changes.
# Needs python3.13; without one it shows the case without `indent`, which is the same encoder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=python3.13
"$python" -c "" 2> "$folder/none" || python=python3
"$python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "tensorflow==2.21.0"
TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" - <<'PY'
import json
import sys

import tensorflow as tf

module = tf.Module()
module.known = {"a": [1, 2]}


def outcome(value, **options):
    try:
        return json.loads(json.dumps(value, **options)) == {"a": [1, 2]}
    except TypeError as error:
        return str(error)


MESSAGE = "Object of type dict is not JSON serializable"
indented, plain = outcome(module.known, indent=1), outcome(module.known)
print("python", sys.version.split()[0], "tensorflow", tf.__version__)
print("isinstance(module.known, dict):", isinstance(module.known, dict))
print("with indent=1:", indented)
print("without:      ", plain)
print("of a real dictionary:", outcome({"a": [1, 2]}, indent=1))
assert isinstance(module.known, dict)
assert outcome({"a": [1, 2]}, indent=1) is True
assert plain == MESSAGE, "without indent it is written now"
assert indented == (MESSAGE if sys.version_info >= (3, 13) else True), "with indent it changed"
print("as described")
PY
