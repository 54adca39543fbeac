#!/usr/bin/env python3
"""Stands in for an interpreter that has an engine: whatever server it is told to start, it misbehaves as MISBEHAVE says.

The server that behaves takes a text prompt on /v1/completions and streams as many tokens as the generation config asks for.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOW = os.environ["MISBEHAVE"]


def option(name):
    return sys.argv[sys.argv.index(name) + 1]


def tokenizer():
    from tokenizers import Tokenizer

    return Tokenizer.from_file(f"{sys.argv[4]}/tokenizer.json")


class Handler(BaseHTTPRequestHandler):
    """Streams tokens; dies in the middle of one where it is to die at work."""

    protocol_version = "HTTP/1.1"
    asked = 0

    def log_message(self, *_):
        pass

    def answer(self, status, content, kind="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        if self.path == "/health" and HOW != "never-ready":
            self.answer(200, b"{}")
        elif self.path == "/v1/models" and HOW == "other-model":
            self.answer(200, json.dumps({"data": [{"id": "somebody/else"}]}).encode())
        elif self.path == "/v1/models" and HOW == "short":
            self.answer(200, json.dumps({"data": [{"id": sys.argv[4], "max_model_len": 8}]}).encode())
        else:
            self.answer(404 if self.path != "/health" else 503, b"{}")

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        count = json.loads(body["generation_config"])["max_new_tokens"]
        Handler.asked += 1
        words = len(tokenizer().encode(body["prompt"]).ids) + (7 if HOW == "other-tokenizer" else 0)
        usage = {"prompt_tokens": words, "completion_tokens": count, "total_tokens": words + count}
        model = "somebody/else" if HOW == "other-name" else body["model"]
        if HOW == "slow":
            time.sleep(0.1)
        if HOW == "dies-at-work" and Handler.asked > 1:  # the first is the probe
            print("RuntimeError: NPU out of memory. Tried to allocate 2.00 GiB", flush=True)
            os._exit(1)
        chunks = [{"model": model, "choices": [{"index": 0, "text": " word", "finish_reason": None}]} for _ in range(count)]
        chunks.append({"model": model, "choices": [{"index": 0, "text": "", "finish_reason": "length"}], "usage": usage})
        if body["stream"]:
            self.answer(200, b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in chunks) + b"data: [DONE]\n\n", "text/event-stream")
        else:
            chunks[-1]["choices"][0]["text"] = " word" * count
            self.answer(200, json.dumps(chunks[-1]).encode())


def main():
    if sys.argv[1] == "-c":  # what is installed here
        print(HOW != "not-there")
        sys.exit()
    if HOW == "dies":
        print("loading checkpoint shards\nsecond line", flush=True)
        sys.exit("ValueError: the weights cannot be loaded")
    if HOW == "killed":
        print("loading checkpoint shards", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if HOW == "port-taken":
        sys.exit(f"OSError: [Errno 98] Address already in use: {option('--port')}")
    if HOW == "talks":
        block = (b"x" * 199 + b"\n") * 5000
        for _ in range(int(os.environ["MEGABYTES"])):
            os.write(1, block)
        sys.exit("the last line")
    if HOW == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import os, signal, time; os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"])
        print(f"child {child.pid}", flush=True)
    print("starting", flush=True)
    server = ThreadingHTTPServer((option("--host"), int(option("--port"))), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    time.sleep(600)


main()
