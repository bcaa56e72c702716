"""Who is told how a training of a test goes."""

import os
import signal


class Silent:
    """A watcher that says nothing, and may press Ctrl-C."""

    def __init__(self, interrupt=None):
        self.interrupt = interrupt

    def progressed(self, progress):
        if (progress.epoch, progress.batch) == self.interrupt:
            os.kill(os.getpid(), signal.SIGINT)

    def epoch_ended(self, result):
        pass
