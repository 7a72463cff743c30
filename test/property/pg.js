'use strict';
// A PostgreSQL session in a hundred lines: the simple query protocol over the
// socket that PGHOST and PGPORT name.  Trusted connections only, which is what
// a throwaway cluster has.

const net = require('net');

class PgError extends Error {
  constructor(fields) {
    super(fields.M);
    this.code = fields.C;
    this.detail = fields.D;
    this.hint = fields.H;
  }
}

class Session {
  constructor(user, database) {
    this.user = user;
    this.database = database;
    this.waiting = [];
    this.input = Buffer.alloc(0);
  }

  connect() {
    const host = process.env.PGHOST || '/var/run/postgresql';
    const port = process.env.PGPORT || '5432';
    this.socket = net.connect(host.startsWith('/') ? { path: `${host}/.s.PGSQL.${port}` } : { host, port });
    this.socket.on('data', (data) => this.receive(data));
    this.socket.on('error', (error) => this.broke(error));
    this.socket.on('close', () => this.broke(new Error('the server closed the connection')));
    const words = ['user', this.user, 'database', this.database, 'client_encoding', 'UTF8', ''];
    const body = Buffer.from(words.join('\0') + '\0');
    const head = Buffer.alloc(8);
    head.writeInt32BE(body.length + 8, 0);
    head.writeInt32BE(196608, 4); // protocol 3.0
    return this.ask(Buffer.concat([head, body]));
  }

  // Runs one or more statements; resolves to the rows of the last one that
  // had any, each an array of texts and nulls.
  query(sql) {
    const text = Buffer.from(sql + '\0');
    const head = Buffer.alloc(5);
    head.write('Q', 0);
    head.writeInt32BE(text.length + 4, 1);
    return this.ask(Buffer.concat([head, text]));
  }

  // The first column of the first row.
  async value(sql) {
    const rows = await this.query(sql);
    return rows.length ? rows[0][0] : null;
  }

  async json(sql) {
    const text = await this.value(sql);
    return text === null ? null : JSON.parse(text);
  }

  ask(message) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject, rows: [], error: null });
      this.socket.write(message);
    });
  }

  end() {
    this.socket.removeAllListeners('close');
    this.socket.end(Buffer.from([0x58, 0, 0, 0, 4]));
  }

  // What the server said before it closed the connection says more.
  broke(error) {
    for (const ask of this.waiting.splice(0)) ask.reject(ask.error || error);
  }

  receive(data) {
    this.input = this.input.length ? Buffer.concat([this.input, data]) : data;
    let at = 0;
    while (this.input.length - at >= 5) {
      const length = this.input.readInt32BE(at + 1) + 1;
      if (this.input.length - at < length) break;
      this.message(String.fromCharCode(this.input[at]), this.input.subarray(at + 5, at + length));
      at += length;
    }
    this.input = this.input.subarray(at);
  }

  message(type, body) {
    const ask = this.waiting[0];
    // What the server says unasked, that it is going down for example.
    if (!ask) return;
    if (type === 'T') ask.rows = [];
    else if (type === 'D') ask.rows.push(readRow(body));
    else if (type === 'E') ask.error = new PgError(readFields(body));
    else if (type === 'R' && body.readInt32BE(0) !== 0) {
      ask.error = new Error('the server wants a password');
      this.socket.destroy(ask.error);
    } else if (type === 'Z') {
      this.waiting.shift();
      if (ask.error) ask.reject(ask.error);
      else ask.resolve(ask.rows);
    }
  }
}

function readRow(body) {
  const row = [];
  let at = 2;
  for (let n = body.readInt16BE(0); n > 0; n--) {
    const length = body.readInt32BE(at);
    at += 4;
    row.push(length < 0 ? null : body.toString('utf8', at, at + length));
    at += Math.max(length, 0);
  }
  return row;
}

function readFields(body) {
  const fields = {};
  for (const part of body.toString('utf8').split('\0')) if (part) fields[part[0]] = part.slice(1);
  return fields;
}

// A literal for SQL.
function quote(value) {
  if (value === null || value === undefined) return 'NULL';
  if (typeof value === 'object') return quote(JSON.stringify(value));
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const text = value.replace(/'/g, "''");
  return text.includes('\\') ? ` E'${text.replace(/\\/g, '\\\\')}'` : `'${text}'`;
}

module.exports = { Session, PgError, quote };
