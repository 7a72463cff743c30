// Pictures of employees: where photo_url leads.

import { after, before, test } from 'node:test';
import assert from 'node:assert/strict';
import { ask, sql, stack, token } from './client.mjs';

const png = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), Buffer.from('<script>')]);
const jpeg = Buffer.from('ffd8ffe000104a464946', 'hex');
const feed = (id, content, more = {}) => sql(`SELECT call_center.import('photo', '${JSON.stringify([{ id, content: `\\x${content.toString('hex')}`, ...more }])}')`);
const as = () => token('call_center', 'E7');
const photo = async (id) => (await ask('GET', '/api/v1/employee?per_page=100', { as: as() })).json.data.find((employee) => employee.id === id).photo_url;
const paths = (id) => [`/employee/${id}/photo`, `/api/v1/employee/${id}/photo`];

before(() => stack('fixture', 'call_center'));
after(() => stack('fixture', 'call_center'));

test('where there is no picture, that is said as everything else is', async () => {
  for (const path of [...paths(7), ...paths(999), ...paths('99999999999999999999')]) {
    const answer = await ask('GET', path, { as: as() });
    assert.deepEqual([answer.status, answer.json], [404, { message: 'Not Found' }], path);
  }
});

test('a picture that was fed is where photo_url says', async () => {
  assert.equal(await photo(7), '/employee/7/photo');
  assert.equal(await photo(6), null);
  feed(7, png);
  feed(6, jpeg);
  assert.equal(await photo(6), '/employee/6/photo');
  for (const path of paths(7)) {
    const answer = await ask('GET', path, { as: as() });
    assert.equal(answer.status, 200, answer.text);
    assert.ok(answer.bytes.equals(png));
    assert.deepEqual(['content-type', 'x-content-type-options', 'content-security-policy'].map((name) => answer.headers[name]),
      ['image/png', 'nosniff', "default-src 'none'; sandbox"]);
    assert.deepEqual((({ status, json }) => [status, json])(await ask('GET', path)), [401, { message: 'Unauthenticated.' }]);
    assert.deepEqual((({ status, json }) => [status, json])(await ask('GET', path, { as: token('call_center', 'E7').slice(0, -1) })).slice(0, 1), [401]);
    assert.equal((await ask('DELETE', path, { as: as() })).status, 405);
  }
  assert.equal((await ask('GET', '/employee/6/photo', { as: as() })).headers['content-type'], 'image/jpeg');
});

test('only images are pictures, and who is gone has none', async () => {
  assert.throws(() => feed(7, Buffer.from('<svg/>')), /not an image/);
  assert.throws(() => feed(7, Buffer.concat([png, Buffer.alloc(2 << 20)])), /photo_content_check/);
  feed(7, png, { deleted: true });
  assert.equal((await ask('GET', '/employee/7/photo', { as: as() })).status, 404);
  sql(`SELECT call_center.import('employee', '[{"id": 6, "deleted": true}]')`);
  assert.equal((await ask('GET', '/employee/6/photo', { as: as() })).status, 404);
  sql(`SELECT call_center.import('employee', '[{"id": 6, "deleted": false}]')`);
});

test('pictures that are elsewhere', async () => {
  sql("SELECT workorder.set_setting('call_center', 'photo_base_url', 'https://img.example.com/staff/')");
  assert.equal(await photo(7), 'https://img.example.com/staff/employee/7/photo');
  sql(`SELECT call_center.import('employee', '[{"id": 7, "photo_url": "https://other.example/mia.png"}]')`);
  assert.equal(await photo(7), 'https://other.example/mia.png');
  sql("SELECT workorder.set_setting('call_center', 'photo_base_url', NULL)");
});
