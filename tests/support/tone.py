# SPDX-License-Identifier: GPL-2.0-or-later
"""Tones: made as WAV files, found again in recordings (Goertzel's algorithm)."""

import array
import math
import os
import struct
import wave

RATE_HZ = 8000


def write_wav(path, hz, seconds, rate=RATE_HZ, amplitude=0.5):
    """A mono S16 sine."""
    peak = int(32767 * amplitude)
    samples = array.array("h", (
        int(peak * math.sin(2 * math.pi * hz * n / rate))
        for n in range(int(seconds * rate))))
    with wave.open(os.fspath(path), "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(rate)
        w.writeframes(samples.tobytes())


def read_wav(path):
    """(samples, rate) of a mono or stereo S16 file, also of one whose writer
    is still at it or died: then the header's length is not believed."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError(f"{path} is not a WAV file")
    at, channels, rate = 12, 0, 0
    while at + 8 <= len(data):
        name, size = data[at:at + 4], struct.unpack_from("<I", data, at + 4)[0]
        if name == b"fmt ":
            _, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", data, at + 8)
            if bits != 16 or channels not in (1, 2):
                raise ValueError(f"{path}: {bits} bits, {channels} channels")
        if name == b"data":
            end = at + 8 + size if 0 < size <= len(data) - at - 8 else len(data)
            body = data[at + 8:end]
            samples = array.array("h", body[:len(body) // 2 * 2])
            return samples[::channels], rate
        at += 8 + size + size % 2
    raise ValueError(f"{path} has no sound")


def from_ulaw(octets):
    """Samples of PCMU (ITU-T G.711)."""
    def sample(octet):
        octet = ~octet & 0xff
        level = (((octet & 15) << 3) + 0x84) << (octet >> 4 & 7)
        return 0x84 - level if octet & 0x80 else level - 0x84
    return [sample(o) for o in octets]


def power(samples, rate, hz):
    """Share of the energy of samples that lies at hz: 1.0 for a pure sine."""
    n = len(samples)
    energy = sum(s * s for s in samples)
    if n == 0 or energy == 0:
        return 0.0
    coefficient = 2 * math.cos(2 * math.pi * hz / rate)
    s1 = s2 = 0.0
    for s in samples:
        s1, s2 = s + coefficient * s1 - s2, s1
    return (s1 * s1 + s2 * s2 - coefficient * s1 * s2) / (energy * n / 2)


def seconds_of(samples, rate, hz, share=0.8, block_sec=0.1):
    """For how long the tone dominates, judged block by block."""
    step = int(rate * block_sec)
    blocks = (samples[i:i + step] for i in range(0, len(samples) - step + 1, step))
    return block_sec * sum(1 for b in blocks if power(b, rate, hz) >= share)


def find_in_file(path, candidates_hz):
    """{hz: seconds heard} for a recording."""
    samples, rate = read_wav(path)
    return {hz: round(seconds_of(samples, rate, hz), 1) for hz in candidates_hz}
