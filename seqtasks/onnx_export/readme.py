"""README.md of an ONNX export, for people."""

from collections.abc import Sequence
from typing import Any

from seqtasks.onnx_export.int8 import Cost


def readme(name: str, runs: Sequence[Any], told: dict[str, Any], cost: Cost | None) -> str:
    """Write the export's README as Markdown.

    Args:
        name: of the folder.
        runs: that were exported; several answer by their mean.
        told: the signatures, as in signatures.json.
        cost: of weights in 8 bits, where they are.
    """
    config = runs[0].config
    archs = ", ".join(dict.fromkeys(f"`{run.config.model.arch}`" for run in runs))
    names = ", ".join(f"`{run.path.name}`" for run in runs)
    what, of = f"A {archs}", f"run {names}"
    files = "| `*.onnx` | the network |\n| `vocabulary/` | which words have which numbers |"
    if len(runs) > 1:
        what, of = f"The mean of {len(runs)} networks, {archs},", f"runs {names}"
        files = "| `network1/` and so on | each network, and which words have which numbers |"
    bits = ""
    if cost:
        bits = f"\nIts weights have 8 bits. Of the answers to the run's samples {cost.told()}.\n"
    pillow = ""
    asked, one, more = '"A text"', '{"instances": ["A text"]}', "texts.txt"
    if config.READS_IMAGES:
        pillow = " pillow"  # which reads pictures
        asked, more = "picture.png", "pictures.txt"
        picture = '{"image_bytes": {"b64": "..."}}'
        one = f'{{"signature_name": "encoded", "instances": [{picture}]}}'
    rows = "\n".join(f"| `{key}` | {one['about']} |" for key, one in told.items())
    return f"""# {name}

{what} for the task `{config.task}`, exported from the {of} as
ONNX. It answers without TensorFlow and without seqtasks:

    pip install onnxruntime{pillow}
    python run.pyz {asked}
    python run.pyz --json < {more}
    python run.pyz check
    python run.pyz serve --port 8501
{bits}
`check` compares this machine's answers with the run's own. `serve` speaks TF Serving's REST
protocol:

    curl http://localhost:8501/v1/models/{name}:predict -d '{one}'

| signature | |
|---|---|
{rows}

| file | |
|---|---|
{files}
| `run.pyz` | splits texts, runs the network and names its answers |
| `signatures.json` | what can be asked, for programs |
| `export.json` | what run.pyz knows of the run, and checksums of the files |
| `answers.json` | the run's own answers to some of its examples |
"""
