"""From a run to an ONNX export: a folder that answers by onnxruntime and NumPy alone.

graph        writes an ONNX graph, one operation after the other
recurrent    the pages' layers as ONNX's RNN, LSTM and GRU
text_input   vectors of tokens, and of their characters
pooling      from all steps to one vector
classifier   many to one, and documents of sentences
tagger       many to many
writer       what writes: a language model
networks     which of them a run needs, and what isn't written yet
int8         weights in 8 bits, and what that costs
answers      the run's own answers, to compare with
check        the comparison, in a process without TensorFlow
export       all of it, whole or not at all
"""
