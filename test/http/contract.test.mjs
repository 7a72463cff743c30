// Every contract (vectors/) can be read, and every system that is installed
// keeps its own, exchange by exchange, over HTTP.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { difference, load, sameHeader, systems } from './contract.mjs';
import { ask, root, sql, stack, token } from './client.mjs';

const sizes = {
  active_job: [29, 92],
  cloud_support: [21, 71],
  afterservice: [34, 101],
  call_center: [25, 76],
  dispatch: [29, 133],
};

async function run(system, vector) {
  stack('fixture', system);
  for (const [name, value] of Object.entries(vector.settings)) {
    sql(`SELECT ${system}.${name}(${value});`);
  }
  const memory = {};
  try {
    for (const [i, exchange] of vector.exchanges.entries()) {
      const { actor, method, target, headers, expect } = exchange;
      const body = exchange.body?.replace(/"(@=\w+)"/g, (all, name) => (name in memory ? JSON.stringify(memory[name]) : all));
      const answer = await ask(method, target, {
        as: actor === undefined || actor === 'anon' ? undefined : token(system, actor),
        headers,
        body,
      });
      const say = (why) =>
        `exchange ${i + 1}, ${actor ?? 'nobody'}: ${method} ${target.slice(0, 200)}\n${(body ?? '').slice(0, 300)}\n` +
        `${why}\nanswer: ${answer.status} ${answer.text.slice(0, 600)}`;
      assert.equal(answer.status, expect.status, say(`status ${answer.status}, should be ${expect.status}`));
      for (const [name, value] of expect.headers) {
        const actual = answer.headers[name.toLowerCase()];
        assert.ok(sameHeader(name, value, actual), say(`${name} is ${actual}, should be ${value}`));
      }
      if (expect.body === undefined) {
        assert.ok(!expect.exact || answer.text === '', say('the body should be empty'));
        continue;
      }
      assert.match(answer.headers['content-type'] ?? '', /^application\/json(; charset=utf-8)?$/, say('not JSON'));
      assert.ok(answer.json !== undefined, say('not JSON'));
      const found = difference(system, expect.body, answer.json, expect.exact, memory);
      assert.equal(found, undefined, say(found));
    }
  } finally {
    for (const name of Object.keys(vector.settings)) {
      sql(`SELECT ${system}.${name}(false);`);
    }
  }
}

for (const system of systems) {
  test(`${system}: the contract can be read`, () => {
    const { vectors, credentials } = load(system);
    assert.deepEqual([vectors.length, vectors.reduce((n, { exchanges }) => n + exchanges.length, 0)], sizes[system]);
    if (system === 'dispatch') {
      assert.equal(Object.keys(credentials).length, 18);
      assert.equal(
        createHash('sha256').update(credentials.SAMPLE).digest('hex'),
        'fbdb12237c7a5ccac172a0506058d7d07305026380eeeed9bbb8969dfc092823',
      );
    }
  });
  // A system is there once its sample data is.
  if (existsSync(`${root}test/fixtures/${system}.sql`)) {
    for (const vector of load(system).vectors) {
      test(`${system} ${vector.id} ${vector.title}`.trim(), () => run(system, vector));
    }
  }
}

test('the comparison notices what it should', () => {
  const differs = (expected, actual, exact) => difference('afterservice', expected, actual, exact, {}) !== undefined;
  assert.ok(differs({ a: 1 }, { a: 1, b: 2 }, true));
  assert.ok(!differs({ a: 1 }, { a: 1, b: 2 }, false));
  assert.ok(differs([{ a: 1 }], [{ a: 1 }, { a: 1 }], false));
  assert.ok(differs({ a: null }, {}, false));
  assert.ok(differs({ a: '@ts' }, { a: '2018-01-01' }, false));
  assert.ok(!differs({ a: '@ts' }, { a: '2018-01-01 00:00:00' }, true));
  assert.ok(differs({ a: '@int' }, { a: '1' }, true));
  assert.ok(differs({ a: '@any' }, {}, false));
  assert.ok(differs('1', 1, true));
  assert.ok(differs([], {}, true));
  assert.ok(!sameHeader('X', '1', undefined));
  assert.ok(sameHeader('Allow', 'PUT, GET', 'GET, HEAD, PUT'));
  assert.ok(!sameHeader('Allow', 'PUT', 'GET, HEAD, PUT'));
});
