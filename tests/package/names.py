"""A name server that knows one name: names.py ADDRESS NAME IP. Says "ready" when it listens on ADDRESS:53, over UDP."""

import socket
import struct
import sys


def answer(query: bytes, name: str, ip: str) -> bytes:
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode())
        at += query[at] + 1
    question = query[12 : at + 5]
    kind = struct.unpack("!H", query[at + 1 : at + 3])[0]
    known = ".".join(labels).lower() == name
    records = b""
    if known and kind == 1:
        records = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + socket.inet_aton(ip)
    flags = 0x8580 if known else 0x8583
    return query[:2] + struct.pack("!HHHHH", flags, 1, 1 if records else 0, 0, 0) + question + records


def main(address: str, name: str, ip: str) -> None:
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    print("ready", flush=True)
    while True:
        query, caller = server.recvfrom(512)
        server.sendto(answer(query, name, ip), caller)


main(*sys.argv[1:])
