"""The equations: one step forward and one step back of the RNN, the LSTM and the GRU."""
