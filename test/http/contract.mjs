// The contracts as data: each file in vectors/ is a list of vectors, each a list
// of exchanges.  Knows the notation and nothing of HTTP.

import { readFileSync } from 'node:fs';

// The sample of the first description of dispatch, as printed there; the test
// knows its SHA-256.
const printedCredential =
  '7b22757365726e616d65223a22737570657261646d696e222c2270617373776f7264223a22646163663034626366643166' +
  '6561653063323834222c226e6f6e6365223a22363132636462343938353932616434303964383932643630386563363233' +
  '3263222c2261757468546167223a223033666330653830383034393738333162653761323132663963636631386233227d';

export const systems = ['active_job', 'cloud_support', 'afterservice', 'call_center', 'dispatch'];

// How each system writes a time: "@ts" stands for one.
const times = {
  active_job: (value) => /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(value),
  cloud_support: (value) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/.test(value),
  afterservice: (value) => /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(value),
  call_center: (value) => /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(value),
  dispatch: (value) => Number.isInteger(value) && Math.abs(value - Date.now() / 1000) < 86400,
};

// {{"x"*3}} is xxx.
function repeat(text) {
  return text.replace(/\{\{"((?:[^"\\]|\\.)*)"\*(\d+)\}\}/gs, (_, what, n) => what.repeat(Number(n)));
}

// The credentials of vectors/dispatch.md by name, from its tables and the three that
// are described in words.
function readCredentials(text) {
  const found = {};
  for (const [, name, value] of text.matchAll(/^\| ([A-Z0-9]+) \|[^|]*\| `([0-9a-z]+)` \|$/gm)) {
    found[name] = value;
  }
  for (const [, name, value] of text.matchAll(/^\| ([A-Z]+) \| `([0-9a-z]+)` \| \|$/gm)) {
    found[name] = value;
  }
  if (found.C1) {
    found.ODD = found.C1.slice(0, -1);
    found.SAMPLE = printedCredential;
  }
  return found;
}

// The objects that "$X" stands for, each written out in full.
function readObjects(section) {
  const block = section.match(/^Fixture objects:\n+```json\n([\s\S]*?)\n```/m);
  if (!block) {
    return {};
  }
  const objects = JSON.parse(block[1]);
  const expand = (value) => {
    if (typeof value === 'string' && value.startsWith('$') && value in objects) {
      return expand(objects[value]);
    }
    if (Array.isArray(value)) {
      return value.map(expand);
    }
    if (value !== null && typeof value === 'object') {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, expand(inner)]));
    }
    return value;
  };
  return Object.fromEntries(Object.entries(objects).map(([name, value]) => [name, expand(value)]));
}

function header(line) {
  const colon = line.indexOf(':');
  if (colon < 1) {
    throw new Error(`not a header: ${line}`);
  }
  return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
}

// Reads the vectors of one contract.  Throws at the first line that it does not
// understand: a line that is skipped would be a promise nobody keeps.
export function parse(system, text) {
  const section = text;
  const fallback = section.match(/is the JSON body of `([A-Z]+) ([^`]+)`/);
  const credentials = readCredentials(section);
  const objects = readObjects(section);
  const blocks = [...section.matchAll(/^```\n(=== [\s\S]*?)^```$/gm)].map(([, block]) => block);
  const vectors = [];
  let vector;
  let exchange;

  const start = (actor, request) => {
    const [method, target] = request.split(/ (.*)/s);
    exchange = { actor, method, target: encodeTarget(target), headers: [], body: undefined, expect: undefined };
    vector.exchanges.push(exchange);
  };

  blocks.join('\n').split('\n').forEach((line) => {
    let match;
    if (line === '') {
      return;
    }
    if ((match = line.match(/^=== (\S+)(?: actor=(\S+))?(?: (.*))?$/))) {
      vector = { id: match[1], actor: match[2], title: match[3] ?? '', settings: {}, exchanges: [] };
      for (const [, name, value] of vector.title.matchAll(/(\w+)=(on|off)\b/g)) {
        vector.settings[name] = value === 'on';
      }
      vectors.push(vector);
      exchange = undefined;
    } else if ((match = line.match(/^(?:@(\S+))?> ([A-Z]+ \S+)$/))) {
      start(match[1] ?? vector.actor, match[2]);
    } else if (line.startsWith('h> ')) {
      exchange.headers.push(header(line.slice(3)));
    } else if (line.startsWith('b> ')) {
      if (!exchange || exchange.expect || exchange.body !== undefined) {
        if (!fallback) {
          throw new Error(`${system} ${vector.id}: a body without a request: ${line}`);
        }
        start(vector.actor, `${fallback[1]} ${fallback[2]}`);
      }
      exchange.body = repeat(line.slice(3)).replace(/"%([A-Z0-9]+)"/g, (_, name) => {
        if (!(name in credentials)) {
          throw new Error(`${system} ${vector.id}: unknown credential ${name}`);
        }
        return JSON.stringify(credentials[name]);
      });
    } else if ((match = line.match(/^<(~?) (\d{3})$/))) {
      exchange.expect = { status: Number(match[2]), exact: match[1] === '', headers: [], json: '' };
    } else if (line.startsWith('h< ')) {
      exchange.expect.headers.push(header(line.slice(3)));
    } else if (exchange?.expect) {
      exchange.expect.json += `${line}\n`;
    } else {
      throw new Error(`${system}: not understood: ${line}`);
    }
  });

  for (const { id, exchanges } of vectors) {
    for (const { expect, method, target } of exchanges) {
      if (!expect) {
        throw new Error(`${system} ${id}: ${method} ${target} expects nothing`);
      }
      if (expect.json) {
        expect.body = resolve(JSON.parse(repeat(expect.json)), objects);
      }
    }
  }
  return { system, vectors, objects, credentials };
}

function resolve(value, objects) {
  if (typeof value === 'string' && value in objects) {
    return objects[value];
  }
  if (Array.isArray(value)) {
    return value.map((item) => resolve(item, objects));
  }
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolve(inner, objects)]));
  }
  return value;
}

// A repetition in a target is percent-encoded; the rest is sent as it is written.
function encodeTarget(target) {
  return target.replace(/\{\{"((?:[^"\\]|\\.)*)"\*(\d+)\}\}/g, (_, what, n) => encodeURIComponent(what).repeat(Number(n)));
}

export function load(system) {
  return parse(system, readFileSync(new URL(`./vectors/${system}.md`, import.meta.url), 'utf8'));
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

// Says how a value differs from what is expected, or nothing.  exact: an object
// has these keys and no other.  memory holds what "@=name" has captured.
export function difference(system, expected, actual, exact, memory, path = '$') {
  const differs = (why) => `${path}: ${why}`;
  const show = (value) => JSON.stringify(value)?.slice(0, 200);
  if (typeof expected === 'string' && expected.startsWith('@')) {
    const fits = {
      '@any': actual !== undefined,
      '@int': Number.isInteger(actual),
      '@str': typeof actual === 'string' && actual !== '',
      '@ts': times[system](actual),
      '@uuid': uuid.test(actual),
    };
    if (expected.startsWith('@=')) {
      if (!(expected in memory) && typeof actual === 'string') {
        memory[expected] = actual;
      }
      return actual === memory[expected] ? undefined : differs(`is ${show(actual)}, was ${show(memory[expected])}`);
    }
    if (expected in fits) {
      return fits[expected] ? undefined : differs(`is ${show(actual)}, should be ${expected}`);
    }
  }
  if (Array.isArray(expected)) {
    if (!Array.isArray(actual)) {
      return differs(`is ${show(actual)}, should be a list`);
    }
    if (actual.length !== expected.length) {
      return differs(`has ${actual.length} items, should have ${expected.length}: ${show(actual)}`);
    }
    for (let i = 0; i < expected.length; i++) {
      const found = difference(system, expected[i], actual[i], exact, memory, `${path}[${i}]`);
      if (found) {
        return found;
      }
    }
    return undefined;
  }
  if (expected !== null && typeof expected === 'object') {
    if (actual === null || typeof actual !== 'object' || Array.isArray(actual)) {
      return differs(`is ${show(actual)}, should be an object`);
    }
    for (const key of Object.keys(expected)) {
      if (!Object.hasOwn(actual, key)) {
        return differs(`has no ${key}`);
      }
      const found = difference(system, expected[key], actual[key], exact, memory, `${path}.${key}`);
      if (found) {
        return found;
      }
    }
    const extra = exact ? Object.keys(actual).filter((key) => !Object.hasOwn(expected, key)) : [];
    return extra.length ? differs(`has ${extra.join(', ')}, too`) : undefined;
  }
  if (expected === actual) {
    return undefined;
  }
  // A link may be absolute: path and query are what counts.
  if (typeof expected === 'string' && expected.startsWith('/') && typeof actual === 'string' && /^https?:/.test(actual)) {
    const { pathname, search } = new URL(actual);
    if (pathname + search === expected) {
      return undefined;
    }
  }
  return differs(`is ${show(actual)}, should be ${show(expected)}`);
}

// What a client may read in a header, whatever order a list has in it.  HEAD
// comes with GET, and OPTIONS is answered everywhere.
export function sameHeader(name, expected, actual) {
  if (actual === undefined) {
    return false;
  }
  if (name.toLowerCase() !== 'allow') {
    return actual === expected;
  }
  const list = (value) =>
    value.split(',').map((item) => item.trim()).filter((item) => item !== 'HEAD' && item !== 'OPTIONS').sort().join();
  return list(actual) === list(expected);
}
