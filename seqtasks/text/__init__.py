"""Text to ids and back, inside the graph, and the vocabularies behind it."""
