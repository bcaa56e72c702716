"""`python -m seqtasks` is `seqtasks`."""

from seqtasks.cli import main

main()
