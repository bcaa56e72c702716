"""What a test's own HTTP server answers with."""

import http.server
import json


class JsonHandler(http.server.BaseHTTPRequestHandler):
    """Answers in JSON, and logs nothing."""

    def reply(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments):
        pass
