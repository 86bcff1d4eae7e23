// SPDX-License-Identifier: GPL-2.0-or-later
//
// What runs inside of the page: a telephone made of JsSIP. `phone.register()`,
// then `phone.call(target)` or `phone.wait()`, then `phone.listen(seconds)`.
import JsSIP from 'jssip';

const MEDIA = { mediaConstraints: { audio: true, video: false } };
const SERVER = 'wss://edge.lab.test:5443';

// The event that is hoped for; an error for one of the others
function event(source, good, bad = []) {
  return new Promise((resolve, reject) => {
    source.once(good, resolve);
    for (const name of bad) {
      source.once(name, (e) => reject(new Error(`${name}: ${(e && e.cause) || ''}`)));
    }
  });
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

class Phone {
  async register(iceServers) {
    this.pcConfig = { iceServers, iceTransportPolicy: iceServers.length ? 'relay' : 'all' };
    this.ua = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(SERVER)], uri: 'sip:alice@lab.test',
      register_expires: 600, session_timers: false,
    });
    const done = event(this.ua, 'registered', ['registrationFailed']);
    this.ua.start();
    await done;
  }

  hear(connection) {
    this.connection = connection;
    this.audio = new Audio();
    this.audio.autoplay = true;
    connection.addEventListener('track', (e) => {
      this.audio.srcObject = e.streams[0] || new MediaStream([e.track]);
    });
  }

  async call(target) {
    this.session = this.ua.call(target, { ...MEDIA, pcConfig: this.pcConfig });
    this.hear(this.session.connection);
    await event(this.session, 'confirmed', ['failed', 'ended']);
  }

  // Answers the next call
  async wait() {
    const { session } = await event(this.ua, 'newRTCSession');
    this.session = session;
    session.on('peerconnection', (e) => this.hear(e.peerconnection));
    const done = event(session, 'confirmed', ['failed', 'ended']);
    session.answer({ ...MEDIA, pcConfig: this.pcConfig });
    await done;
  }

  // The loudest frequency, ten times a second, and what the transport says
  async listen(seconds) {
    const context = new AudioContext();
    await context.resume();
    const analyser = context.createAnalyser();
    analyser.fftSize = 4096;
    context.createMediaStreamSource(this.audio.srcObject).connect(analyser);
    const bins = new Float32Array(analyser.frequencyBinCount);
    const heard = [];
    for (let i = 0; i < 10 * seconds; i += 1) {
      await pause(100);
      analyser.getFloatFrequencyData(bins);
      const loudest = bins.reduce((best, v, k) => (k && v > bins[best] ? k : best), 1);
      if (bins[loudest] > -70) {
        heard.push(Math.round((loudest * context.sampleRate) / analyser.fftSize));
      }
    }
    const facts = { heard };
    const stats = [...(await this.connection.getStats()).values()];
    for (const s of stats) {
      if (s.type === 'inbound-rtp') facts.received = s.packetsReceived;
      if (s.type === 'outbound-rtp') facts.sent = s.packetsSent;
      if (s.type === 'transport') {
        Object.assign(facts, { dtls: s.dtlsState, srtp: s.srtpCipher });
        const pair = stats.find((x) => x.id === s.selectedCandidatePairId);
        const local = stats.find((x) => pair && x.id === pair.localCandidateId);
        facts.candidate = local && local.candidateType;
      }
    }
    return facts;
  }

  async hangUp() {
    if (!this.session.isEnded()) {
      this.session.terminate();
      await pause(500);
    }
  }
}

window.phone = new Phone();
