'use strict';
// load.js <config> <told>: clients of the HTTP server that work without a
// pause, each on one kept connection, until they are told to stop.
//
// The config is JSON: {"port", "run", "clients", "firstOrder", "lastOrder", "credentialKey", "tokens": {login: token}};
// no two runs have the same number, or orders.
// Every write that was acknowledged becomes a line of the file <told>:
// system, ticket, lines of the journal, mark, key and how often it was sent,
// with tabs between.
//
// A client that is told 502, 503 or 504, or that gets no answer, does what it
// is told to: it waits for as long as Retry-After says, and sends the same
// request with the same Idempotency-Key, until there is an answer.  Whatever
// else is not what the work expects ends the client, and is reported.
//
// On its standard input it hears, a line each:
//   phase <name>   what is measured from now on is called so
//   back           the database answers again: from when recovery is counted
//   end            finish what is under way, then stop
// and it prints, a line each:
//   phase <name> key=value ...     what was measured, when the phase is over
//   recovered <milliseconds>       since "back", when every client had a good answer again
//   note <text>                    what was not expected, and who answers what how often
//   end

const fs = require('fs');
const http = require('http');
const readline = require('readline');
const { randomUUID } = require('crypto');
const { desks, unavailable } = require('./desks.js');

const config = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const told = fs.openSync(process.argv[3], 'w');
const systems = Object.keys(desks);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const clients = Array.from({ length: config.clients }, (_, n) => ({
  system: systems[n % systems.length],
  work: desks[systems[n % systems.length]](n, config),
  agent: new http.Agent({ keepAlive: true, maxSockets: 1 }),
  well: true,
}));

let phase = null;
let stopping = false;
let back = 0;

function begin(name) {
  if (phase) report();
  phase = {
    name, started: performance.now(), latencies: [], statuses: {}, written: 0, refused: 0, resent: 0,
    unavailable: 0, broken: 0, unexpected: 0, closed: 0, connections: 0,
  };
}

function report() {
  const { name, started, latencies, statuses, ...counts } = phase;
  const seconds = (performance.now() - started) / 1000;
  latencies.sort((a, b) => a - b);
  const quantile = (q) => Math.round(latencies[Math.floor(q * (latencies.length - 1))] ?? 0);
  const values = {
    seconds: seconds.toFixed(1), requests: latencies.length, rate: Math.round(latencies.length / seconds),
    p50: quantile(0.5), p99: quantile(0.99), max: quantile(1), ...counts,
  };
  const list = (object) => Object.entries(object).map(([key, value]) => `${key}=${value}`).join(' ');
  console.log(`note ${name}: answers ${list(statuses)}`);
  console.log(`phase ${name} ${list(values)}`);
}

function note(text) {
  if (phase.unexpected + phase.broken < 10) console.log(`note ${phase.name}: ${text.replace(/\s+/g, ' ').slice(0, 400)}`);
}

// Sends a request once; its status, headers and text.
function send({ agent }, { as, method, path, body }, key) {
  return new Promise((done, fail) => {
    const headers = {};
    if (as !== undefined) headers.Authorization = `Bearer ${config.tokens[as]}`;
    if (key !== undefined) headers['Idempotency-Key'] = key;
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    const text = body === undefined ? undefined : JSON.stringify(body);
    if (text !== undefined) headers['Content-Length'] = Buffer.byteLength(text);
    const request = http.request({ host: '127.0.0.1', port: config.port, method, path, headers, agent, timeout: 60000 });
    request.on('response', (answer) => {
      const parts = [];
      answer.on('data', (part) => parts.push(part));
      answer.on('error', fail);
      answer.on('end', () => done({ status: answer.statusCode, headers: answer.headers, text: Buffer.concat(parts).toString() }));
    });
    request.on('socket', () => {
      if (!request.reusedSocket) phase.connections++;
    });
    request.on('timeout', () => request.destroy(new Error('no answer within a minute')));
    request.on('error', fail);
    request.end(text);
  });
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function succeeded(client) {
  if (client.well) return;
  client.well = true;
  if (clients.every(({ well }) => well)) console.log(`recovered ${Math.round(performance.now() - back)}`);
}

// Sends a request until it is answered; the JSON of the answer.
async function perform(client, request) {
  const expect = request.expect ?? 200;
  const key = request.wrote ? randomUUID() : undefined;
  for (let sent = 1; ; sent++) {
    const started = performance.now();
    let answer;
    if (sent > 1) phase.resent++;
    try {
      answer = await send(client, request, key);
    } catch (error) {
      phase.broken++;
      note(`${request.method} ${request.path}: ${error.message}`);
      await pause(500);
      continue;
    }
    phase.latencies.push(performance.now() - started);
    phase.statuses[answer.status] = (phase.statuses[answer.status] ?? 0) + 1;
    if (answer.headers.connection === 'close') phase.closed++;
    const json = parse(answer.text);
    if (answer.status === expect) {
      if (expect >= 400) phase.refused++;
      if (request.wrote) {
        const { ticket, lines, mark = '' } = request.wrote;
        const name = typeof ticket === 'function' ? ticket(json) : ticket;
        fs.writeSync(told, `${[client.system, name, lines, mark, key, sent].join('\t')}\n`);
        phase.written++;
      }
      succeeded(client);
      return json;
    }
    if (answer.status >= 502 && answer.status <= 504 &&
        JSON.stringify(json) === JSON.stringify(unavailable[client.system](answer.status))) {
      phase.unavailable++;
      await pause(1000 * Number(answer.headers['retry-after'] ?? 1));
    } else {
      throw new Error(`${request.method} ${request.path} ${JSON.stringify(request.body)}: ${answer.status} ${answer.text}, not ${expect}`);
    }
  }
}

async function run(client) {
  let { value } = client.work.next();
  while (!stopping) {
    ({ value } = client.work.next(await perform(client, value)));
  }
}

begin('start');
const all = clients.map((client) =>
  run(client).catch((error) => {
    note(error.message);
    phase.unexpected++;
  }),
);
const orders = readline.createInterface({ input: process.stdin });
orders.on('line', (line) => {
  const [word, name] = line.split(' ');
  if (word === 'phase') begin(name);
  if (word === 'back') {
    back = performance.now();
    for (const client of clients) client.well = false;
  }
  if (word === 'end') stopping = true;
});
Promise.all(all).then(() => {
  report();
  console.log('end');
  process.exit(0);
});
