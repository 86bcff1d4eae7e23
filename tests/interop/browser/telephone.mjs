// SPDX-License-Identifier: GPL-2.0-or-later
//
// Drives Chromium: registers over secure WebSocket, calls or is called,
// listens, hangs up. One JSON object a line: {"registered": true}, then what
// was heard, or {"error": ...}.
//
//     node telephone.mjs BUNDLE call TARGET SECONDS
//     node telephone.mjs BUNDLE wait SECONDS
//
// CHROMIUM: the program. TONE: a WAV file, its microphone. ICE_SERVERS: JSON,
// a relay that all media must take. HOME: the NSS database with the CA.
import { readFileSync } from 'node:fs';
import puppeteer from 'puppeteer-core';

const [, , bundle, what, ...rest] = process.argv;
const seconds = Number(rest.pop());
const say = (o) => console.log(JSON.stringify(o));

const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM,
  headless: true,
  pipe: true, // no debugging port: what is captured is the call
  args: [
    '--no-sandbox', // root in a namespace of the test
    '--use-fake-ui-for-media-stream', '--use-fake-device-for-media-stream',
    `--use-file-for-fake-audio-capture=${process.env.TONE}`,
    '--autoplay-policy=no-user-gesture-required',
    // there is nothing but the loopback
    '--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns',
    '--host-resolver-rules=MAP edge.lab.test 127.0.0.1',
  ],
});
try {
  const page = await browser.newPage();
  page.on('console', (m) => console.error('page:', m.text()));
  await page.goto('https://edge.lab.test:5443/');
  await page.addScriptTag({ content: readFileSync(bundle, 'utf8') });
  await page.evaluate((ice) => window.phone.register(ice),
    JSON.parse(process.env.ICE_SERVERS || '[]'));
  say({ registered: true });
  await page.evaluate((w, target) => window.phone[w](target), what, rest[0]);
  say(await page.evaluate((s) => window.phone.listen(s), seconds));
  await page.evaluate(() => window.phone.hangUp());
} catch (e) {
  say({ error: e.message });
} finally {
  await browser.close();
}
