"""What can be asked of an export: signatures.json for programs, README.md for people."""

import json
from collections.abc import Sequence
from typing import Any

from seqtasks.tasks.endpoints import Endpoint, Input

_EXAMPLES = {
    "text": '"..."',
    "begins": "true",
    "inputs": '{"b64": "..."}',
    "image_bytes": '{"b64": "..."}',
    "tokens": '["...", "..."]',
}


def signatures(endpoints: list[Endpoint]) -> dict[str, Any]:
    """Describe each endpoint: the names, types and shapes of its inputs, and its outputs."""
    return {
        endpoint.name: {
            "about": endpoint.about,
            "method": endpoint.method,
            "inputs": {given.spec.name: _described(given) for given in endpoint.inputs},
            "outputs": endpoint.outputs,
        }
        for endpoint in endpoints
    }


def readme(name: str, version: int, runs: Sequence[Any], endpoints: list[Endpoint]) -> str:
    """Write the export's README as Markdown.

    Args:
        runs: which answer; several by their mean.
    """
    config = runs[0].config
    archs = ", ".join(dict.fromkeys(f"`{run.config.model.arch}`" for run in runs))
    what = f"A {archs}" if len(runs) == 1 else f"The mean of {len(runs)} networks, {archs},"
    names = ", ".join(f"`{run.path.name}`" for run in runs)
    parts = [
        f"# {name}, version {version}\n\n{what} for the task `{config.task}`, "
        f"exported from the run{'s' * (len(runs) > 1)} {names}. Strings go in and come out: words "
        "are split and numbered inside the graph.\n\nServe it with stock TF Serving, or with "
        "`seqtasks serve`.\n"
    ]
    for endpoint in endpoints:
        parts.append(f"## `{endpoint.name}`\n\n{endpoint.about}\n")
        parts.append(_table("input", {i.spec.name: _type(i) for i in endpoint.inputs}))
        parts.append(_table("output", endpoint.outputs))
        parts.append(_command(name, endpoint))
    return "\n".join(parts)


def _table(heading: str, rows: dict[Any, str]) -> str:
    lines = [f"| {heading} | |", "|---|---|"]
    lines += [f"| `{name}` | {about.replace('|', chr(92) + '|')} |" for name, about in rows.items()]
    return "\n".join(lines) + "\n"


def _described(given: Input) -> dict[str, Any]:
    described = {"dtype": given.spec.dtype.name, "shape": given.spec.shape.as_list()}
    return {**described, **_bounds(given)}


def _bounds(given: Input) -> dict[str, float]:
    bounds = {"least": given.least, "most": given.most}
    return {name: bound for name, bound in bounds.items() if bound is not None}


def _type(given: Input) -> str:
    sizes = ", ".join("N" if size is None else str(size) for size in given.spec.shape)
    bounds = " and ".join(f"at {name} {bound:,}" for name, bound in _bounds(given).items())
    return f"{given.spec.dtype.name} [{sizes}]" + (bounds and f", taken for {bounds}")


def _command(name: str, endpoint: Endpoint) -> str:
    """Write a short request by curl."""
    url = f"http://localhost:8501/v1/models/{name}"
    if endpoint.method in ("classify", "regress"):
        body = {"signature_name": endpoint.name, "examples": [{"text": "..."}]}
        data = json.dumps(body)
    elif any(spec.shape.rank == 0 for spec in endpoint.specs):
        fields = ", ".join(f'"{spec.name}": {_value(spec)}' for spec in endpoint.specs)
        data = f'{{"signature_name": "{endpoint.name}", "inputs": {{{fields}}}}}'
    else:
        fields = ", ".join(f'"{spec.name}": {_value(spec)}' for spec in endpoint.specs)
        data = f'{{"signature_name": "{endpoint.name}", "instances": [{{{fields}}}]}}'
    return f"```\ncurl {url}:{endpoint.method} -d '{data}'\n```\n"


def _value(spec: Any) -> str:
    if spec.shape.rank == 0:
        return "3"
    return _EXAMPLES.get(spec.name, "[...]")
