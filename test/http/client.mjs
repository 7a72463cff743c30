// An HTTP client for tests: sends exactly the bytes that it is told to, where
// fetch would tidy them up, and knows the stack that is tested.
//
//   WORKORDER_URL     where nginx listens
//   WORKORDER_HOME    home of the stack, for scripts/stack

import { request } from 'node:http';
import { connect } from 'node:net';
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import processes from '../tools/process.js';

export const base = new URL(process.env.WORKORDER_URL ?? 'http://127.0.0.1:8080');
export const root = fileURLToPath(new URL('../..', import.meta.url));
const script = `${root}scripts/stack`;

// Runs a verb of scripts/stack and returns what it prints.
export function stack(...args) {
  const { status, stdout, stderr } = spawnSync(script, args, { encoding: 'utf8', maxBuffer: 1 << 26 });
  if (status !== 0) {
    throw new Error(`scripts/stack ${args.join(' ')}: ${stderr}`);
  }
  return stdout.trim();
}

// Runs SQL as the superuser of the stack; what it prints, unaligned.
export function sql(text, variables = {}) {
  const set = Object.entries(variables).flatMap(([name, value]) => ['-v', `${name}=${value}`]);
  const args = ['psql', '-q', '-At', '-v', 'ON_ERROR_STOP=1', ...set];
  const { status, stdout, stderr } = spawnSync(script, args, { encoding: 'utf8', input: text, maxBuffer: 1 << 26 });
  if (status !== 0) {
    throw new Error(`psql: ${stderr}`);
  }
  return stdout.trim();
}

// A session of psql that stays open: take sql in, give lines out.
export function session() {
  const child = spawn(script, ['psql', '-q', '-At'], { stdio: ['pipe', 'pipe', 'inherit'] });
  return {
    run: (text) =>
      new Promise((done) => {
        let output = '';
        const read = (data) => {
          output += data;
          if (output.endsWith('--end--\n')) {
            child.stdout.off('data', read);
            done(output.slice(0, -8).trim());
          }
        };
        child.stdout.setEncoding('utf8').on('data', read);
        child.stdin.write(`${text}\n\\echo --end--\n`);
      }),
    end: () => new Promise((done) => child.on('close', done) && child.stdin.end()),
  };
}

const tokens = new Map();

export function token(system, actor) {
  const key = `${system} ${actor}`;
  if (!tokens.has(key)) {
    tokens.set(key, stack('token', system, actor));
  }
  return tokens.get(key);
}

// Sends one request and reads the whole answer.  headers is a list of pairs;
// body a text, bytes, or a list of them, which is then sent in chunks; from an
// address of this machine, if it is not to be the usual one.
export function send({ method = 'GET', target = '/', headers = [], body, agent, from, timeout = 60000 }) {
  return new Promise((done, fail) => {
    const list = headers.flat();
    const has = (name) => headers.some(([key]) => key.toLowerCase() === name);
    if (!has('host')) {
      list.push('Host', base.host);
    }
    if (body !== undefined && !Array.isArray(body) && !has('content-length')) {
      list.push('Content-Length', String(Buffer.byteLength(body)));
    }
    const outgoing = request(
      {
        host: base.hostname,
        port: base.port,
        method,
        // Bytes above ASCII go out as they are.
        path: Buffer.from(target, 'utf8').toString('latin1'),
        headers: list,
        agent,
        localAddress: from,
        timeout,
      },
      (incoming) => {
        const parts = [];
        incoming.on('data', (part) => parts.push(part));
        incoming.on('error', fail);
        incoming.on('end', () => {
          const bytes = Buffer.concat(parts);
          const text = bytes.toString('utf8');
          let json;
          try {
            json = text === '' ? undefined : JSON.parse(text);
          } catch {
            json = undefined;
          }
          done({ status: incoming.statusCode, headers: incoming.headers, raw: incoming.rawHeaders, reason: incoming.statusMessage, bytes, text, json });
        });
      },
    );
    outgoing.on('timeout', () => outgoing.destroy(new Error('no answer')));
    outgoing.on('error', fail);
    for (const part of Array.isArray(body) ? body : body === undefined ? [] : [body]) {
      outgoing.write(part);
    }
    outgoing.end();
  });
}

// Sends bytes as they are on a connection of its own; whatever comes back.
export function sendRaw(bytes, timeout = 10000) {
  return new Promise((done, fail) => {
    const socket = connect(Number(base.port), base.hostname);
    const parts = [];
    const end = () => {
      socket.destroy();
      done(Buffer.concat(parts).toString('latin1'));
    };
    socket.setTimeout(timeout, end);
    socket.on('data', (part) => parts.push(part));
    socket.on('error', (error) => (parts.length || error.code === 'ECONNRESET' || error.code === 'EPIPE' ? end() : fail(error)));
    socket.on('close', end);
    socket.write(bytes);
  });
}

// A request as somebody, with a JSON body if there is one.
export function ask(method, target, { as, body, headers = [], ...rest } = {}) {
  const all = [...headers];
  const given = (name) => all.some(([key]) => key.toLowerCase() === name);
  if (as !== undefined) {
    all.push(['Authorization', `Bearer ${as}`]);
  }
  if (body !== undefined && !given('content-type')) {
    all.push(['Content-Type', 'application/json']);
  }
  const plain = body === undefined || typeof body === 'string' || Buffer.isBuffer(body) || Array.isArray(body);
  return send({ method, target, headers: all, body: plain ? body : JSON.stringify(body), ...rest });
}

// A connection of PostgREST's pool may have died before, which the request that
// gets it finds out.
export const isAway = ({ status }) => status >= 502 && status <= 504;

// Sends a request again until a service answers it; for one that may come twice.
export function sendAgain(request) {
  return processes.until('a request is answered', async () => {
    const answer = await request();
    return !isAway(answer) && answer;
  });
}

// Sends a request that will have to wait, and waits until a query finds the
// server process that does: pid, and answer, a promise.  One that is answered
// first is sent again, if that answer says so (`again`).
export async function sendAndFind(request, query, again = isAway) {
  let answer;
  let early;
  const pid = await processes.until('a request waits', () => {
    if (answer === undefined || (early !== undefined && again(early))) {
      early = undefined;
      answer = request();
      answer.then((one) => (early = one), () => {});
    } else if (early !== undefined) {
      throw new Error(`did not wait: ${early.status} ${early.text}`);
    }
    return sql(query);
  });
  return { pid, answer };
}

// A multipart form: fields are [name, value] or [name, bytes, filename, type].
export function multipart(fields, boundary = 'workorder-boundary') {
  const parts = fields.map(([name, value, filename, type]) =>
    Buffer.concat([
      Buffer.from(
        `--${boundary}\r\nContent-Disposition: form-data; name="${name}"` +
          (filename === undefined ? '' : `; filename="${filename}"\r\nContent-Type: ${type ?? 'application/octet-stream'}`) +
          '\r\n\r\n',
      ),
      Buffer.from(value),
      Buffer.from('\r\n'),
    ]),
  );
  return {
    body: Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)]),
    headers: [['Content-Type', `multipart/form-data; boundary=${boundary}`]],
  };
}
