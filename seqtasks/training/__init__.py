"""Training a model: steps, clipping, the schedule, and a state that can be resumed."""
