#!/usr/bin/env python3
"""Runs schemathesis against a server: requests made from its OpenAPI document, right and wrong ones."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from server import FIXTURES, Server

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
]


def run(server: Server, examples: str, *options: str) -> int:
    return subprocess.run(
        [SCHEMATHESIS, "run", f"{server.url}/openapi.json", "--url", server.url, "--checks", ",".join(CHECKS)]
        + ["--max-examples", examples, "--seed", "1", "--generation-database", "none", "--no-color", *options],
        cwd=server.folder,
    ).returncode


def main() -> int:
    examples = sys.argv[1] if len(sys.argv) > 1 else "40"
    # Small limits, so that requests that ask for much end soon.
    with Server(
        "--max-activations", "64", models={"digits.rbn": FIXTURES / "digits" / "digits-rbn.rbn"}
    ) as server:
        # With names that nobody knows, then with one that exists.
        statuses = [run(server, examples)]
        config = server.folder / "schemathesis.toml"
        config.write_text('[parameters]\n"path.model" = "digits"\n"path.version" = "1"\n', encoding="utf-8")
        statuses.append(run(server, examples, "--exclude-operation-id", "unloadModel"))
        alive = server.process.poll() is None
        print(f"schemathesis: exit status {statuses}; the server {'lives' if alive else 'has ended'}")
        return max(statuses) or (0 if alive and server.stop() == 0 else 1)


if __name__ == "__main__":
    sys.exit(main())
