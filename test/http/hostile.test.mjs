// 2,000 requests that want the server's memory or its time, by strangers and by
// people who are signed in: numbers, depth, width, long names and searches,
// huge ranges, regular expressions that never end.  No server process and not
// PostgREST takes 200 MB of its own meanwhile, and somebody honest is served.
//
//   WORKORDER_HOSTILE   how many requests (2,000)
//   WORKORDER_SEED      which ones

import { before, test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { ask, send, sql, stack, token } from './client.mjs';

const requests = Number(process.env.WORKORDER_HOSTILE ?? 2000);
const seed = Number(process.env.WORKORDER_SEED ?? Date.now() % 2 ** 31);
const attackers = 8;
const megabytes = 200;

before(() => {
  for (const system of ['afterservice', 'dispatch']) {
    stack('fixture', system);
  }
});

// kB that a process has for itself alone, by a line of its status; 0 if it is gone.
function memory(pid) {
  try {
    return Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

// The stack's PostgREST is the one whose socket is in the same directory as the
// cluster's: it works in <place>/web, the server in <place>/cluster/data.
function postgrest() {
  const place = sql('SHOW data_directory').replace(/\/cluster\/data$/, '');
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (readlinkSync(`/proc/${pid}/cwd`) === `${place}/web` && readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('postgrest')) {
        return Number(pid);
      }
    } catch {
      // it has ended, or is somebody else's
    }
  }
  return undefined;
}

// Server processes of the gateway, whoever they serve.
function backends(server) {
  return readdirSync(`/proc/${server}/task/${server}`).includes('children')
    ? readFileSync(`/proc/${server}/task/${server}/children`, 'utf8').trim().split(' ').filter((pid) => pid !== '')
    : [];
}

function random(start) {
  let state = start >>> 0;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  return { below: (n) => Math.floor(next() * n), one: (list) => list[Math.floor(next() * list.length)] };
}

const bomb = (n) => `[${Array(n).fill('1e131071').join()}]`;
const deep = (n) => '['.repeat(n);
const wide = (n) => `[${Array(n).fill('0').join()}]`;
const keys = (n) => `{${Array.from({ length: n }, (_, i) => `"k${i}":1`).join()}}`;
const json = [['Content-Type', 'application/json']];

// Each kind makes a request of a number and somebody's token, if any.
const kinds = {
  'numbers, credential': (n) => ['POST', '/api/ticket', `{"action":"list","credential":${bomb(n(7000))}}`],
  'numbers, order': (n) => ['POST', '/api/v1/afterservice/orders', `{"type":${bomb(n(7000))},"remark":1e131071}`],
  'numbers, act': (n) => ['POST', '/rest/rpc/act', `{"relation":"dispatch_ticket","id":1,"action":"update","changes":{"content":${bomb(n(6000))}}}`],
  'numbers, can': (n) => ['POST', '/rest/rpc/can', `{"relation":"orders","id":1,"action":"done","changes":{"remark":${bomb(n(6000))}}}`],
  'numbers, images': (n) => ['PATCH', '/rest/dispatch_ticket?creator_id=gt.0', `{"images":[${bomb(n(6000))}]}`],
  'numbers, image': (n) => ['POST', '/rest/dispatch_ticket', `{"content":"x","images":["http://a/b",${n(10)}e131000]}`],
  'depth, sign in': (n) => ['POST', '/rest/rpc/sign_in', deep(n(1000000))],
  'depth, act': (n) => ['POST', '/rest/rpc/act', deep(n(70000))],
  'depth, table': (n) => ['POST', '/rest/dispatch_ticket', deep(n(1000000))],
  'depth, api': (n) => ['POST', '/api/v1/afterservice/orders', deep(n(1000000))],
  'width, table': (n) => ['POST', '/rest/dispatch_ticket', wide(n(500000))],
  'width, objects': (n) => ['POST', '/rest/dispatch_ticket', `[${Array(n(300000)).fill('{}').join()}]`],
  'width, api': (n) => ['POST', '/api/ticket', `{"action":"list","a":${wide(n(500000))}}`],
  'width, large api': (n) => ['POST', '/api/ticket', `{"action":"list","a":${wide(n(3000000))}}`],
  'keys, act': (n) => ['POST', '/rest/rpc/act', keys(n(5000))],
  'keys, sign in': (n) => ['POST', '/rest/rpc/sign_in', keys(n(700))],
  'keys, table': (n) => ['POST', '/rest/orders', keys(n(50000))],
  'keys, address': (n) => ['GET', `/rest/rpc/actions?${Array.from({ length: n(1200) }, (_, i) => `k${i}=1`).join('&')}`],
  'name, function': (n) => ['POST', `/rest/rpc/${'x'.repeat(n(8000))}`, '{}'],
  'name, column': (n) => ['GET', `/rest/orders?select=${'x'.repeat(n(8000))}(y)`],
  'cast': (n) => ['GET', `/rest/dispatch_ticket?select=${Array.from({ length: n(300) }, (_, i) => `c${i}:content::jsonb`).join()}`],
  'regex': (n) => ['GET', `/rest/dispatch_ticket?select=id&content=match.${encodeURIComponent('^(a+)(a+)(a+)\\1\\2\\3b?c?c$')}&id=gt.${n(3)}`],
  'regex, hidden': (n) => ['GET', `/rest/dispatch_ticket?select=id&content=%6datch.${encodeURIComponent('^(a+)(a+)(a+)\\1\\2\\3b?c?c$')}&id=gt.${n(3)}`],
  'search': (n) => ['GET', `/rest/dispatch_ticket?select=id&content=ilike.${'*a_'.repeat(n(2000))}*`],
  'search, api': (n) => ['GET', `/api/v1/afterservice/supplier_user_matcher?key_word=${'a%25'.repeat(n(2000))}`],
  'range': (n) => ['GET', `/rest/dispatch_ticket?select=*&offset=${n(2000000000)}&limit=2000000000&order=content.desc,id`],
  'range, api': (n) => ['GET', `/api/v1/afterservice/orders?page=${n(2000000000)}&per_page=2000000000`],
  'many in': (n) => ['GET', `/rest/dispatch_ticket?id=in.(${Array.from({ length: n(2500) }, (_, i) => i).join()})`],
  'form': (n) => ['POST', '/api/v1/ticket', Array.from({ length: n(100000) }, (_, i) => `f${i}=x`).join('&'), 'application/x-www-form-urlencoded'],
  'parts': (n) => ['POST', '/api/ticket', `${'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'.repeat(n(20000))}--b--`, 'multipart/form-data; boundary=b'],
};

test(`nobody stops it (WORKORDER_SEED=${seed})`, async (t) => {
  const dice = random(seed);
  const people = [undefined, token('dispatch', 'cust1'), token('dispatch', 'cust2'), token('afterservice', 'CR')];
  const honest = token('afterservice', 'SV');
  const gateway = postgrest();
  assert.ok(gateway, 'the stack runs its PostgREST');
  const server = readFileSync(`${sql('SHOW data_directory')}/postmaster.pid`, 'utf8').split('\n')[0];
  // what a regular expression takes long for
  sql(`INSERT INTO dispatch.ticket (content, creator_id, flow_id, state, revision, created_at, entered_at, updated_at)
    SELECT repeat('a', 9000) || 'c', p.actor_id, f.id, 'open.new', 0, now(), now(), now()
    FROM dispatch.person p, workorder.flow f WHERE p.userid IN (1001, 1002) AND f.name = 'dispatch' AND f.life = 'published'`);

  let largest = { kB: 0 };
  let most = { kB: 0 };
  let now = '';
  const look = () => {
    for (const pid of backends(server)) {
      const kB = memory(pid);
      largest = kB > largest.kB ? { kB, now } : largest;
    }
    const kB = memory(gateway);
    most = kB > most.kB ? { kB, now } : most;
  };
  const sampler = setInterval(look, 50);

  const serve = async () => {
    const started = performance.now();
    const answer = await ask('GET', '/api/v1/afterservice/orders?page=1&per_page=10', { as: honest });
    assert.equal(answer.status, 200, answer.text);
    return performance.now() - started;
  };
  const quiet = [];
  for (let i = 0; i < 20; i++) {
    quiet.push(await serve());
  }
  const middle = (list) => list.sort((a, b) => a - b)[list.length >> 1];

  let left = requests;
  const statuses = new Map();
  const names = Object.keys(kinds);
  const attacker = async () => {
    while (left > 0) {
      left -= 1;
      // those that wait for a statement to end are few, or the test would never end
      let kind = dice.one(names);
      if (kind.startsWith('regex') && dice.below(8) > 0) {
        kind = dice.one(names.filter((name) => !name.startsWith('regex')));
      }
      const [method, target, body, type] = kinds[kind]((most) => 1 + Math.floor(most * dice.one([0.01, 0.2, 0.9, 1])) - 1 || 1);
      const as = dice.one(people);
      now = `${kind}, ${body?.length ?? target.length} bytes`;
      const headers = [...(as ? [['Authorization', `Bearer ${as}`]] : []), ...(type ? [['Content-Type', type]] : body === undefined ? [] : json)];
      const status = await send({ method, target, headers, body, timeout: 120000 }).then((answer) => answer.status, (error) => error.code ?? error.message);
      statuses.set(`${kind} ${status}`, (statuses.get(`${kind} ${status}`) ?? 0) + 1);
    }
  };
  const served = [];
  const client = async () => {
    while (left > 0) {
      served.push(await serve());
      await new Promise((done) => setTimeout(done, 50));
    }
  };
  await Promise.all([client(), ...Array.from({ length: attackers }, attacker)]);
  clearInterval(sampler);
  look();

  const slow = served.filter((ms) => ms > 2000).length;
  t.diagnostic(`largest server process ${largest.kB >> 10} MB (${largest.now}), PostgREST ${most.kB >> 10} MB (${most.now})`);
  t.diagnostic(`served ${served.length}, median ${Math.round(middle(served))} ms (${Math.round(middle(quiet))} when quiet), ${slow} in more than 2 s`);
  t.diagnostic([...statuses].sort().map(([key, n]) => `${key}: ${n}`).join('; '));
  await t.test('no server process takes much', () => assert.ok(largest.kB < megabytes * 1024, `${largest.kB} kB, ${largest.now}`));
  await t.test('nor does PostgREST', () => assert.ok(most.kB < megabytes * 1024, `${most.kB} kB, ${most.now}`));
  await t.test('nothing is broken', () => assert.deepEqual([...statuses.keys()].filter((key) => / (502|E[A-Z]+)$/.test(key) && !/depth|width|keys|parts|form/.test(key)), []));
  await t.test('somebody honest is served', () => {
    assert.ok(served.length >= 20, `${served.length}`);
    // (a busy machine is slow for everybody)
    assert.ok(middle(served) < Math.max(2000, 20 * middle(quiet)), `${middle(served)} ms`);
    assert.ok(slow <= served.length / 20, `${slow} of ${served.length}`);
  });
});
