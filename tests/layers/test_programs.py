"""Programs as people write them for Keras run with only the import changed, and learn as well."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

import seqtasks

KERAS = SimpleNamespace(
    LSTM=keras.layers.LSTM, GRU=keras.layers.GRU, Bidirectional=keras.layers.Bidirectional
)
# With KERAS in the list, Keras' own layers run the same programs to the same bounds.
each_source = pytest.mark.parametrize("layers", [seqtasks], ids=["seqtasks"])


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(5)


def words(rng, count, shortest=3, longest=9):
    """Sentences of ids from 1 to 9, and whether a 1 comes before the first 2."""
    sentences = [rng.integers(3, 10, rng.integers(shortest, longest)) for _ in range(count)]
    labels = rng.integers(0, 2, count)
    for sentence, label in zip(sentences, labels, strict=True):
        first, second = sorted(rng.choice(len(sentence), 2, replace=False))
        sentence[first], sentence[second] = (1, 2) if label else (2, 1)
    return [sentence.tolist() for sentence in sentences], labels


@each_source
def test_reviews_padded_by_pad_sequences(layers):
    texts, labels = words(np.random.default_rng(1), 400)
    x = keras.utils.pad_sequences(texts, maxlen=9)  # on the left, as by default
    model = keras.Sequential(
        [
            keras.layers.Embedding(10, 8, mask_zero=True),
            layers.Bidirectional(layers.LSTM(8, dropout=0.1, recurrent_dropout=0.1)),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, labels, epochs=8, batch_size=32, verbose=0)
    assert model.evaluate(x, labels, verbose=0)[1] > 0.9


@each_source
def test_an_encoder_gives_its_states_to_a_decoder(layers):
    rng = np.random.default_rng(2)
    source = rng.integers(1, 6, (400, 4))
    target = source[:, ::-1]
    before = np.concatenate([np.zeros((400, 1), int), target[:, :-1]], axis=1)
    encoder_inputs = keras.Input((None,), dtype="int32")
    vectors = keras.layers.Embedding(6, 8)
    _, h, c = layers.LSTM(24, return_state=True)(vectors(encoder_inputs))
    decoder_inputs = keras.Input((None,), dtype="int32")
    decoder = layers.LSTM(24, return_sequences=True, return_state=True)
    outputs, _, _ = decoder(vectors(decoder_inputs), initial_state=[h, c])
    outputs = keras.layers.Dense(6, activation="softmax")(outputs)
    model = keras.Model([encoder_inputs, decoder_inputs], outputs)
    model.compile(
        keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    model.fit([source, before], target, epochs=12, batch_size=32, verbose=0)
    assert model.evaluate([source, before], target, verbose=0)[2 - 1] > 0.85


@each_source
def test_a_stateful_character_model_remembers_across_batches(layers):
    text = np.tile([0, 0, 0, 0, 1, 2, 2, 2, 2, 3], 40)  # what follows 0 or 2 needs memory
    rows, steps = 4, 5
    pieces = text.reshape(rows, -1)
    x, y = pieces[:, :-1][:, : 95 // steps * steps], pieces[:, 1:][:, : 95 // steps * steps]
    model = keras.Sequential(
        [
            keras.Input(batch_shape=(rows, steps), dtype="int32"),
            keras.layers.Embedding(4, 4),
            layers.GRU(12, return_sequences=True, stateful=True, reset_after=False),
            keras.layers.Dense(4),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.03), loss, metrics=["accuracy"])
    score = 0.0
    for _ in range(12):
        model.layers[1].reset_state()
        for start in range(0, x.shape[1], steps):
            part = slice(start, start + steps)
            _, score = model.train_on_batch(x[:, part], y[:, part])
    assert score > 0.9


@each_source
def test_a_tagger_written_as_a_class(layers):
    class Tagger(keras.Model):
        def __init__(self):
            super().__init__()
            self.embed = keras.layers.Embedding(10, 8, mask_zero=True)
            self.read = layers.Bidirectional(
                layers.LSTM(8, return_sequences=True), merge_mode="sum"
            )
            self.tag = keras.layers.TimeDistributed(keras.layers.Dense(2, activation="softmax"))

        def call(self, ids):
            return self.tag(self.read(self.embed(ids)))

    texts, _ = words(np.random.default_rng(3), 300)
    x = keras.utils.pad_sequences(texts, maxlen=9, padding="post")
    y = (np.cumsum(x == 1, axis=1) > 0).astype(int)  # 1 from the first 1 on
    model = Tagger()
    model.compile(
        keras.optimizers.Adam(0.02),
        "sparse_categorical_crossentropy",
        weighted_metrics=["accuracy"],
    )
    model.fit(x, y, sample_weight=(x > 0).astype("float32"), epochs=6, batch_size=32, verbose=0)
    assert model.evaluate(x, y, sample_weight=(x > 0).astype("float32"), verbose=0)[1] > 0.95


@each_source
def test_hyperparameters_searched_by_keras_tuner(layers, tmp_path):
    keras_tuner = pytest.importorskip("keras_tuner")
    texts, labels = words(np.random.default_rng(4), 120)
    x = keras.utils.pad_sequences(texts, maxlen=9)

    def build(hp):
        model = keras.Sequential(
            [
                keras.layers.Embedding(10, 4, mask_zero=True),
                layers.GRU(hp.Int("units", 4, 8, step=4), reset_after=False),
                keras.layers.Dense(1, activation="sigmoid"),
            ]
        )
        model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
        return model

    tuner = keras_tuner.RandomSearch(build, "val_accuracy", max_trials=2, directory=tmp_path)
    tuner.search(x, labels, epochs=1, validation_split=0.2, verbose=0)
    assert tuner.get_best_models(1)[0].predict(x, verbose=0).shape == (120, 1)
