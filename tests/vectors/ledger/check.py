"""Checks a ledger after docs/formats.md: signatures, chains, records, root, checkpoint, cosignature.

Usage: check.py STORY.json. Needs the package `cryptography`, and no code of the project.
"""

import base64
import hashlib
import json
import pathlib
import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "methods"))
import blake3  # the slow one of the other vectors

SPKI = bytes.fromhex("302a300506032b6570032100")


def public(text):
    return bytes.fromhex(text.removeprefix("ed25519:"))


def key_id(key):
    return hashlib.sha256(SPKI + key).hexdigest()


def verify(key, signature, message):
    Ed25519PublicKey.from_public_bytes(key).verify(signature, message)


def encoding(kind, payload):
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def opened(text, keys):
    """The statement of an envelope, what its domain says, and the id of the key that signed it."""
    envelope = json.loads(text)
    bundle = "dsseEnvelope" in envelope
    dsse = envelope["dsseEnvelope"] if bundle else envelope
    payload = base64.b64decode(dsse["payload"], validate=True)
    signed = dsse["signatures"][-1]
    statement = json.loads(payload)
    if bundle:
        potluck = statement["predicate"]["potluck"]
        assert dsse["payloadType"] == "application/vnd.in-toto+json"
        domain, statement = (potluck["kind"], potluck["federation"]), potluck["statement"]
        files = statement["body"]["submit"]["manifest"]
        resources = json.loads(payload)["predicate"]["resources"]
        assert [(f["path"], f["sha256"]) for f in files] == [(r["name"], r["digest"]) for r in resources]
        leaf = envelope["verificationMaterial"]["x509CertificateChain"]["certificates"][0]["rawBytes"]
        assert hashlib.sha256(base64.b64decode(leaf)).hexdigest() == potluck["leaf"]
    else:
        kind, federation = dsse["payloadType"].removeprefix("application/vnd.potluck.").split("+json;v=1;federation=")
        domain = (kind, federation)
    # The two kinds that bring the key by which they are signed.
    body = statement["body"]
    if "genesis" in body:
        keys[key_id(public(body["genesis"]["operator"]))] = public(body["genesis"]["operator"])
    if "join" in body:
        keys[key_id(public(body["join"]["keys"]["sign"]))] = public(body["join"]["keys"]["sign"])
    verify(keys[signed["keyid"]], base64.b64decode(signed["sig"]), encoding(dsse["payloadType"], payload))
    return statement, domain, signed["keyid"], payload


def name(author):
    return author if isinstance(author, str) else author["party"]


def possession(federation, author, role, key, proof):
    text = f"potluck/1 possession\n{federation}\n{author}\n{role}\n{key}\n"
    verify(public(key), bytes.fromhex(proof), text.encode())


def bring_in(body, federation, author, keys, invitations, votes):
    """The life of keys, as far as signatures tell it."""
    if "invite" in body:
        key = public(body["invite"]["key"])
        invitations[key_id(key)] = key
    elif "join" in body:
        join = body["join"]
        lines = "".join(f"{role} {join['keys'][role]}\n" for role in ("sign", "transport", "witness") if role in join["keys"])
        verify(invitations.pop(join["invite"]), bytes.fromhex(join["token"]), f"potluck/1 join\n{federation}\n{author}\n{lines}".encode())
        if "witness" in join["keys"]:
            possession(federation, author, "witness", join["keys"]["witness"], join["witness_proof"])
    elif "rotate_key" in body:
        new = body["rotate_key"]
        possession(federation, author, new["role"], new["key"], new["proof"])
        return new["key"]
    elif "revoke_key" in body:
        del keys[body["revoke_key"]["key"]]
    elif "recover_key" in body:
        new = body["recover_key"]
        possession(federation, name(new["of"]), "sign", new["key"], new["proof"])
        votes.setdefault(new["key"], set()).add(author)
        if len(votes[new["key"]]) == 2:
            keys[key_id(public(new["key"]))] = public(new["key"])
    return None


def root(leaves):
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\1" + root(leaves[:half]) + root(leaves[half:])).digest()


def check_note(note, log_key, witness_key, size, tree, state):
    body, signatures = note.rsplit("\n\n", 1)
    body += "\n"
    origin, count, top, extension = body.splitlines()
    assert (int(count), base64.b64decode(top)) == (size, tree), "the root is another"
    assert extension.split(" ")[0] == "potluck-state/1" and bytes(blake3.hash(state.encode())).hex() == extension.split(" ")[1]
    lines = {line.split(" ")[1]: base64.b64decode(line.split(" ")[2]) for line in signatures.splitlines()}
    for vkey, algorithm in ((log_key, 1), (witness_key, 4)):
        who, short, encoded = vkey.split("+", 2)
        raw = base64.b64decode(encoded)
        assert raw[0] == algorithm
        assert hashlib.sha256(who.encode() + b"\n" + raw).digest()[:4].hex() == short
        line = lines[who]
        assert line[:4].hex() == short
        if algorithm == 1:
            verify(raw[1:], line[4:], body.encode())
        else:
            time = int.from_bytes(line[4:12], "big")
            verify(raw[1:], line[12:], f"cosignature/v1\ntime {time}\n{body}".encode())
    assert log_key.split("+")[0] == origin


def main(path):
    story = json.load(open(path, encoding="utf-8"))
    keys, invitations, votes, chains, leaves, clock = {}, {}, {}, {}, [], 0
    for entry in story["entries"]:
        statement, (kind, federation), signer, payload = opened(entry["envelope"], keys)
        assert federation == ("new" if kind == "genesis" else story["federation"])
        assert list(statement["body"]) == [kind]
        author = name(statement["author"])
        assert (statement["sequence"], statement["previous"]) == chains.get(author, (0, None)), "a gap in a chain"
        digest = hashlib.sha256(entry["envelope"].encode()).hexdigest()
        chains[author] = (statement["sequence"] + 1, digest)
        record = json.loads(entry["record"])
        assert (record["kind"], record["key"], record["envelope"]) == (kind, signer, digest), "another record"
        assert entry["record"] == json.dumps(record, separators=(",", ":")) and record["time"] >= clock
        clock = record["time"]
        leaves.append(hashlib.sha256(b"\0" + entry["record"].encode()).digest())
        if kind == "genesis":
            context = "potluck/1 federation id: genesis payload"
            assert bytes(blake3.derive_key(context, payload)).hex() == story["federation"]
            continue
        new = bring_in(statement["body"], story["federation"], author, keys, invitations, votes)
        if new:
            del keys[signer]
            keys[key_id(public(new))] = public(new)
    check_note(story["checkpoint"], story["log_key"], story["witness_key"], len(leaves), root(leaves), story["state"])
    print(f"{len(leaves)} entries hold")


if __name__ == "__main__":
    main(sys.argv[1])
