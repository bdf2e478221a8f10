"""Validates an SPDX 3.0.1 document as `potluck agreement` writes it; exits with 1 where it is not one.

    spdx.py FILE

With spdx-python-model alone: every class, property and value is one of the model's. Where the variable SPDX_3_0_1 names a
folder with the specification's own `schema.json`, `spdx-model.ttl` and `spdx-context.jsonld` (as they stand under 3.0.1/rdf in
the branch gh-pages of github.com/spdx/spdx-spec), also by that JSON schema and by its SHACL shapes; that takes jsonschema, pyshacl.
"""

import json
import os
import sys
from pathlib import Path


def by_model(text):
    from io import BytesIO

    from spdx_python_model import v3_0_1 as spdx

    objects = spdx.SHACLObjectSet()
    spdx.JSONLDDeserializer().read(BytesIO(text), objects)
    packages = list(objects.foreach_type(spdx.ai_AIPackage))
    if len(packages) != 1:
        sys.exit(f"{len(packages)} AI packages where one is wanted")
    if objects.missing_ids:
        sys.exit(f"names without an element: {sorted(objects.missing_ids)}")


def by_specification(text, folder):
    import jsonschema
    import pyshacl
    import rdflib

    document = json.loads(text)
    schema = json.loads((folder / "schema.json").read_bytes())
    jsonschema.validators.validator_for(schema)(schema).validate(document)
    context = json.loads((folder / "spdx-context.jsonld").read_bytes())
    # No network: the context stands in the document.
    local = {**document, "@context": context["@context"]}
    data = rdflib.Graph().parse(data=json.dumps(local), format="json-ld")
    shapes = rdflib.Graph().parse(folder / "spdx-model.ttl")
    conforms, _, report = pyshacl.validate(data, shacl_graph=shapes, ont_graph=shapes, inference=None)
    if not conforms:
        sys.exit(report)
    print(f"schema and {len(shapes)} triples of shapes: {len(data)} triples conform")


def main():
    text = Path(sys.argv[1]).read_bytes()
    by_model(text)
    folder = os.environ.get("SPDX_3_0_1")
    if folder:
        by_specification(text, Path(folder))


main()
