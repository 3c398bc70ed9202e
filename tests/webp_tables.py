"""A lossless WebP file that asks for as many Huffman tables as it can: 3 MB of file, half a gigabyte of memory."""

import struct

SIDE, TABLES = 5000, 65_536


class _Bits:
    """Numbers of some bits each, the lowest first (RFC 9649, 3)."""

    def __init__(self) -> None:
        self._whole: list[bytes] = []
        self._rest, self._held = 0, 0

    def put(self, value: int, bits: int) -> None:
        self._rest |= value << self._held
        self._held += bits
        whole = self._held // 8
        self._whole.append((self._rest & (1 << 8 * whole) - 1).to_bytes(whole, "little"))
        self._rest >>= 8 * whole
        self._held -= 8 * whole

    def data(self) -> bytes:
        return b"".join((*self._whole, bytes((self._rest,))))


def webp_of_many_tables() -> bytes:
    """One colour, `SIDE`×`SIDE`; each block of 4×4 pixels names the tables that it is coded with."""
    bits = _Bits()
    bits.put(0x2F, 8)
    bits.put(SIDE - 1, 14)
    bits.put(SIDE - 1, 14)
    bits.put(0, 1 + 3 + 1 + 1)  # no transparency, version, no transform, no cache of colours
    bits.put(1, 1)  # several groups of tables
    bits.put(0, 3)  # for blocks of 4×4
    bits.put(0, 1)  # no cache of colours in the picture of groups
    for alphabet in (280, 256):  # green and red, which number the groups: 256 codes of 8 bits each
        bits.put(0, 1)
        bits.put(12 - 4, 4)
        for symbol in (17, 18, 0, 1, 2, 3, 4, 5, 16, 6, 7, 8):  # lengths that occur: 0 and 8
            bits.put(symbol in {0, 8}, 3)
        bits.put(0, 1)
        bits.put((1 << 256) - 1, alphabet)
    for _ in range(3):  # blue, alpha, distance: always 0
        bits.put(0b0001, 4)
    blocks = (SIDE // 4) ** 2
    numbers = b"".join(struct.pack("<H", block % TABLES) for block in range(blocks))
    for at in range(0, len(numbers), 512):
        part = numbers[at : at + 512]
        bits.put(int.from_bytes(part, "little"), 8 * len(part))
    for _ in range(TABLES):
        bits.put(0b0001_0001_0001_0001_0001, 20)  # five tables of one symbol each
    picture = bits.data()
    content = b"WEBPVP8L" + struct.pack("<I", len(picture)) + picture + bytes(len(picture) % 2)
    return b"RIFF" + struct.pack("<I", len(content)) + content
