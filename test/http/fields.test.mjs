// Every field that a client may send in a body, of every route of the five
// APIs, with a family of odd values.  What is right is said once, below, by the
// kind of the field; what an API says of it, by the wording of its contract.
// A value is taken (200) or refused in these words, and never cut short.

import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { ask, stack, token } from './client.mjs';
import { load } from './contract.mjs';

const agent = new Agent({ keepAlive: true, maxSockets: 4 });
after(() => agent.destroy());

// --- odd values, as they stand in JSON -----------------------------------------

const values = [
  // Lists and objects, with a good value in them too.
  '[]', '{}', '[1]', '["1"]', '[1,2]', '["x","y"]', '[[1]]', '[null]', '{"a":1}', '{"0":1}',
  'true', 'false', 'null',
  // One number in several spellings; numbers that are not whole, or far away.
  '1', '1.0', '1e0', '10e-1', '100E-2', '"1"', '"1.0"', '"1e0"', '" 1"', '"+1"', '"0x1"', '1.5', '0.9999999999', '1e-1',
  '0', '-0', '-1', '2147483648', '9223372036854775808', '1e30', '1e300', '-1e300', '"99999999999999999999"',
  // Blank, and what only looks so.
  '""', '" "', '"\\t\\n"', '"\\u00a0"', '"\\u1680"', '"\\u2003"', '"\\u200b"', '"\\u2060"', '"\\u3000"', '"\\ufeff"', '"\\u200b\\u3000 "',
  '"\\u200bx"', '"\\u00ad"', '"\\u2800"',
  '"x"', '"<b>"', '"\'; DROP TABLE x; --"', '"\\ud83d\\ude00"', '"none of these"', '"true"', '"null"',
  '"9999-12-31T23:59:59-12:00"', '"0001-01-01T00:00:00+14:00"', '"9999-12-31 23:59:59"', '"2024-02-30"', '"2024-02-29T12:00:00Z"', '"infinity"',
  JSON.stringify('x'.repeat(70000)),
];

// --- what is right: one rule a kind ----------------------------------------------
// Each takes what JSON.parse made of the value, its text (in which 1.0 is not 1)
// and the field; undefined if the value is taken, else the rule that it breaks.

// White space and what shows nothing at all.
const blank = (value) => typeof value === 'string' && /^[\s\u0085\u200b\u2060]*$/u.test(value);
const whole = (value) => typeof value === 'number' && Number.isInteger(value);
const digits = (value) => typeof value === 'string' && /^-?[0-9]{1,40}$/.test(value);
const size = (value) => [...value].length;

const kinds = {
  text: (value, { max, one }) =>
    typeof value !== 'string' ? 'text' : size(value) > (max ?? Infinity) ? 'max' : one && !one.includes(value) ? 'choice' : undefined,
  int: (value, { min = -Infinity, top = Infinity, one }) => {
    if (!whole(value) && !digits(value)) {
      return 'int';
    }
    const number = Number(value);
    return number < min || number > top || (one && !one.includes(number)) ? 'choice' : undefined;
  },
  flag: (value) => ([true, false, 0, 1, '0', '1', 'true', 'false'].some((known) => Object.is(known, value) || known === value) ? undefined : 'flag'),
  money: (value) => {
    const number = typeof value === 'string' && /^[0-9]{1,20}(\.[0-9]{1,20})?$/.test(value) ? Number(value) : value;
    return typeof number === 'number' && number >= 0 && number < 1e12 && Math.abs(number * 100 - Math.round(number * 100)) < 1e-9 ? undefined : 'money';
  },
  time: (value) => {
    const parts = typeof value === 'string' && /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?)(Z|[+-]\d\d:?\d\d)?)?$/.exec(value);
    const at = parts ? Date.parse(`${parts[1]}T${parts[2] ?? '00:00:00'}${parts[3] ?? 'Z'}`) : NaN;
    const shown = at + (parts && parts[3] ? 8 * 3600000 : 0); // the APIs' zones are eight hours ahead
    const real = parts && new Date(Date.parse(`${parts[1]}T00:00:00Z`) || 0).toISOString().startsWith(parts[1]);
    return real && shown >= Date.parse('0001-01-01T00:00:00Z') && shown <= Date.parse('9999-12-31T23:59:59Z') ? undefined : 'time';
  },
  day: (value) => (typeof value === 'string' && /^[0-9-]{10}( [0-9:]{8})?$/.test(value) ? kinds.time(value) : 'time'),
  object: (value) => (value !== null && typeof value === 'object' && !Array.isArray(value) ? undefined : 'object'),
  list: (value) => (Array.isArray(value) ? undefined : 'list'),
};

// The rule that a value breaks in a field, undefined if it is taken.
function judge(value, field) {
  if (value === null || (blank(value) && field.blank !== 'value')) {
    const verdict = value === null ? field.null : field.blank;
    if (verdict !== undefined) {
      return verdict === 'taken' ? undefined : verdict;
    }
    return field.required ? 'required' : field.kind === 'text' && value !== null ? kinds.text(value, field) : undefined;
  }
  return field.judge ? field.judge(value) : kinds[field.kind](value, field);
}

// --- the five APIs ------------------------------------------------------------------
// said: what the contract says of a rule that a field breaks: status and body.
// fields: of each route, with a body that is taken without the field in question.

const credentials = load('dispatch').credentials;
const label = (name) => name.replaceAll('_', ' ');

const text = (name, max, more = {}) => ({ name, kind: 'text', max, ...more });
const int = (name, more = {}) => ({ name, kind: 'int', ...more });
const known = (name, ...ids) => int(name, { one: ids });
// Null and blank mean: not given, and what is not given stays.
const given = { required: true };
const range = { min: 0, top: 3 };

const ticket = (update) => [
  text('subject', 255, given),
  text('content', 65535, given),
  { name: 'due_at', kind: 'time' },
  int('priority', { ...range, ...(update ? { null: 'int' } : {}) }),
  int('status', { ...range, ...(update ? { null: 'int' } : {}) }),
  text('status_memo', 1000),
  known('sponsor_id', 1),
  known('handler_id', 6, 7, 15, 17),
  known('termination_code_id', 1, 2, 3, 4, 5, 6, 7, 8),
  known('sub_category_id', 23, 24, 26, 27),
  known('contact_id', 2),
];

const apis = {
  active_job: {
    actor: 'W1',
    said: (rule, name) => [400, { code: 400, message: `${rule === 'required' ? 'missing' : 'invalid'} parameter: ${name}`, data: {} }],
    routes: [
      {
        method: 'PUT', target: '/active-job/contact/1000001', body: { contact_status: 3 },
        fields: [
          int('contact_status', { one: [1, 2, 3], ...given }),
          text('contact_status_reason', 200),
          text('contact_status_remark', 1000),
        ],
      },
      {
        method: 'POST', target: '/active-job/shipping/1000001', body: {},
        fields: [{ name: 'worker_id', required: true, null: 'int', judge: (value) => ([2, 3, 10].some((id) => id === value || String(id) === value) ? undefined : 'int') }],
      },
      {
        method: 'POST', target: '/active-job/retrieve/1000001', body: {},
        fields: [
          {
            name: 'retrieve_info', required: true, null: 'int',
            judge: (value) => (typeof value === 'string' ? kinds.text(value, { max: 4000 }) : kinds.object(value)),
          },
          { name: 'retrieve_info.type', said: 'retrieve_info', null: 'int', blank: 'int', judge: (value) => (value === 1 ? undefined : 'int') },
        ],
      },
    ],
  },

  cloud_support: {
    actor: 'U3',
    said: (rule, name, { max } = {}) => [400, {
      meta: {
        message: `${name}: ${{
          required: 'this field is required', text: 'not a valid string', int: 'not a valid integer', flag: 'not a valid boolean', url: 'not a valid url',
          choice: 'not a valid choice', object: 'not a valid dict', list: 'not a valid list', email: 'not a valid email', max: `too long (max ${max})`,
        }[rule]}`,
        code: 400,
      },
      data: {},
    }],
    routes: [
      {
        method: 'POST', target: '/v3_1/workorder/workorder/', body: { support: 1, type: 'module', question: 'q', module: 'm', amount: 1 },
        fields: [
          { name: 'support', kind: 'flag', ...given },
          { name: 'type', ...given, judge: (value) => (['sys', 'licences', 'module', 'tech', 'test'].includes(value) ? undefined : 'choice') },
          text('question', 5000, given),
          text('module', 100, given),
          int('amount', { ...given, judge: (value) => kinds.int(value, {}) ?? (kinds.int(value, { min: 1, top: 1000000 }) && 'int') }),
          text('company', 200), text('contact', 200), text('location', 200), text('address', 500),
          text('cellphone', 32, { judge: (value) => kinds.text(value, { max: 32 }) ?? (/^[0-9 +()-]*$/.test(value) ? undefined : 'text') }),
          text('email', 254, { judge: (value) => kinds.text(value, { max: 254 }) ?? (/^[^@\s]+@[^@\s]+$/.test(value) ? undefined : 'email') }),
        ],
      },
      {
        method: 'POST', target: '/v3_1/workorder/workorder_detail/', body: { workorder_id: 1, detail: { text: 't' } },
        fields: [
          int('workorder_id', { ...given, one: [1, 2, 3, 4], unknown: [404, { meta: { message: 'workorder not found', code: 404 }, data: {} }] }),
          { name: 'detail', ...given, judge: (value) => kinds.object(value) ?? 'detail.text required' },
          text('detail.text', 5000, given),
          {
            name: 'detail.image',
            judge: (value) => kinds.list(value) ?? (value.length === 0 ? undefined : 'url'),
          },
        ],
      },
      {
        method: 'POST', target: '/v3_1/workorder/workorder_status/', body: { workorder_id: 2, status: 2 },
        fields: [
          int('workorder_id', { ...given, one: [1, 2, 3, 4], unknown: [404, { meta: { message: 'workorder not found', code: 404 }, data: {} }] }),
          int('status', { ...given, one: [0, 1, 2] }),
        ],
      },
    ],
  },

  afterservice: {
    actor: 'CR',
    said: (rule, name) => [400, { status: 400, message: `${rule === 'required' ? 'missing field' : 'invalid value'}: ${name}`, data: [] }],
    routes: [
      {
        method: 'POST', target: '/api/v1/afterservice/orders',
        body: { type: 't', customer_name: 'c', accuser_name: 'a', creator_name: '张三', reason: '漏发', remark: 'r' },
        fields: [
          text('type', 50, given), text('customer_name', 200, given), text('accuser_name', 200, given),
          text('reason', 200, { ...given, one: ['尺寸不符', '表面划伤', '漏发'] }), text('remark', 2000, given),
          { name: 'creator_name', ...given, unknown: [403, { status: 403, message: 'permission denied', data: [] }], judge: () => 'choice' },
        ],
      },
      {
        method: 'PUT', target: '/api/v1/afterservice/orders/1', body: {},
        fields: [
          text('type', 50, { ...given, null: 'required' }), text('customer_name', 200, given), text('accuser_name', 200, given),
          text('reason', 200, { ...given, one: ['尺寸不符', '表面划伤', '漏发'] }), text('remark', 2000, given),
          { name: 'saler', null: 'taken', blank: 'value', judge: () => 'choice' },
          { name: 'operator_name', null: 'taken', blank: 'value', unknown: [403, { status: 403, message: 'permission denied', data: [] }], judge: () => 'choice' },
          { name: 'tracks', null: 'list', blank: 'list', judge: (value) => kinds.list(value) ?? (value.length ? 'tracks[0] text' : undefined) },
          text('tracks.0.remark', 2000, { said: 'tracks[0].remark', ...given }),
          { name: 'deductions', null: 'list', blank: 'list', judge: (value) => kinds.list(value) ?? (value.length ? 'deductions[0] text' : undefined) },
          { name: 'deductions.0.compensation', said: 'deductions[0].compensation', kind: 'money', ...given },
          { name: 'deductions.0.has_receipt', said: 'deductions[0].has_receipt', kind: 'flag', blank: 'flag' },
          text('deductions.0.remark', 2000, { said: 'deductions[0].remark' }),
        ],
      },
      {
        method: 'POST', target: '/api/v1/afterservice/orders/1/abnormal-products', body: { skuCode: 's' },
        fields: [text('skuCode', 64, given), text('remark', 500)],
      },
      {
        method: 'PUT', target: '/api/v1/afterservice/orders/1/duty-report', body: {},
        fields: [
          ...['abnormal_type', 'abnormal_reason', 'publishment', 'publish_to', 'duty_to'].map((name) => text(name, 200)),
          { name: 'compensation', kind: 'money', blank: 'money' },
          { name: 'duty_date', kind: 'day', blank: 'time' },
        ],
      },
    ],
  },

  call_center: {
    actor: 'E7',
    said: (rule, name, { max } = {}) => [422, {
      message: 'The given data was invalid.',
      errors: {
        [name]: [{
          required: `The ${label(name)} field is required.`, text: `The ${label(name)} must be a string.`, int: `The ${label(name)} must be an integer.`,
          time: `The ${label(name)} is not a valid date.`, choice: `The selected ${label(name)} is invalid.`,
          max: `The ${label(name)} may not be greater than ${max} characters.`,
        }[rule]],
      },
    }],
    routes: [
      { method: 'POST', target: '/api/v1/ticket', body: { subject: 's', content: 'c' }, fields: ticket(false) },
      { method: 'PUT', target: '/api/v1/ticket/67', body: {}, fields: ticket(true) },
    ],
  },

  dispatch: {
    said: (rule, name) => [400, { code: 400, message: `${rule === 'required' ? 'missing' : 'invalid'} ${name}` }],
    routes: [
      {
        body: { action: 'create-ticket', credential: credentials.C1, content: 'c' },
        fields: [
          text('content', 10000, given),
          { name: 'status', judge: (value) => (value === 1 || value === '1' ? undefined : 'choice') },
          { name: 'images', blank: 'choice', judge: (value) => (Array.isArray(value) && value.length === 0 ? undefined : 'choice') },
        ],
      },
      {
        body: { action: 'edit-ticket', credential: credentials.C1, uuid: 't1' },
        fields: [
          text('uuid', undefined, { ...given, unknown: [404, { code: 404, message: 'ticket not found' }], judge: (value) => (typeof value === 'string' ? 'unknown' : 'text') }),
          text('content', 10000), // blank is taken, for there are images
        ],
      },
      {
        body: { action: 'list', credential: credentials.C1 },
        fields: [
          { name: 'operator', blank: 'choice', judge: (value) => (value === 1 || value === '1' ? undefined : value === 2 || value === '2' || value === 3 || value === '3' ? 'denied' : 'choice') },
          {
            name: 'status', blank: 'choice',
            judge: (value) => (whole(value) || (typeof value === 'string' && /^[0-9]$/.test(value)) ? (Number(value) >= 0 && Number(value) <= 8 ? undefined : 'choice') : 'choice'),
          },
        ],
      },
      {
        body: { action: 'ticket-reply-create', credential: credentials.C1, uuid: 't1', reply: { content: 'c' } },
        fields: [
          { name: 'reply', ...given, judge: (value) => kinds.object(value) ?? 'reply.content required' },
          text('reply.content', 10000, given),
          int('reply.userid', { one: [1001], unknown: [403, { code: 403, message: 'You are not allowed to check this ticket' }] }),
        ],
      },
    ],
  },
};

// A body in which a field, named with dots, has a value that is JSON text.
function put(body, path, json) {
  const copy = structuredClone(body);
  const names = path.split('.');
  let place = copy;
  names.slice(0, -1).forEach((name, i) => {
    place[name] ??= names[i + 1] === '0' ? [{ compensation: 1, remark: 'r' }] : {};
    place = place[name];
  });
  place[names.at(-1)] = '@value@';
  return JSON.stringify(copy).replace('"@value@"', () => json);
}

for (const [system, api] of Object.entries(apis)) {
  for (const { method = 'POST', target = '/api/ticket', body, fields } of api.routes) {
    const route = `${system} ${body.action ?? `${method} ${target}`}`;
    for (const field of fields) {
      test(`${route}: ${field.name}`, async () => {
        stack('fixture', system);
        const as = api.actor && token(system, api.actor);
        for (const json of values) {
          let rule = judge(JSON.parse(json), field);
          let expected;
          if (rule !== undefined) {
            let name = field.said ?? field.name;
            if (rule.includes(' ')) {
              [name, rule] = rule.split(' ');
            }
            expected = (rule === 'choice' || rule === 'unknown') && field.unknown ? field.unknown : api.said(rule, name, field);
            if (rule === 'denied') {
              expected = [403, { code: 403, message: 'You are not allowed to list tickets' }];
            }
          }
          const sent = put(body, field.name, json);
          const answer = await ask(method, target, { as, body: sent, agent });
          const say = `${sent.slice(0, 200)}\nanswer: ${answer.status} ${answer.text.slice(0, 300)}`;
          if (expected === undefined) {
            assert.equal(answer.status, 200, say);
            // These are taken once.
            if (/shipping|retrieve/.test(target)) {
              stack('fixture', system);
            }
          } else {
            assert.deepEqual([answer.status, answer.json], expected, say);
          }
        }
      });
    }
  }
}
