"""From a run to an ONNX export: a folder that answers by onnxruntime and NumPy alone.

graph        writes an ONNX graph, one operation after the other
recurrent    the pages' layers as ONNX's RNN, LSTM and GRU, and the LSTM with peepholes
text_input   vectors of tokens, and of their characters
pooling      from all steps to one vector
classifier   many to one, and documents of sentences
tagger       many to many
writer       what writes: a language model, and an encoder with a decoder
captioner    what sees an image, for a decoder
keras_model  your own Keras model of our layers; keras_layers: its layers
heads        what outputs mean; another head has its place here
networks     which of them a run needs, and what isn't written yet
pack         run.pyz, of `seqtasks.runner`
int8         weights in 8 bits, and what that costs
places       where exports are
readme       README.md, for people
export       all of it, whole or not at all
"""
