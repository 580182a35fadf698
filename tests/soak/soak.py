#!/usr/bin/env python3
"""Does the server's memory stay flat under everything that clients do?

    python3 tests/soak/soak.py --seconds 600 [--hearth build/release/src/cli/hearth] [--model data/ember.gguf]

Starts `hearth serve` in a folder of its own and lets clients of all dialects ask it at once, whole and streamed: tools,
schemas, several choices, stored responses that go on and are deleted, texts to tokens; some leave in the middle, some
send what is no request at all. Once a second it looks at VmRSS. The first third is for warming up; of the rest it
compares the median of the first fifth with that of the last, and says "flat" where that has grown by at most
--most-growth (2 %). Ends with 0 then, with 1 where it grew, where a well-formed request failed or where the server died.

With a build that has AddressSanitizer say --sanitized: the server then runs without confinement, which would hang the
search for leaks at its end, and the sanitizer keeps less of its own (16 MB of freed memory instead of 256, stacks of four
calls), which would otherwise grow for an hour and hide the server's memory.
"""
import argparse
import collections
import http.client
import json
import os
import random
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WORDS = "What is the sum of seven and twelve when nobody counts along and the river is calm today".split()
SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "maximum": 99}},
          "required": ["name", "age"], "additionalProperties": False}
TOOL = {"name": "weather", "description": "Of a city", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}


class Client:
    """One of several that ask at the same time; all it draws is from its seed."""

    def __init__(self, port, embedder, seed):
        self.port, self.embedder = port, embedder
        self.draw = random.Random(seed)
        self.kept = []
        self.counts = collections.Counter()
        self.failures = []

    def text(self, most=60):
        return " ".join(self.draw.choices(WORDS, k=self.draw.randint(1, most)))

    def ask(self, method, path, body=None, fine=(200,), model="ember"):
        """A request of its own, its answer read whole."""
        if body is not None:
            body = {"model": model, **body}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            read = answer.read()
            if answer.status not in fine:
                self.failures.append(f"{method} {path}: {answer.status} {read[:200]}")
            return read
        finally:
            connection.close()

    # ---- what clients do

    def chat(self):
        extra = self.draw.choice([{}, {"stream": True}, {"n": 2}, {"logprobs": True, "top_logprobs": 3},
                                  {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}},
                                  {"tools": [{"type": "function", "function": TOOL}]}, {"stop": ["7"]}])
        self.ask("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": self.text()}], "max_tokens": 24, **extra})

    def completion(self):
        self.ask("POST", "/v1/completions", {"prompt": [self.text(), self.text()], "max_tokens": 12, "stream": self.draw.random() < .5})

    def responses(self):
        body = {"input": self.text(20), "max_output_tokens": 16, "stream": self.draw.random() < .3}
        if self.kept and self.draw.random() < .5:
            body["previous_response_id"] = self.draw.choice(self.kept)
        answer = self.ask("POST", "/v1/responses", body, (200, 400, 404))  # a long chain fills the context
        made = re.search(rb'"id":"(resp_[^"]+)"', answer)
        if made:
            self.kept.append(made.group(1).decode())
        if len(self.kept) > 8:
            gone = self.kept.pop(self.draw.randrange(len(self.kept)))
            self.ask("GET", "/v1/responses/" + gone)
            self.ask("DELETE", "/v1/responses/" + gone)

    def anthropic(self):
        body = {"messages": [{"role": "user", "content": self.text()}], "max_tokens": 20}
        if self.draw.random() < .2:
            self.ask("POST", "/v1/messages/count_tokens", {"messages": body["messages"]})
        self.ask("POST", "/v1/messages", {**body, "stream": self.draw.random() < .5})

    def ollama(self):
        options = {"options": {"num_predict": 16}, "stream": self.draw.random() < .5}
        if self.draw.random() < .5:
            self.ask("POST", "/api/chat", {"messages": [{"role": "user", "content": self.text()}], **options})
        else:
            self.ask("POST", "/api/generate", {"prompt": self.text(), **options})

    def embeddings(self):
        if self.embedder:
            texts = [self.text(30) for _ in range(self.draw.randint(1, 5))]
            self.ask("POST", self.draw.choice(["/v1/embeddings", "/api/embed"]), {"input": texts}, model="embedder")

    def small_things(self):
        path = self.draw.choice(["/v1/models", "/api/tags", "/api/ps", "/metrics", "/v1/hearth/status", "/health", "/tokenize"])
        self.ask("POST" if path == "/tokenize" else "GET", path, {"content": self.text()} if path == "/tokenize" else None)

    def leave_early(self):
        body = json.dumps({"model": "ember", "stream": True, "max_tokens": 200, "ignore_eos": True,
                           "messages": [{"role": "user", "content": self.text()}]}).encode()
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as one:
            one.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            if self.draw.random() < .7:
                one.recv(self.draw.randint(1, 3000))
            if self.draw.random() < .5:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # the rude way

    def nonsense(self):
        if self.draw.random() < .5:  # a request, and no body that anybody could take
            body = self.draw.choice([{"messages": 7}, {"messages": [{"role": "cook", "content": "a"}]}, {"model": 1, "temperature": "hot"},
                                     {"messages": [{"role": "user", "content": "a"}], "max_tokens": -3}])
            self.ask("POST", self.draw.choice(["/v1/chat/completions", "/v1/messages", "/api/chat", "/v1/responses"]), body, (200, 400, 404, 422))  # some fields are only warned of
            return
        blob = self.draw.choice([self.draw.randbytes(2000), b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
                                 b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000000\r\n\r\n{" + b"[" * 100000,
                                 b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200000,
                                 b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{\"a\": [[}"])
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as one:
            try:
                one.sendall(blob)
                one.settimeout(.2)
                one.recv(2000)
            except OSError:
                pass  # it was cut, or waits for more

    def run(self, until):
        kinds = [self.chat] * 4 + [self.completion, self.responses, self.responses, self.anthropic, self.ollama, self.embeddings,
                                   self.small_things, self.leave_early, self.leave_early, self.nonsense, self.nonsense]
        while time.monotonic() < until and len(self.failures) < 5:
            kind = self.draw.choice(kinds)
            try:
                kind()
            except OSError as error:
                if kind != self.leave_early:
                    self.failures.append(f"{kind.__name__}: {error!r}")
            self.counts[kind.__name__] += 1


class Server:
    def __init__(self, arguments, folder, embedder):
        models = ["--model", "ember=" + arguments.model] + (["--model", "embedder=" + embedder] if embedder else [])
        words = [arguments.hearth, "serve", "--port", "0", "--ctx", "512", "--threads", "1", "--parallel", "4", "--access-log", "access.log", *models]
        sanitizer = {}
        if arguments.sanitized:
            words.append("--no-confinement")
            sanitizer["ASAN_OPTIONS"] = "quarantine_size_mb=16:malloc_context_size=4:detect_leaks=1"
        environment = {**os.environ, "HEARTH_HOME": os.path.join(folder, "home"), **sanitizer, **dict(one.split("=", 1) for one in arguments.env)}
        self.process = subprocess.Popen(words, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: os.nice(arguments.nice))
        self.said = []
        self.port = None
        for line in self.process.stderr:
            self.said.append(line)
            found = re.search(r"listening on http://127\.0\.0\.1:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                break
        threading.Thread(target=lambda: self.said.extend(self.process.stderr), daemon=True).start()

    def resident_kib(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s*(\d+)", status.read()).group(1))

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def watch(server, seconds):
    """VmRSS in KiB, once a second; less where the server ended before."""
    samples, begin = [], time.monotonic()
    while time.monotonic() - begin < seconds and server.process.poll() is None:
        time.sleep(1)
        try:
            samples.append(server.resident_kib())
        except (OSError, AttributeError):
            break
        if len(samples) % 60 == 0:
            print(f"{len(samples):6} s  {samples[-1] / 1024:.1f} MiB", flush=True)
    return samples


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--hearth", default=os.path.join(ROOT, "build/release/src/cli/hearth"))
    parser.add_argument("--model", default=os.path.join(ROOT, "data/ember.gguf"))
    parser.add_argument("--embedder", default=os.path.join(ROOT, "../shared/reference/bert/bert-cls.gguf"), help="left out where it is missing")
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--most-growth", type=float, default=2, help="per cent")
    parser.add_argument("--sanitized", action="store_true", help="the server is built with AddressSanitizer")
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--env", action="append", default=[], help="NAME=VALUE for the server, repeatable")
    arguments = parser.parse_args()
    arguments.hearth, arguments.model = os.path.abspath(arguments.hearth), os.path.abspath(arguments.model)
    embedder = os.path.abspath(arguments.embedder) if os.path.exists(arguments.embedder) else None

    folder = tempfile.mkdtemp(prefix="hearth-soak-")
    try:
        server = Server(arguments, folder, embedder)
        if not server.port:
            sys.exit("the server did not start: " + "".join(server.said))
        clients = [Client(server.port, embedder, arguments.seed * 1000 + number) for number in range(arguments.clients)]
        threads = [threading.Thread(target=one.run, args=(time.monotonic() + arguments.seconds,)) for one in clients]
        for thread in threads:
            thread.start()
        samples = watch(server, arguments.seconds)
        is_alive = server.process.poll() is None
        for thread in threads:
            thread.join()
        code = server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)

    counts, failures = sum((one.counts for one in clients), collections.Counter()), [line for one in clients for line in one.failures]
    print(f"{sum(counts.values())} things were asked:", ", ".join(f"{count} {name}" for name, count in counts.most_common()))
    for line in failures[:10]:
        print("failed:", line)
    if not is_alive or code != 0:
        sys.exit(f"the server ended with {code}: " + "".join(server.said)[-2000:])
    if failures:
        sys.exit("some requests failed")
    warm = samples[len(samples) // 3:]
    part = max(1, len(warm) // 5)
    before, after = statistics.median(warm[:part]), statistics.median(warm[-part:])
    growth = 100 * (after / before - 1)
    print("medians of fifths after warm-up, MiB:", " ".join(f"{statistics.median(warm[at:at + part]) / 1024:.1f}" for at in range(0, part * 5, part)))
    is_flat = growth <= arguments.most_growth
    print(f"memory {'is flat' if is_flat else 'grew'}: {before / 1024:.1f} -> {after / 1024:.1f} MiB ({growth:+.2f} %)")
    sys.exit(0 if is_flat else 1)


if __name__ == "__main__":
    main()
