"""Looking into a run: pictures of how it went."""
