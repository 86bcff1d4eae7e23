#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A WebRTC end that nobody here wrote: aiortc, with its own ICE, DTLS and
SRTP. Run by Debian's Python, which has it, with the address to gather
candidates on. Lines of JSON:

    in   {"offer": SDP}                  out  {"answer": SDP}
    in   {"call": true}                  out  {"offer": SDP}
    in   {"answer": SDP}
                                         out  {"state": "connected"}
    in   {"report": true}                out  {"received": packets}

It sends silence (PCMU, 0xff) and counts what it decodes.
"""
import asyncio
import contextlib
import json
import re
import sys

import aioice.ice
from aiortc import (RTCConfiguration, RTCPeerConnection,
                    RTCSessionDescription)
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError


def say(**what):
    print(json.dumps(what), flush=True)


def readable(sdp):
    """aiortc 1.4 takes no a=rtcp without an address (RFC 3605 section 2.1)"""
    return re.sub(r"^(a=rtcp:\d+)(?=\r?$)", r"\1 IN IP4 0.0.0.0", sdp,
                  flags=re.M)


async def description(end, make):
    await end.setLocalDescription(await make())
    return end.localDescription.sdp  # candidates are gathered by then


async def main():
    end, received = RTCPeerConnection(RTCConfiguration(iceServers=[])), 0

    @end.on("connectionstatechange")
    async def on_state():
        say(state=end.connectionState)

    @end.on("track")
    def on_track(track):
        async def drain():
            nonlocal received
            with contextlib.suppress(MediaStreamError):
                while True:
                    await track.recv()
                    received += 1
        asyncio.ensure_future(drain())

    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    end.addTrack(AudioStreamTrack())
    while line := await lines.readline():
        said = json.loads(line)
        if "call" in said:
            say(offer=await description(end, end.createOffer))
        elif "report" in said:
            say(received=received)
        else:
            kind = "offer" if "offer" in said else "answer"
            await end.setRemoteDescription(
                RTCSessionDescription(readable(said[kind]), kind))
            if kind == "offer":
                say(answer=await description(end, end.createAnswer))
    await end.close()


aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: [sys.argv[1]]
asyncio.run(main())
