#!/usr/bin/env python3
"""Checks Kubernetes objects (YAML on stdin) strictly against their schemas, offline.

usage: validate.py CRDS [KUBERNETES_VERSION] < objects.yaml

A field that the schema doesn't know is an error. Kubernetes' own kinds are checked with
kubernetes-validate's schemas, the others with the CRDs in the folder CRDS.
"""

import pathlib
import sys

import jsonschema
import kubernetes_validate
import yaml

KUBERNETES = "1.36"


def closed(schema):
    """`schema` with no room for fields that it doesn't name."""
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema:
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            result["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        result.pop("type", None)
    if isinstance(schema.get("pattern"), str):  # Python wants a flag before anything else
        result["pattern"] = schema["pattern"].replace("^(?i)", "(?i)^")
    return result


def crd_schemas(folder):
    """{(apiVersion, kind): JSON schema}"""
    schemas = {}
    for path in sorted(pathlib.Path(folder).glob("*.yaml")):
        for crd in yaml.safe_load_all(path.read_text()):
            for version in crd["spec"]["versions"]:
                key = f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]
                schema = closed(version["schema"]["openAPIV3Schema"])
                schema["properties"]["metadata"] = {"type": "object"}
                schemas[key] = schema
    return schemas


def main():
    schemas = crd_schemas(sys.argv[1])
    version = sys.argv[2] if len(sys.argv) > 2 else KUBERNETES
    count, wrong = 0, 0
    for item in yaml.safe_load_all(sys.stdin):
        if not item:
            continue
        count += 1
        key = item["apiVersion"], item["kind"]
        try:
            if key in schemas:
                jsonschema.validate(item, schemas[key])
            else:
                kubernetes_validate.validate(item, version, strict=True)
        except (jsonschema.ValidationError, kubernetes_validate.ValidationError) as error:
            wrong += 1
            where = "/".join(str(part) for part in error.path)
            print(f"{item['kind']} {item['metadata']['name']}: {where}: {error.message}")
    print(f"{count - wrong} of {count} objects are valid")
    return 1 if wrong or not count else 0


sys.exit(main())
