"""Starts `rbn-server` for a check, and ends it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"
MODELS = {
    "digits.rbn": FIXTURES / "digits" / "digits-rbn.rbn",
    "efficientnet-lite0.rbn": FIXTURES / "efficientnet-lite0" / "efficientnet-lite0.rbn",
}


def executable() -> Path:
    """The server that was built last, or the one that RBN_SERVER names."""
    path = Path(os.environ.get("RBN_SERVER", ROOT / ".build" / "release" / "rbn-server"))
    if not path.exists():
        raise SystemExit(f"{path} is not there: build it with swift build -c release --traits Serving")
    return path


class Server:
    """A running server on a folder of its own; use it in a `with` statement."""

    def __init__(
        self,
        *options: str,
        models: dict[str, Path] | None = None,
        scheme: str = "http",
        start_seconds: float = 120,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rbn-server-"))
        self.models = self.folder / "models"
        self.models.mkdir()
        for name, source in (MODELS if models is None else models).items():
            self.put(source, name)
        self.log_path = self.folder / "log"
        self.options = options
        self.scheme = scheme
        self.start_seconds = start_seconds
        self.port = 0
        self.loaded = 0
        """How often a model has been loaded, as of the last `events`."""
        self.seen_bytes = 0
        self.process: subprocess.Popen[bytes] | None = None

    def put(self, source: Path, name: str) -> None:
        """Puts a model in place as a whole."""
        target = self.models / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target.with_name("." + target.name))
        os.replace(target.with_name("." + target.name), target)

    def events(self) -> list[dict[str, str]]:
        """What the server has logged since this was last asked."""
        with self.log_path.open("rb") as log:
            log.seek(self.seen_bytes)
            text = log.read()
        # The last line may still be being written.
        whole = text[: text.rfind(b"\n") + 1]
        self.seen_bytes += len(whole)
        events = [json.loads(line) for line in whole.splitlines() if line.startswith(b"{")]
        self.loaded += sum(event["message"] == "Model loaded" for event in events)
        return events

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.address}"

    def resident_bytes(self) -> int:
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def __enter__(self) -> Server:
        try:
            self.start()
        except BaseException:
            # Of what does not enter, nobody else sees the end.
            self.__exit__()
            raise
        return self

    def start(self) -> None:
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [str(executable()), str(self.models), "--port", "0", *self.options],
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        deadline = time.monotonic() + self.start_seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            for event in self.events():
                self.port = int(event["port"]) if event["message"] == "Listening" else self.port
            if self.port and self.loaded == len(list(self.models.glob("*"))):
                return
            time.sleep(0.05)
        raise SystemExit(f"the server did not start:\n{self.log_path.read_text(encoding='utf-8')}")

    def stop(self) -> int:
        """Sends SIGTERM and gives the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def metric(text: str, name: str) -> float:
    """The sum of a metric's samples."""
    samples = [line for line in text.splitlines() if line.startswith((name + "{", name + " "))]
    return sum(float(line.rsplit(" ", 1)[1]) for line in samples)


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read().decode()
