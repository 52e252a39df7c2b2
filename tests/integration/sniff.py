"""sniff - every TCP segment on an interface, with its IP TTL or IPv6 hop limit; and one to be sent."""

import socket
import struct
import time

ETH_P_ALL = 0x0003
ETH_P_IP = 0x0800
ETH_P_IPV6 = 0x86DD
PACKET_OUTGOING = 4

FIN, SYN, RST, PSH, ACK = 0x01, 0x02, 0x04, 0x08, 0x10


class Segment:
    """One TCP segment as it was sent."""

    def __init__(self, ttl, sport, dport, sequence, flags, payload):
        self.ttl = ttl
        self.sport = sport
        self.dport = dport
        self.sequence = sequence
        self.flags = flags
        self.payload = payload

    def __repr__(self):
        names = [n for b, n in ((SYN, "SYN"), (FIN, "FIN"), (RST, "RST"), (ACK, "ACK")) if
                 self.flags & b]  # fmt: skip
        return (
            f"<{self.sport}>{self.dport} ttl={self.ttl} {'+'.join(names)}"
            f" {len(self.payload)} bytes>"
        )


def parse(protocol, data):
    if protocol == ETH_P_IP and len(data) >= 20:
        ttl, transport, start = data[8], data[9], (data[0] & 0x0F) * 4
        data = data[: struct.unpack("!H", data[2:4])[0] or len(data)]
    elif protocol == ETH_P_IPV6 and len(data) >= 40:
        ttl, transport, start = data[7], data[6], 40
    else:
        return None
    if transport != socket.IPPROTO_TCP or len(data) < start + 20:
        return None
    sport, dport, sequence, _, offset, flags = struct.unpack("!HHIIBB", data[start : start + 14])
    return Segment(ttl, sport, dport, sequence, flags, data[start + (offset >> 4) * 4 :])


def syn_6(source, target, sport, dport):
    """An IPv6 packet that asks for a connection, from whatever address."""
    addresses = socket.inet_pton(socket.AF_INET6, source) + socket.inet_pton(
        socket.AF_INET6, target
    )

    def tcp(checksum):
        return struct.pack("!HHIIBBHHH", sport, dport, 1, 0, 5 << 4, SYN, 65535, checksum, 0)

    words = struct.unpack("!30H", addresses + struct.pack("!II", 20, socket.IPPROTO_TCP) + tcp(0))
    total = sum(words)
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    head = struct.pack("!IHBB", 6 << 28, 20, socket.IPPROTO_TCP, 64)
    return head + addresses + tcp(total ^ 0xFFFF)


class Sniffer:
    """Catches what is sent from and to one port. Close to the kernel: nothing is lost on lo as
    long as the buffer holds it."""

    def __init__(self, make_socket, port, device="lo"):
        self.port = port
        self.device = device
        self.sock = make_socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.bind((device, ETH_P_ALL))
        self.sock.setblocking(False)
        self.segments = []

    def collect(self):
        while True:
            try:
                data, address = self.sock.recvfrom(65535)
            except BlockingIOError:
                return self.segments
            # On lo every packet is seen twice: as it goes out and as it comes in.
            if self.device == "lo" and address[2] != PACKET_OUTGOING:
                continue
            segment = parse(address[1], data)
            if segment and self.port in (segment.sport, segment.dport):
                self.segments.append(segment)

    def of(self, client_port):
        """What the service sent to one client port, in order."""
        return [s for s in self.collect() if s.sport == self.port and s.dport == client_port]

    def wait_for(self, client_port, condition, what, timeout=20.0):
        deadline = time.monotonic() + timeout
        while True:
            found = [s for s in self.of(client_port) if condition(s)]
            if found:
                return found
            assert time.monotonic() < deadline, f"never seen: {what}: {self.of(client_port)}"
            time.sleep(0.01)

    def close(self):
        self.sock.close()
