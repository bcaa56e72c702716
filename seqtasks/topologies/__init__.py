"""The ways to wire a recurrent stack between input and output, by their names on the pages."""
