"""The web page on which people try models: one file, which asks as any client does."""

import base64
import hashlib
import re
from importlib import resources

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from seqtasks.serving.models.manager import ModelManager


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
    """Make the routes of the page: "/", and "/models", the names of the models as JSON.

    TF Serving's protocol has no request for the names, and the page lists them.
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

    return [Route("/", page), Route("/models", models)]
