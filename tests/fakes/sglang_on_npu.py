"""Stands in for an interpreter with SGLang on an Ascend host: prints what a real start printed, then streams tokens at an even pace."""

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LOG = Path(__file__).resolve().parents[1] / "data" / "server-logs" / "sglang-2025-10-npu-qwen3.txt"
FIRST_S, STEP_S = 0.02, 0.01


def option(name):
    return sys.argv[sys.argv.index(name) + 1]


class Handler(BaseHTTPRequestHandler):
    """The endpoints that a run asks."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, content):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        known = {"/health": {}, "/v1/models": {"data": [{"id": option("--model-path"), "owned_by": "sglang", "max_model_len": int(option("--context-length"))}]},
                 "/server_info": {"attention_backend": option("--attention-backend"), "page_size": 128, "api_key": "not to be kept"}}
        if self.path in known:
            self.answer(json.dumps(known[self.path]).encode())
        else:
            self.send_error(404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        count, prompt = body["max_tokens"], len(body["prompt"])

        def chunk(made, text):
            usage = {"prompt_tokens": prompt, "completion_tokens": made, "total_tokens": prompt + made}
            return {"model": body["model"], "choices": [{"index": 0, "text": text, "finish_reason": "length" if made == count else None}], "usage": usage}

        time.sleep(FIRST_S)
        if not body["stream"]:
            time.sleep(STEP_S * (count - 1))
            self.answer(json.dumps(chunk(count, " word" * count)).encode())
            return
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for made in range(1, count + 1):
            data = b"data: " + json.dumps(chunk(made, " word")).encode() + b"\n\n" + (b"data: [DONE]\n\n" if made == count else b"")
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
            self.wfile.flush()
            time.sleep(STEP_S if made < count else 0)
        self.wfile.write(b"0\r\n\r\n")


def main():
    if sys.argv[1] == "-c":
        sys.stdout.write(json.dumps({"sglang": "0.5.23", "torch-npu": "2.8.0"}))
        return
    sys.stdout.write(LOG.read_text(encoding="utf-8"))
    sys.stdout.flush()
    server = ThreadingHTTPServer((option("--host"), int(option("--port"))), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    time.sleep(600)


main()
