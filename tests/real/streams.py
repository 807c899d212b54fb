"""Many answers that stream at once, run inside a box: `streams.py PORT COUNT TOKENS`.

Prints `streaming` when the first tokens have come, and in the end a JSON list: how each answer
ended (`finish_reason`, or `broken off`), and how many pieces it had. Only the standard library.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading

MODEL = "openai/gpt-oss-20b"
AT_ONCE = 16  # so many the lab's vLLM runs; the others wait


class Streams:
    def __init__(self, port: int, tokens: int) -> None:
        self._port = port
        self._body = json.dumps(
            {"model": MODEL, "prompt": "hello", "max_tokens": tokens, "ignore_eos": True,
             "temperature": 0, "stream": True}
        )  # fmt: skip
        self._begun = threading.Semaphore(0)
        self.ends: list[tuple[str, int]] = []

    def run(self, count: int) -> None:
        threads = [threading.Thread(target=self._one) for _ in range(count)]
        for thread in threads:
            thread.start()
        for _ in range(min(count, AT_ONCE)):
            self._begun.acquire()
        print("streaming", flush=True)
        for thread in threads:
            thread.join()

    def _one(self) -> None:
        pieces, end = 0, "broken off"
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=200)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request("POST", "/v1/completions", self._body, headers)
            reply = connection.getresponse()
            if reply.status != 200:
                end = f"HTTP {reply.status}"
            for line in reply:
                data = line.decode().strip().removeprefix("data: ")
                if not data.startswith("{"):
                    continue
                for choice in json.loads(data).get("choices", ()):
                    pieces += 1
                    end = choice.get("finish_reason") or end
                    if pieces == 1:
                        self._begun.release()
        except (OSError, http.client.HTTPException):
            pass
        finally:
            if pieces == 0:
                self._begun.release()
            connection.close()
            self.ends.append((end, pieces))


if __name__ == "__main__":
    streams = Streams(int(sys.argv[1]), int(sys.argv[3]))
    streams.run(int(sys.argv[2]))
    print(json.dumps(streams.ends), flush=True)
