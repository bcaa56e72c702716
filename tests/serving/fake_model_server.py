"""Stands in for tensorflow_model_server: takes down what it is given, and answers for its models.

What it does besides is in the variable FAKE: `exit N` ends it at once, `catch N` ends it so when a
signal comes, and takes the signal down, `await NAME` ends it when it is told of a model. Without
any it ends as signals end programs.
"""

import http.server
import json
import os
import re
import shutil
import signal
import sys
import threading
import time
from pathlib import Path


def main(arguments, folder, task, what):
    settings = dict(argument.removeprefix("--").split("=", 1) for argument in arguments)
    for name, value in settings.items():
        if name.endswith("_file"):
            shutil.copy(value, folder / name)
    if task == "catch":
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, catcher(folder, int(what)))
    written = folder / "arguments.new"
    written.write_text(json.dumps(arguments))
    written.rename(folder / "arguments")
    if task == "exit":
        sys.exit(int(what))
    answer_at(int(settings["rest_api_port"]), folder)
    end = time.monotonic() + 120
    while time.monotonic() < end:
        config = Path(settings["model_config_file"]).read_text()
        if task == "await" and what in re.findall(r'name: "(.*?)"', config):
            sys.exit(0)
        time.sleep(0.02)


def catcher(folder, code):
    def take_down(number, frame):
        with (folder / "signals").open("a") as file:
            file.write(f"{signal.Signals(number).name}\n")
        os._exit(code)

    return take_down


def answer_at(port, folder):
    """Say of a model that it is available from the second time that it is asked for."""
    asked = set()

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            state = "AVAILABLE" if self.path in asked else "LOADING"
            asked.add(self.path)
            (folder / "asked").write_text("\n".join(sorted(asked)))
            versions = [{"version": "1", "state": state}]
            body = json.dumps({"model_version_status": versions}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.HTTPServer(("127.0.0.1", port), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()


if __name__ == "__main__":
    todo, _, argument = os.environ.get("FAKE", "").partition(" ")
    main(sys.argv[1:], Path(os.environ["FAKE_FOLDER"]), todo, argument)
