"""What the validation score decides: which weights are best, when to slow down, when to stop."""

from dataclasses import dataclass

from seqtasks.config import TrainingConfig


def epochs_told(number: int) -> str:
    """Say how many epochs.

    >>> epochs_told(1), epochs_told(20)
    ('1 epoch', '20 epochs')
    """
    return f"{number} epoch" if number == 1 else f"{number} epochs"


@dataclass
class Schedule:
    """Early stopping, and a learning rate that is lowered on a plateau.

    >>> schedule = Schedule()
    >>> config = TrainingConfig(patience=2, plateau_patience=1)
    >>> [schedule.decide(score, 1.0, epoch, config) for epoch, score in enumerate((0.8, 0.7, 0.6))]
    ['best', 'lower', 'stop']
    """

    best_score: float | None = None
    best_loss: float = float("inf")
    best_epoch: int = 0
    since_best: int = 0
    since_lowered: int = 0

    def decide(self, score: float, loss: float, epoch: int, config: TrainingConfig) -> str:
        """Say what an epoch's validation means: "best", "lower", "stop" or "go on".

        A higher score is better; between equal scores a lower loss is.
        """
        if self.best_score is None or (score, -loss) > (self.best_score, -self.best_loss):
            self.best_score, self.best_loss, self.best_epoch = score, loss, epoch
            self.since_best = self.since_lowered = 0
            return "best"
        self.since_best += 1
        self.since_lowered += 1
        if self.since_best >= config.patience:
            return "stop"
        if self.since_lowered >= config.plateau_patience:
            self.since_lowered = 0
            return "lower"
        return "go on"
