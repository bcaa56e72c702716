"""Teaching a model: steps, clipping, the schedule, and state that can be taken up again."""
