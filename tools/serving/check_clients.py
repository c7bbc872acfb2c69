#!/usr/bin/env python3
"""Checks rbn-server with clients that others wrote: tritonclient and kserve."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Callable

import httpx
import kserve
import numpy as np
import tritonclient.http as triton
from kserve import InferInput, InferRequest, RESTConfig
from tritonclient.utils import InferenceServerException

from server import FIXTURES, Server, executable

HELD_OUT = np.load(FIXTURES / "digits" / "heldout.npz")
IMAGES = HELD_OUT["inputs"].astype(np.float32)
LOGITS = HELD_OUT["logits"]
# Twenty layers in float32, each with a rounding error of a few units of 6e-8 relative to its largest values.
TOLERANCE = 5e-6 * np.abs(LOGITS).max()


def close(result: np.ndarray, count: int) -> None:
    """Whole tensors against PyTorch's."""
    expected = LOGITS[:count]
    assert result.shape == expected.shape, (result.shape, expected.shape)
    assert np.abs(result - expected).max() <= TOLERANCE, np.abs(result - expected).max()


def raises(kind: type[BaseException], call: Callable[[], object], *words: str) -> None:
    try:
        call()
    except kind as error:
        text = f"{error} {getattr(getattr(error, 'response', None), 'text', '')}"
        assert all(word in text for word in words), text
    else:
        raise AssertionError(f"no {kind.__name__}")


def triton_input(images: np.ndarray, binary: bool, name: str = "x") -> triton.InferInput:
    tensor = triton.InferInput(name, list(images.shape), "FP32")
    tensor.set_data_from_numpy(images, binary_data=binary)
    return tensor


def check_tritonclient(server: Server) -> None:
    client = triton.InferenceServerClient(server.address)
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready("digits") and client.is_model_ready("digits", "1")
    assert not client.is_model_ready("nobody")
    assert client.get_server_metadata()["name"] == "rbn-server"
    metadata = client.get_model_metadata("digits")
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 1, -1, -1]}], metadata
    assert metadata["outputs"] == [{"name": "output", "datatype": "FP32", "shape": [-1, 10]}], metadata
    for count in (1, 7):
        for binary_in in (True, False):
            for binary_out in (True, False):
                result = client.infer(
                    "digits",
                    [triton_input(IMAGES[:count], binary_in)],
                    outputs=[triton.InferRequestedOutput("output", binary_data=binary_out)],
                    request_id="a-request",
                )
                close(result.as_numpy("output"), count)
                assert result.get_response()["id"] == "a-request"
    # No outputs named: the client asks for binary ones as a default.
    close(client.infer("digits", [triton_input(IMAGES[:3], True)]).as_numpy("output"), 3)
    for binary_out in (True, False):
        output = triton.InferRequestedOutput("output", binary_data=binary_out, class_count=2)
        texts = client.infer("digits", [triton_input(IMAGES[:5], True)], outputs=[output]).as_numpy("output")
        assert texts.shape == (5, 2), texts.shape
        for row, classes in enumerate(texts):
            score, index, label = (classes[0].decode() if isinstance(classes[0], bytes) else classes[0]).split(":")
            assert int(index) == LOGITS[row].argmax() and label == index, classes
            assert abs(float(score) - LOGITS[row].max()) <= TOLERANCE
    handles = [client.async_infer("digits", [triton_input(IMAGES[i : i + 1], True)]) for i in range(16)]
    for index, handle in enumerate(handles):
        assert np.abs(handle.get_result().as_numpy("output")[0] - LOGITS[index]).max() <= TOLERANCE

    one = IMAGES[:1]
    raises(InferenceServerException, lambda: client.infer("nobody", [triton_input(one, True)]), "no model")
    raises(InferenceServerException, lambda: client.infer("digits", [triton_input(one, True, "wrong")]), "takes x")
    raises(InferenceServerException, lambda: client.infer("digits", [triton_input(one[0], True)]), "shape")
    wrong = triton.InferInput("x", [1, 1, 8, 8], "INT32")
    wrong.set_data_from_numpy(np.zeros((1, 1, 8, 8), np.int32))
    raises(InferenceServerException, lambda: client.infer("digits", [wrong]), "int32")
    raises(
        InferenceServerException,
        lambda: client.infer(
            "digits", [triton_input(one, True)], outputs=[triton.InferRequestedOutput("wrong")]
        ),
        "no output",
    )
    raises(InferenceServerException, lambda: client.get_model_metadata("digits", "9"), "version 9")

    index = client.get_model_repository_index()
    assert [(entry["name"], entry["state"]) for entry in index] == [
        ("digits", "READY"),
        ("efficientnet-lite0", "READY"),
    ], index
    client.unload_model("digits")
    assert not client.is_model_ready("digits")
    raises(InferenceServerException, lambda: client.infer("digits", [triton_input(one, True)]), "not available")
    client.load_model("digits")
    close(client.infer("digits", [triton_input(IMAGES[:2], True)]).as_numpy("output"), 2)
    raises(InferenceServerException, lambda: client.load_model("nobody"), "no model")
    client.close()


async def check_kserve(server: Server) -> None:
    client = kserve.InferenceRESTClient(RESTConfig(protocol="v2", retries=1, timeout=60))
    url = server.url
    assert await client.is_server_live(url)
    assert await client.is_server_ready(url)
    assert await client.is_model_ready(url, "digits")
    for binary in (False, True):
        tensor = InferInput(name="x", shape=[4, 1, 8, 8], datatype="FP32")
        tensor.set_data_from_numpy(IMAGES[:4], binary_data=binary)
        request = InferRequest(
            model_name="digits",
            infer_inputs=[tensor],
            request_id="b-request",
            parameters={"binary_data_output": True} if binary else None,
        )
        answer = await client.infer(url, request, model_name="digits")
        close(answer.outputs[0].as_numpy(), 4)
        assert answer.id == "b-request" and answer.model_name == "digits", answer
    wrong = InferInput(name="x", shape=[1, 2], datatype="FP32", data=[1.0, 2.0])
    request = InferRequest(model_name="digits", infer_inputs=[wrong])
    for name, status in (("digits", 400), ("nobody", 404)):
        try:
            await client.infer(url, request, model_name=name)
        except httpx.HTTPStatusError as error:
            assert error.response.status_code == status and error.response.json()["error"], error.response.text
        else:
            raise AssertionError(f"no error for {name}")
    await client.close()


def check_tls_and_token() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificate, key, token = folder / "cert.pem", folder / "key.pem", folder / "token"
        token.write_text("a-token-of-the-check\n")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
            + ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)],
            check=True,
            capture_output=True,
        )
        options = ["--bearer-token-file", str(token), "--tls-certificate", str(certificate), "--tls-key", str(key)]
        tried = subprocess.run(
            [executable(), folder, "--tls-certificate", "/nowhere", "--tls-key", "/nowhere"],
            capture_output=True,
            text=True,
            check=False,
        )
        has_tls = "without TLS" not in tried.stderr
        if not has_tls:
            print("TLS: skipped, the server was built without the trait TLS")
            options = options[:2]
        with Server(*options, scheme="https" if has_tls else "http") as server:
            context = ssl.create_default_context(cafile=str(certificate)) if has_tls else None

            def ask(path: str, header: str | None = None) -> int:
                request = urllib.request.Request(server.url + path)
                if header:
                    request.add_header("Authorization", header)
                try:
                    with urllib.request.urlopen(request, context=context) as answer:
                        return answer.status
                except urllib.error.HTTPError as error:
                    return error.code

            assert ask("/v2/health/live") == 200
            assert ask("/v2") == 401
            assert ask("/v2", "Bearer wrong") == 401
            assert ask("/v2", "Bearer a-token-of-the-check") == 200
            client = triton.InferenceServerClient(
                server.address, ssl=has_tls, ssl_context_factory=(lambda: context) if has_tls else None
            )
            headers = {"Authorization": "Bearer a-token-of-the-check"}
            close(client.infer("digits", [triton_input(IMAGES[:2], True)], headers=headers).as_numpy("output"), 2)
            raises(InferenceServerException, lambda: client.infer("digits", [triton_input(IMAGES[:2], True)]), "Bearer")
            client.close()
            assert server.stop() == 0


def check_images(server: Server) -> None:
    """Every held-out digit that is an image, through the route for images."""
    wrong = []
    for path in sorted((FIXTURES / "digits" / "images").glob("*.png")):
        answer = httpx.post(f"{server.url}/v2/models/digits/classify?top_k=1", content=path.read_bytes()).json()
        if answer["predictions"][0]["label"] != path.stem[-1]:
            wrong.append(path.name)
    assert len(wrong) <= 1, wrong


def main() -> int:
    with Server() as server:
        for name, check in {
            "tritonclient": lambda: check_tritonclient(server),
            "kserve": lambda: asyncio.run(check_kserve(server)),
            "images": lambda: check_images(server),
            "TLS and token": check_tls_and_token,
        }.items():
            check()
            print(f"{name}: right", flush=True)
        assert server.stop() == 0
        print("SIGTERM: exit status 0")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("NO_PROXY", "localhost")
    sys.exit(main())
