"""Holds objects, a JSON list on standard input, against the schemas of Kubernetes; fails at the first that breaks one.

An object of somebody else's kind (a ServiceMonitor) has no schema there, and is passed over.
"""

import json
import sys

import kubernetes_validate

# The oldest that the chart says it takes, and the newest that is known.
VERSIONS = ["1.27", kubernetes_validate.latest_version()]

checked = 0
for thing in json.load(sys.stdin):
    if thing["apiVersion"].startswith("monitoring.coreos.com/"):
        continue
    for version in VERSIONS:
        kubernetes_validate.validate(thing, version, strict=True)
        checked += 1
assert checked, "there was nothing to check"
