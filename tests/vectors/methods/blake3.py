"""BLAKE3 in plain and slow Python, after the paper (section 2): hashing and key derivation, 32 bytes of output."""

import struct

IV = struct.unpack("<8I", bytes.fromhex("67e6096a85ae67bb72f36e3c3af54fa57f520e518c68059babd9831f19cde05b"))
ORDER = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
START, END, PARENT, ROOT, CONTEXT, MATERIAL = 1, 2, 4, 8, 32, 64


def mix(v, a, b, c, d, x, y):
    for m, right, left in ((x, 16, 12), (y, 8, 7)):
        v[a] = (v[a] + v[b] + m) & 0xFFFFFFFF
        v[d] = turn(v[d] ^ v[a], right)
        v[c] = (v[c] + v[d]) & 0xFFFFFFFF
        v[b] = turn(v[b] ^ v[c], left)


def turn(word, bits):
    return (word >> bits | word << 32 - bits) & 0xFFFFFFFF


def compress(chain, block, counter, length, flags):
    v = list(chain) + list(IV[:4]) + [counter & 0xFFFFFFFF, counter >> 32, length, flags]
    m = list(struct.unpack("<16I", block.ljust(64, b"\0")))
    for _ in range(7):
        for i in range(4):
            mix(v, i, 4 + i, 8 + i, 12 + i, m[2 * i], m[2 * i + 1])
        for i in range(4):
            mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[8 + 2 * i], m[9 + 2 * i])
        m = [m[i] for i in ORDER]
    return [v[i] ^ v[i + 8] for i in range(8)]


def node(data, key, flags, first, root):
    """The chaining value of a subtree that begins at chunk `first`."""
    if len(data) <= 1024:
        chain = key
        blocks = [data[at : at + 64] for at in range(0, max(len(data), 1), 64)]
        for i, block in enumerate(blocks):
            last = END | root if i == len(blocks) - 1 else 0
            chain = compress(chain, block, first, len(block), flags | (START if i == 0 else 0) | last)
        return chain
    chunks = (len(data) - 1) // 1024
    left = 1 << chunks.bit_length() - 1
    pair = node(data[: 1024 * left], key, flags, first, 0) + node(data[1024 * left :], key, flags, first + left, 0)
    return compress(key, struct.pack("<16I", *pair), 0, 64, flags | PARENT | root)


def hash(data):
    return struct.pack("<8I", *node(data, IV, 0, 0, ROOT))


def derive_key(context, material):
    key = node(context.encode(), IV, CONTEXT, 0, ROOT)
    return struct.pack("<8I", *node(material, key, MATERIAL, 0, ROOT))
