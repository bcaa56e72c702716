"""Recurrent layers: the loop over time, both directions, stacks, pooling by attention.

## In your own Keras program

`RNN`, `LSTM`, `GRU` and `Bidirectional` take the place of `keras.layers.SimpleRNN`, `LSTM`, `GRU`
and `Bidirectional`: the same named arguments, shapes, states, masks of any form, `stateful`, and
Keras' own `Bidirectional` and `TimeDistributed` around them.
`keras_weights.from_keras` and `to_keras` convert layers and whole models with their weights,
`torch_weights.from_torch` and `to_torch` the state dicts of PyTorch's RNN and LSTM.

What differs, and each example compares it with Keras 3's own layers:

>>> import keras, numpy as np, tensorflow as tf
>>> from seqtasks import GRU, LSTM
>>> from seqtasks.layers.keras_weights import from_keras, to_keras
>>> x = tf.random.stateless_normal((1, 3, 2), seed=(1, 2))

The GRU is the pages': it resets before the recurrent product. Keras' default is the other one.

>>> keras.layers.GRU(4).reset_after, keras.layers.GRU(4, reset_after=False).reset_after
(True, False)
>>> GRU(4, reset_after=True)
Traceback (most recent call last):
    ...
ValueError: the pages' GRU resets h before the recurrent product: reset_after=False. \
Received: True, which is another equation; keras.layers.GRU has it, and no weights can be taken \
from one to the other

Weights stand in the pages' order of blocks, [f g i o] and [z r h~], with z turned: it lets in where
Keras' keeps. So b begins as 1 in the first block, where Keras' second one is f's.

>>> [[float(b[0]) for b in np.split(layer.get_weights()[2], 4)]
...  for layer in (LSTM(4), keras.layers.LSTM(4)) if layer(x) is not None]
[[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]

Initial weights are drawn for each gate by itself, so that W_h is as large as an RNN's; Keras draws
all gates at once, and its recurrent matrices of an LSTM begin half as large.

>>> [round(float(tf.norm(layer.get_weights()[1])), 3)
...  for layer in (LSTM(4), keras.layers.LSTM(4)) if layer(x) is not None]
[4.0, 2.0]

Outputs of padded steps are 0; Keras repeats the last real one, but for its `Bidirectional`.

>>> ours = LSTM(4, return_sequences=True)
>>> mask = tf.constant([[True, True, False]])
>>> outputs, theirs = ours(x, mask=mask), to_keras(ours)(x, mask=mask)
>>> bool(tf.reduce_all(outputs[:, 2] == 0)), bool(tf.reduce_all(theirs[:, 2] == theirs[:, 1]))
(True, True)

With `go_backwards` under a mask, outputs of real steps come in reverse order at the places of real
steps, where the mask says that they are; Keras turns padding round with them, and not the mask.

>>> ours = GRU(4, return_sequences=True, go_backwards=True)
>>> outputs, theirs = ours(x, mask=mask), to_keras(ours)(x, mask=mask)
>>> bool(np.allclose(outputs[:, :2], theirs[:, 1:], atol=1e-6))
True

`recurrent_dropout` draws one mask for all gates, Keras one for each.
"""
