'use strict';
// What a client does all day, one generator for each of the five systems.  Each
// yields a request and is given the JSON of its answer:
//
//   as      login of the person who sends it; none if the body proves who it is
//   method, path, body
//   expect  the status that it must be answered with (200)
//   wrote   of a write, what must be in the database once it is acknowledged:
//           the ticket, by the name that clients know it by (or a function of
//           the answer that tells), how many lines of the journal, and
//           the mark, a text of its own that must be found in exactly one place
//
// Refusals are part of the work: each is one that the API promises.

const { createCipheriv } = require('crypto');

// Texts that are told from all others by their beginning.
function marks(n, { run }) {
  let count = 0;
  return () => `mark:${run}:${n}:${++count}`;
}

// A marketing worker with orders of their own, some of which they hand over.
function* activeJob(n, config) {
  const mark = marks(n, config);
  const { clients, firstOrder, lastOrder } = config;
  const me = `AJ${n}`;
  const other = `AJ${(n + 5) % clients}`;
  const contact = (as, ticket, rest = {}) => {
    const remark = mark();
    const path = `/active-job/contact/${ticket}?contact_status=1&contact_status_reason=r1&contact_status_remark=${encodeURIComponent(remark)}`;
    return { as, method: 'PUT', path, ...(rest.expect ? {} : { wrote: { ticket, lines: 1, mark: remark } }), ...rest };
  };
  for (let i = firstOrder; ; i++) {
    yield { as: me, method: 'GET', path: '/active-job?page=1&page-size=10' };
    yield { as: me, method: 'GET', path: '/active-job/contact-reason' };
    const ticket = `load-${n}-${i}`;
    if (i > lastOrder) continue;
    yield { as: me, method: 'GET', path: `/active-job/${ticket}` };
    yield contact(me, ticket);
    yield contact(other, ticket, { expect: 403 });
    yield { as: me, method: 'PUT', path: `/active-job/contact/${ticket}?contact_status=1&contact_status_reason=r3`, expect: 400 };
    yield contact(me, ticket);
    const { data } = yield { as: me, method: 'GET', path: '/active-job/shipping/worker-list' };
    const { worker_id } = data.workers.find((worker) => worker.worker_name === other);
    yield { as: me, method: 'POST', path: `/active-job/shipping/${ticket}`, body: { worker_id }, wrote: { ticket, lines: 1 } };
    yield { as: me, method: 'GET', path: `/active-job/${ticket}`, expect: 403 };
    yield contact(other, ticket);
    const retrieve_info = mark();
    yield {
      as: other, method: 'POST', path: `/active-job/retrieve/${ticket}`, body: { retrieve_info },
      wrote: { ticket, lines: 1, mark: retrieve_info },
    };
    yield contact(other, ticket, { expect: 409 });
  }
}

// Orders that go through all their approvals, with a step back.
function* afterservice(n, config) {
  const mark = marks(n, config);
  const base = '/api/v1/afterservice';
  const me = `AS${n}`;
  for (;;) {
    const remark = mark();
    const order = {
      type: '外协', customer_name: '华东模具厂', accuser_name: '原告甲', creator_name: me, reason: '漏发', remark,
    };
    const { data } = yield {
      as: me, method: 'POST', path: `${base}/orders`, body: order,
      wrote: { ticket: (answer) => answer.data[0].id, lines: 2, mark: remark },
    };
    const ticket = data[0].id;
    const put = (as, body) => ({ as, method: 'PUT', path: `${base}/orders/${ticket}`, body });
    const step = (as, operation = 'done') => {
      const note = mark();
      return { ...put(as, { operation, remark: note }), wrote: { ticket, lines: 1, mark: note } };
    };
    yield { as: me, method: 'POST', path: `${base}/orders`, body: { ...order, remark: ' ' }, expect: 400 };
    yield { as: me, method: 'GET', path: `${base}/orders?status=waiting&per_page=10` };
    const text = mark();
    yield { ...put(me, { tracks: [{ remark: 'x' }], accuser_name: text }), wrote: { ticket, lines: 1, mark: text } };
    yield {
      as: me, method: 'POST', path: `${base}/orders/${ticket}/abnormal-products`, body: { skuCode: 'M-001', remark: '划伤' },
      wrote: { ticket, lines: 1 },
    };
    yield { ...put('FI', { operation: 'done' }), expect: 403 };
    yield step(me);
    yield step('SV');
    yield step('SV', 'reject');
    yield step('SV');
    yield { as: 'SV', method: 'PUT', path: `${base}/orders/${ticket}/duty-report`, body: { abnormal_type: '质量', compensation: 12.5 }, wrote: { ticket, lines: 1 } };
    yield step('SV');
    yield step('MG');
    yield { as: me, method: 'GET', path: `${base}/orders/${ticket}/journals` };
    yield { ...put(me, { operation: 'done' }), expect: 403 };
    yield step('MG');
    yield step('CH');
    yield step('CH');
    yield { as: 'FI', method: 'GET', path: `${base}/orders?status=finance_reviewing&per_page=10` };
    yield step('FI');
    yield { ...put('FI', { operation: 'done' }), expect: 409 };
  }
}

// An agent of the call centre; every ticket of a few is everybody's.
function* callCenter(n, config) {
  const mark = marks(n, config);
  const as = `CC${n}`;
  for (let i = 1; ; i++) {
    const subject = mark();
    const { data } = yield {
      as, method: 'POST', path: '/api/v1/ticket', body: { subject, content: '無法通話', sub_category_id: 26, handler_id: 7 },
      wrote: { ticket: (answer) => answer.data.id, lines: 1, mark: subject },
    };
    const path = `/api/v1/ticket/${data.id}`;
    const memo = (ticket, status) => {
      const status_memo = mark();
      return { as, method: 'PUT', path: `/api/v1/ticket/${ticket}`, body: { status, status_memo }, wrote: { ticket, lines: 1, mark: status_memo } };
    };
    yield { as, method: 'GET', path };
    yield { as, method: 'PUT', path, body: { status: 9 }, expect: 422 };
    yield memo(data.id, 1);
    yield { as, method: 'GET', path: `/api/v1/ticket?per_page=10&statuses[]=1&handler_ids[]=7` };
    yield memo(65 + (i % 3), i % 4);
    yield { as, method: 'GET', path: `/api/v1/ticket?per_page=5&search=${encodeURIComponent(subject)}` };
    yield { as, method: 'GET', path: '/api/v1/employee?per_page=5&search=ken' };
    yield memo(data.id, 2);
    if (i % 2) {
      yield { as, method: 'DELETE', path, expect: 204, wrote: { ticket: data.id, lines: 1 } };
      yield { as, method: 'GET', path, expect: 404 };
    }
  }
}

// Somebody who asks, and the one who answers.
function* cloudSupport(n, config) {
  const mark = marks(n, config);
  const base = '/v3_1/workorder';
  const me = `CS${n}`;
  for (;;) {
    const question = mark();
    const { data } = yield {
      as: me, method: 'POST', path: `${base}/workorder/`, body: { support: 1, type: 'tech', question },
      wrote: { ticket: (answer) => answer.data.id, lines: 1, mark: question },
    };
    const workorder_id = data.id;
    const reply = (as) => {
      const text = mark();
      return {
        as, method: 'POST', path: `${base}/workorder_detail/`, body: { workorder_id, detail: { text } },
        wrote: { ticket: workorder_id, lines: 1, mark: text },
      };
    };
    const status = (as, value) => ({
      as, method: 'POST', path: `${base}/workorder_status/`, body: { workorder_id, status: value },
    });
    const wrote = { ticket: workorder_id, lines: 1 };
    yield { as: me, method: 'GET', path: `${base}/workorder_list/?page=1&page_size=10` };
    yield { as: me, method: 'POST', path: `${base}/workorder/`, body: { support: 1, type: 'billing', question: 'x' }, expect: 400 };
    yield reply(me);
    yield { ...status(`CS${(n + 5) % config.clients}`, 1), expect: 403 };
    yield { ...status('A9', 1), wrote };
    yield reply('A9');
    yield { as: me, method: 'GET', path: `${base}/workorder_detail/?workorder_id=${workorder_id}` };
    yield { ...reply(`CS${(n + 5) % config.clients}`), wrote: undefined, expect: 403 };
    yield reply(me);
    yield { as: me, method: 'GET', path: `${base}/workorder_content/?workorder_id=${workorder_id}&type=tech` };
    yield { ...status(me, 0), wrote };
    yield { as: me, method: 'GET', path: `${base}/workorder_content/?workorder_id=2147483647&type=tech`, expect: 404 };
  }
}

// What an application sends that shares the desk's key.
function seal(username, password, key) {
  const nonce = 'a0a1a2a3a4a5a6a7a8a9aaabacadaeaf';
  const cipher = createCipheriv('aes-256-gcm', Buffer.from(key, 'hex'), Buffer.from(nonce, 'hex'));
  const sealed = cipher.update(password, 'utf8', 'hex') + cipher.final('hex');
  return Buffer.from(JSON.stringify({ username, password: sealed, nonce, authTag: cipher.getAuthTag().toString('hex') })).toString('hex');
}

// A customer of the ticket desk, staff1 who works and superadmin who assigns.
function* dispatch(n, config) {
  const mark = marks(n, config);
  const key = config.credentialKey;
  const credentials = {
    customer: seal(`LU${n}`, `password-${n}`, key),
    staff: seal('staff1', 'pw-staff-1', key),
    scheduler: seal('superadmin', 'superadmin', key),
    stranger: seal(`LU${n}`, `password-${n}`, key.replace(/^00/, 'ff')),
  };
  const ask = (who, action, rest = {}) => ({
    method: 'POST', path: '/api/ticket', body: { action, credential: credentials[who], ...rest },
  });
  yield ask('customer', 'permission-check');
  for (;;) {
    const content = mark();
    const { uuid } = yield { ...ask('customer', 'create-ticket', { content }), wrote: { ticket: (answer) => answer.uuid, lines: 1, mark: content } };
    const edit = (who, change) => ask(who, 'edit-ticket', { uuid, ...change });
    const wrote = { ticket: uuid, lines: 1 };
    const reply = (who) => {
      const text = mark();
      return { ...ask(who, 'ticket-reply-create', { uuid, reply: { content: text } }), wrote: { ...wrote, mark: text } };
    };
    yield ask('customer', 'ticket-detail', { uuid });
    yield { ...ask('stranger', 'ticket-detail', { uuid }), expect: 401 };
    yield { ...edit('staff', { status: 'FIXED' }), expect: 403 };
    yield reply('customer');
    yield { ...edit('scheduler', { status: 'ASSIGNED', 'staff-id': 2001 }), wrote };
    yield ask('customer', 'list', { operator: 'customer', status: 'ASSIGNED' });
    yield { ...edit('staff', { status: 'IN PROCESSING' }), wrote };
    yield reply('staff');
    yield { ...edit('staff', { status: 'nonsense' }), expect: 400 };
    yield { ...edit('staff', { status: 'FIXED' }), wrote };
    yield ask('scheduler', 'ticket-detail', { uuid });
    yield { ...edit('scheduler', { status: 'CLOSED' }), wrote };
  }
}

// The words in which each system says that it is unavailable, and where it has
// the status.
const unavailable = {
  active_job: (status) => ({ code: status, message: 'service unavailable', data: {} }),
  afterservice: (status) => ({ status, message: 'service unavailable', data: [] }),
  call_center: () => ({ message: 'Service Unavailable' }),
  cloud_support: (status) => ({ meta: { message: 'service unavailable', code: status }, data: {} }),
  dispatch: (status) => ({ code: status, message: 'credential service unavailable' }),
};

module.exports = {
  desks: { active_job: activeJob, afterservice, call_center: callCenter, cloud_support: cloudSupport, dispatch },
  unavailable,
};
