"""The run directory: what a run writes, and how it is found again.

RUN/
  config.yaml                  the resolved configuration
  environment.json             versions, machine, command
  network.json                 parameters, and multiplications by what they are made for
  data.json                    how many examples each split had, and their digest
  from.json                    what was taken over from the run that it begins from, if any
  samples.json                 some texts of it, to compare an export with; of images samples.npz
  checksums.json               of settings, data.json, vocabulary and weights: damage is noticed
  vocabulary/                  words.txt, characters.txt, labels.txt
  checkpoints/best.weights.h5  the weights with the best validation score
  checkpoints/last.npz         everything that training needs to resume
  metrics.jsonl                a line per epoch
  tensorboard/                 the same, for TensorBoard
  plots/                       learning curve, norms of gradients, confusion matrix
  calibration.json             how sure answers may be: a temperature, of classifiers
  evaluation.json              what `evaluate` found
  model_card.md                what the model is, what it was trained on, how good it is

The process that trains the run holds a lock there, .lock, which is gone when it has ended.
"""

from seqtasks.runs.create import choose_path, create_run, default_name, new_run
from seqtasks.runs.environment import version_notices
from seqtasks.runs.files import disk_errors, replacing, write_text
from seqtasks.runs.groups import find_runs
from seqtasks.runs.run import Run, check_free, find_run, live_writer, writing

__all__ = [
    "Run",
    "check_free",
    "choose_path",
    "create_run",
    "default_name",
    "disk_errors",
    "find_run",
    "find_runs",
    "live_writer",
    "new_run",
    "replacing",
    "version_notices",
    "write_text",
    "writing",
]
