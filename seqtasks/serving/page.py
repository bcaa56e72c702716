"""The web page on which people try models: one file, which asks as any client does."""

import asyncio
import base64
import hashlib
import re
from importlib import resources
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from seqtasks.serving.models.manager import ModelManager
from seqtasks.serving.status import StatusError

_MOST_CARD = 100_000  # characters


def read_page() -> str:
    """Read the page's HTML, which contains its style and its script."""
    return resources.files("seqtasks.serving").joinpath("page.html").read_text("utf-8")


def security_policy(html: str) -> str:
    """Write the Content-Security-Policy under which only the page's own script and style run.

    It names them by their hashes, so that no answer of a model can become a script.
    """

    def own(tag: str) -> str:
        found = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        hashes = (hashlib.sha256(text.encode()).digest() for text in found)
        return " ".join(f"'sha256-{base64.b64encode(each).decode()}'" for each in hashes)

    return (
        f"default-src 'none'; script-src {own('script')}; style-src {own('style')}; "
        "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )


def routes(manager: ModelManager) -> list[Route]:
    """Make the routes of the page: "/", and what TF Serving's protocol has no request for, as JSON.

    These are "/models", the names, and "/models/NAME/about", a model's labels and its card.
    """
    html = read_page()
    headers = {
        "content-security-policy": security_policy(html),
        "cache-control": "no-cache",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }

    async def page(request: Request) -> Response:
        return HTMLResponse(html, headers=headers)

    async def models(request: Request) -> Response:
        return JSONResponse({"models": manager.names()})

    def read_about(name: str) -> dict[str, Any]:
        with manager.lease(name) as runner:
            return {"labels": manager.labels(name), "card": _card(runner.path)}

    async def about(request: Request) -> Response:
        try:
            found = await asyncio.to_thread(read_about, request.path_params["name"])
        except StatusError as error:
            return JSONResponse({"error": error.message}, error.http)
        return JSONResponse(found, headers={"x-content-type-options": "nosniff"})

    return [
        Route("/", page),
        Route("/models", models),
        Route("/models/{name:path}/about", about),
    ]


def _card(version: Path) -> str | None:
    """Read the README.md that an export has, at most the beginning of a long one."""
    try:
        with (version / "README.md").open(encoding="utf-8", errors="replace") as file:
            return file.read(_MOST_CARD)
    except OSError:
        return None
