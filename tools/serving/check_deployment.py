#!/usr/bin/env python3
"""Checks the files in tools/deploy: the Dockerfile with hadolint, Kubernetes' objects with kubernetes-validate, KServe's
by the models of its client: every field must exist, and be of the right kind."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import kserve.models
import kubernetes.client.models
import yaml

DEPLOY = Path(__file__).resolve().parents[1] / "deploy"
BIN = Path(sys.executable).parent
KSERVE = {
    ("serving.kserve.io/v1alpha1", "ClusterServingRuntime"): "V1alpha1ClusterServingRuntime",
    ("serving.kserve.io/v1beta1", "InferenceService"): "V1beta1InferenceService",
}
SCALARS = {"str": str, "int": int, "float": (int, float), "bool": bool, "datetime": str, "object": object}


def check(value: object, kind: str, place: str) -> int:
    """Checks a value against a type of the clients, and gives the number of fields that were checked."""
    if match := re.fullmatch(r"[Ll]ist\[(.*)\]", kind):
        assert isinstance(value, list), f"{place} is no list"
        return sum(check(item, match[1], f"{place}[{index}]") for index, item in enumerate(value))
    if match := re.fullmatch(r"[Dd]ict[(\[]\w+, (.*)[)\]]", kind):
        assert isinstance(value, dict), f"{place} is no object"
        return sum(check(item, match[1], f"{place}.{key}") for key, item in value.items())
    if kind in SCALARS:
        assert isinstance(value, SCALARS[kind]), f"{place} is {value!r}, which is no {kind}"
        return 1
    known = getattr(kserve.models, kind, None) or getattr(kubernetes.client.models, kind, None)
    if known is None:
        # Kubernetes' quantities, and ports, are texts or numbers.
        assert isinstance(value, (str, int)), f"{place} is {value!r}, which is no {kind}"
        return 1
    assert isinstance(value, dict), f"{place} is no object"
    types = {known.attribute_map[name]: kind for name, kind in known.openapi_types.items()}
    unknown = sorted(set(value) - set(types))
    assert not unknown, f"{place} has no field {', '.join(unknown)}"
    # The constructor refuses objects that lack what they must have.
    known(**{name: value[key] for name, key in known.attribute_map.items() if key in value})
    return sum(check(item, types[key], f"{place}.{key}") for key, item in value.items())


def main() -> int:
    subprocess.run([BIN / "hadolint", DEPLOY / "Dockerfile"], check=True)
    print("Dockerfile: right, says hadolint")
    subprocess.run([BIN / "kubernetes-validate", "--strict", DEPLOY / "kubernetes.yaml"], check=True)
    for document in yaml.safe_load_all((DEPLOY / "kserve.yaml").read_text(encoding="utf-8")):
        name = KSERVE[document["apiVersion"], document["kind"]]
        count = check(document, name, document["kind"])
        print(f"kserve.yaml: {document['kind']} {document['metadata']['name']}: {count} fields are right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
