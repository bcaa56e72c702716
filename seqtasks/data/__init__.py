"""Reading data: users' files, TFDS names and toy sets."""
