"""Verifies a Potluck bundle with other people's libraries; exits with 1 where they refuse.

    verify.py dsse BUNDLE KEY      securesystemslib: the Ed25519 signature; KEY is a public key in PEM
    verify.py log BUNDLE KEY NAME  sigstore-python: inclusion and checkpoint; KEY is the log's, NAME its name
"""

import json
import sys
from pathlib import Path

from cryptography.hazmat.primitives import serialization


def public_key(path):
    return serialization.load_pem_public_key(Path(path).read_bytes())


def spki(key):
    return key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def dsse(bundle, key):
    """One signature of the given key is enough; the other is of a key that is not given."""
    import hashlib

    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import SSlibKey

    key = public_key(key)
    # Our name of a key: SHA-256 of its SubjectPublicKeyInfo.
    named = SSlibKey.from_crypto(key, keyid=hashlib.sha256(spki(key)).hexdigest())
    envelope = Envelope.from_dict(json.loads(Path(bundle).read_bytes())["dsseEnvelope"])
    envelope.verify([named], threshold=1)


def log(bundle, key, name):
    from sigstore._internal.merkle import verify_merkle_inclusion
    from sigstore._internal.rekor.checkpoint import SignedCheckpoint, verify_checkpoint
    from sigstore._internal.trust import Keyring, RekorKeyring
    from sigstore.models import TransparencyLogEntry
    from sigstore_models.bundle import v1 as bundle_v1
    from sigstore_models.common import v1 as common_v1
    import base64

    inner = bundle_v1.Bundle.from_json(Path(bundle).read_bytes())
    [entry] = inner.verification_material.tlog_entries
    entry = TransparencyLogEntry(entry)
    verify_merkle_inclusion(entry)
    trusted = common_v1.PublicKey(
        raw_bytes=base64.b64encode(spki(public_key(key))),
        key_details=common_v1.PublicKeyDetails.PKIX_ED25519,
    )
    verify_checkpoint(RekorKeyring(Keyring([trusted])), entry)
    # That the proof's index and size are the checkpoint's is for us to ask.
    proof = entry._inner.inclusion_proof
    checkpoint = SignedCheckpoint.from_text(proof.checkpoint.envelope).checkpoint
    assert (checkpoint.origin, checkpoint.log_size) == (name, proof.tree_size), checkpoint
    # And that what stands in the log is this bundle's envelope.
    record = json.loads(entry._inner.canonicalized_body)
    print(record["envelope"])


if __name__ == "__main__":
    _, verb, *arguments = sys.argv
    {"dsse": dsse, "log": log}[verb](*arguments)
