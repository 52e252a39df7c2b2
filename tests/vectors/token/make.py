#!/usr/bin/env python3
"""Writes golden.txt: tokens made with Python's hmac, from docs/protocol.md#session-tokens alone."""
import base64
import hashlib
import hmac
import pathlib
import random

RANDOM = random.Random(20241124)

# key, instance id, epoch, expiry in seconds since the epoch
ROWS = [
    (bytes(32), "i-00000000000000000", 0, 1),
    (bytes(range(32)), "i-0123456789abcdef0", 1, 1700000000),
    (b"\xff" * 32, "i-1234abcd", 0xFFFFFFFF, 0xFFFFFFFF),
] + [
    (
        RANDOM.randbytes(32),
        "i-0" + RANDOM.randbytes(8).hex(),
        RANDOM.getrandbits(32),
        RANDOM.randrange(1600000000, 1900000000),
    )
    for _ in range(13)
]


def token(key, instance_id, epoch, expiry_s, nonce):
    head = b"\x01\x00\x04\x00" + expiry_s.to_bytes(4, "big") + nonce
    message = head + epoch.to_bytes(4, "big") + instance_id.encode()
    mac = hmac.new(key, message, hashlib.sha256).digest()[:24]
    return base64.urlsafe_b64encode(head + mac).decode()


def main():
    lines = ["# key, instance id, token epoch, expiry, nonce, token; made by make.py"]
    for key, instance_id, epoch, expiry_s in ROWS:
        nonce = RANDOM.randbytes(8)
        text = token(key, instance_id, epoch, expiry_s, nonce)
        lines.append(f"{key.hex()} {instance_id} {epoch} {expiry_s} {nonce.hex()} {text}")
    pathlib.Path(__file__).with_name("golden.txt").write_text("\n".join(lines) + "\n")


main()
