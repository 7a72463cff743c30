// Random walks through flows, by XState and by the engine.  Every step is
// worked out by XState first: an action, a timer, or an action that nothing
// reacts to.  Then walks.play() takes real rows along the same way and says
// where they went another one.  Prints one JSON object.
//
//   node walks.mjs <database> <directory of xstate> <seed> <random flows> <walks> <steps> [mistake]
//
// The other arguments are in run.sh.  What XState knows nothing of is taken out
// of the documents: everybody may, nothing is required, and nobody votes.

import { createRequire } from 'node:module';
import { readFileSync, readdirSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
const { Session, quote } = require('../property/pg.js');
const { holds } = require('../property/guards.js');
const { Random, FlowMaker, repair, COLUMNS } = require('../property/random.js');

const [database, packages, seedText, flowsText, walksText, stepsText, mistake = ''] = process.argv.slice(2);
const [seed, nflows, nwalks, nsteps] = [seedText, flowsText, walksText, stepsText].map(Number);
const { createMachine, initialTransition, transition } = await import(pathToFileURL(`${packages}/node_modules/xstate/dist/xstate.cjs.js`))
  .then((m) => m.default ?? m);
const root = new URL('../../', import.meta.url).pathname;
const counts = { flows: 0, shipped: 0, walks: 0, acts: 0, afters: 0, ignored: 0, history: 0, reenter: 0, internal: 0, bubbled: 0, guarded: 0, dropped: 0 };
const differences = [];
const ROWS = ['create', 'view', 'delete'];

// --- documents ----------------------------------------------------------------

const copy = (value) => JSON.parse(JSON.stringify(value));
const list = (value) => (value === undefined ? [] : Array.isArray(value) ? value : [value]);

// Calls change(transition, state, action) for every transition; null drops it.
function rewrite(state, change) {
  for (const part of ['on', 'after']) {
    for (const [key, value] of Object.entries(state[part] || {})) {
      const kept = list(value).map((t) => change(typeof t === 'string' ? { target: t } : t, state, part === 'on' ? key : null)).filter((t) => t !== null);
      if (kept.length === 0) delete state[part][key];
      else state[part][key] = kept.length === 1 ? kept[0] : kept;
    }
  }
  for (const child of Object.values(state.states || {})) rewrite(child, change);
}

// The chart alone.
function strip(document, name) {
  const flow = copy(document);
  rewrite(flow, (t, state, action) => {
    if (Array.isArray(t.allow) && t.allow.length === 0) return null;
    const kept = {};
    for (const key of ['target', 'guard', 'reenter']) if (t[key] !== undefined) kept[key] = t[key];
    if (typeof kept.target === 'string') kept.target = kept.target.replace(new RegExp(`^#${document.id}(\\.|$)`), `#${name}$1`);
    if (action !== null) kept.allow = ['*'];
    if (action !== null && action !== 'view' && action !== 'delete') kept.fields = ['*'];
    return kept;
  });
  flow.id = name;
  flow.on = { ...flow.on, create: flow.on.create || { allow: ['*'] }, view: { allow: ['*'] } };
  return flow;
}

// Every flow that is in the repository.
function shipped() {
  const documents = [];
  for (const room of readdirSync(`${root}sql`)) {
    try {
      documents.push(JSON.parse(readFileSync(`${root}sql/${room}/flow.json`)));
    } catch (error) {
      if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
    }
  }
  documents.push(JSON.parse(readFileSync(`${root}bench/flow.json`)));
  for (const file of ['README.md', 'docs/flows.md']) {
    for (const [, text] of readFileSync(`${root}${file}`, 'utf8').matchAll(/^```json\n(.*?)^```$/gms)) {
      documents.push(JSON.parse(text));
    }
  }
  return documents;
}

// What the guards look at: column → type and values worth trying.
function lookedAt(flow) {
  const columns = {};
  rewrite(copy(flow), (t) => {
    for (const [, name] of (t.guard || '').matchAll(/\$(?:old)?\.(\w+)/g)) {
      const column = (columns[name] = columns[name] || { type: 'bigint', values: new Set([null, 1, 2]) });
      for (const [, literal] of t.guard.matchAll(new RegExp(`\\.${name} *[=!<>]+ *("[^"]*"|\\d+|true|false)`, 'g'))) {
        const value = JSON.parse(literal);
        column.type = { number: 'bigint', string: 'text', boolean: 'boolean' }[typeof value];
        if (typeof value === 'number') [value - 1, value, value + 1].forEach((v) => column.values.add(v));
        else column.values.add(value);
        if (typeof value !== 'number') [1, 2].forEach((v) => column.values.delete(v));
        if (typeof value === 'boolean') column.values.add(!value);
        if (typeof value === 'string') column.values.add('other');
      }
    }
    return t;
  });
  return Object.fromEntries(Object.entries(columns).map(([name, c]) => [name, { type: c.type, values: [...c.values] }]));
}

// A mistake that XState is told, and the engine is not.
function misread(document) {
  const flow = copy(document);
  const states = (state) => [state, ...Object.values(state.states || {}).flatMap(states)];
  for (const state of states(flow)) {
    if (mistake === 'history' && state.type === 'history') state.history = state.history === 'deep' ? 'shallow' : 'deep';
    if (mistake === 'bubbling' && state.states) for (const action of Object.keys(state.on || {})) if (!ROWS.includes(action)) delete state.on[action];
    if (mistake === 'initial' && state.initial) state.initial = Object.keys(state.states).filter((k) => state.states[k].type !== 'history').pop();
  }
  rewrite(flow, (t, state, action) => {
    if (mistake === 'reenter') delete t.reenter;
    if (mistake === 'guard' && t.guard) t.guard = `!(${t.guard})`;
    if (mistake === 'internal' && t.target === undefined && state.states && !ROWS.includes(action)) t.target = `.${state.initial}`;
    if (mistake === 'delay' && action === null) delete t.target;
    return t;
  });
  if (mistake === 'order') {
    for (const state of states(flow)) for (const [action, value] of Object.entries(state.on || {})) if (Array.isArray(value)) state.on[action] = value.reverse();
  }
  return flow;
}

// --- XState -------------------------------------------------------------------

function machineOf(flow) {
  const guards = {};
  const delays = {};
  const visit = (state) => {
    if (!state.states && state.type !== 'history') state.entry = 'enter';
    for (const value of [...Object.values(state.on || {}), ...Object.values(state.after || {})]) {
      for (const t of list(value)) {
        if (t.guard) guards[t.guard] = ({ event }) => holds(t.guard, { row: event.row, old: event.old }, event.actor) === true;
      }
    }
    for (const delay of Object.keys(state.after || {})) delays[delay] = 1000;
    for (const child of Object.values(state.states || {})) visit(child);
  };
  visit(flow);
  return createMachine(flow, { guards, delays, actions: { enter: () => {} } });
}

function leafOf(value) {
  return typeof value === 'string' ? value : Object.entries(value).map(([key, rest]) => (typeof rest === 'object' && Object.keys(rest).length === 0 ? key : `${key}.${leafOf(rest)}`))[0];
}

const pathOf = (node) => node.path.join('.');

// The timers that could fire now: of the states the ticket is in, those that do
// not stand still.
function timersOf(snapshot, flow) {
  const definition = (node) => node.path.reduce((state, key) => state.states[key], flow);
  const pausing = snapshot._nodes.filter((node) => definition(node).pauses).sort((a, b) => a.path.length - b.path.length).pop();
  return snapshot._nodes.flatMap((node) =>
    pausing && !pathOf(node).startsWith(pathOf(pausing)) ? []
      : Object.keys(definition(node).after || {}).map((delay) => ({ event: `xstate.after.${delay}.${node.id}`, state: pathOf(node), delay })));
}

class Walk {
  constructor(flow, machine, random, columns, actor, id) {
    Object.assign(this, { flow, machine, random, columns, actor, id, spent: new Set(), steps: [], row: null });
    [this.snapshot] = initialTransition(machine);
    this.pausing = JSON.stringify(flow).includes('"pauses"');
    this.actions = [...new Set(machine.events)].filter((e) => !e.startsWith('xstate.') && !ROWS.includes(e));
  }

  values() {
    return Object.fromEntries(Object.entries(this.columns).map(([name, c]) => [name, this.random.pick(c.values)]));
  }

  enabled(event) {
    return this.machine.getTransitionData(this.snapshot, event);
  }

  // Tells whether the leaf was entered, anew or not.
  take(event) {
    let actions;
    [this.snapshot, actions] = transition(this.machine, this.snapshot, event);
    const active = new Set(this.snapshot._nodes.map(pathOf));
    // a pause keeps what was left of timers, and what has fired
    for (const timer of this.pausing ? [] : this.spent) if (!active.has(timer.split(' ')[0])) this.spent.delete(timer);
    return actions.some((action) => action.type === 'enter');
  }

  see(values, old) {
    // what the engine gives a guard to look at
    const people = { creator_id: this.actor.id, acted_by: old ? this.actor.id : null };
    return { ...people, ...values };
  }

  create() {
    for (let attempt = 0; attempt < 100; attempt++) {
      const values = this.values();
      const event = { type: 'create', row: this.see(values, null), old: null, actor: this.actor };
      if (this.enabled(event).length === 0) continue;
      this.take(event);
      this.row = values;
      this.steps.push({ id: this.id, kind: 'create', action: 'create', state: leafOf(this.snapshot.value), values });
      return true;
    }
    return false;
  }

  step() {
    if (this.snapshot.status !== 'active') return;
    const old = this.see(this.row, this.row);
    const timers = timersOf(this.snapshot, this.flow).filter((t) => !this.spent.has(`${t.state} ${t.delay}`));
    if (timers.length && this.random.chance(0.3)) {
      const timer = this.random.pick(timers);
      this.spent.add(`${timer.state} ${timer.delay}`);
      const event = { type: timer.event, row: old, old, actor: { id: null, login: '$system', name: 'system', roles: [] } };
      const fires = this.enabled(event).length > 0;
      const entered = this.take(event) || !fires;
      counts.afters++;
      this.steps.push({ id: this.id, kind: 'after', timer: [timer.state, timer.delay], state: leafOf(this.snapshot.value), entered });
      return;
    }
    if (this.actions.length === 0) return;
    // mostly something that is possible
    let event;
    let taken = [];
    for (let attempt = 0; attempt < 6 && taken.length === 0; attempt++) {
      const values = this.values();
      event = { type: this.random.pick(this.actions), row: this.see(values, old), old, actor: this.actor, values };
      taken = this.enabled(event);
      // a walk should last
      if (attempt < 4 && taken.length > 0 && taken[0].target && taken[0].target[0].type === 'final' && this.random.chance(0.9)) taken = [];
      if (attempt === 0 && this.random.chance(0.1)) break;
    }
    if (event === undefined) return;
    if (taken.length === 0 && this.enabled(event).length > 0) return;
    if (taken.length === 0) {
      counts.ignored++;
      this.steps.push({ id: this.id, kind: 'no', action: event.type, state: leafOf(this.snapshot.value), values: event.values });
      return;
    }
    const t = taken[0];
    counts.acts++;
    if (t.guard) counts.guarded++;
    if (t.reenter) counts.reenter++;
    if (!t.target) counts.internal++;
    if (t.source.path.length < Math.max(...this.snapshot._nodes.map((n) => n.path.length))) counts.bubbled++;
    if (t.target && t.target[0].type === 'history') counts.history++;
    const entered = this.take(event);
    this.row = event.values;
    this.steps.push({ id: this.id, kind: 'act', action: event.type, state: leafOf(this.snapshot.value), values: event.values, entered });
  }
}

// --- the engine ---------------------------------------------------------------

const session = new Session('postgres', database);
await session.connect();
await session.query('SET client_min_messages = warning');
const actor = { id: Number(await session.value(`SELECT workorder.enrol('walker', 'Walker', '{}')`)), login: 'walker', name: 'Walker', roles: [] };
await session.query(`SET workorder.actor = 'walker'`);

async function publish(flow) {
  for (let round = 0; round < 8; round++) {
    const findings = await session.json(`SELECT coalesce(jsonb_agg(to_jsonb(f)), '[]') FROM workorder.check_flow(${quote(flow)}) f WHERE f.blocks`);
    if (findings.length === 0) {
      await session.query(`SELECT workorder.publish(${quote(flow)})`);
      return true;
    }
    counts.dropped += findings.filter((f) => f.code === 'ambiguous').length;
    if (!repair(flow, findings)) return false;
    for (const [action, value] of Object.entries(flow.on)) {
      if (!['view', 'delete'].includes(action)) for (const t of list(value)) t.fields = ['*'];
    }
  }
  return false;
}

async function walk(flow, columns, random) {
  const table = flow.id;
  const delays = new Set();
  rewrite(copy(flow), (t, state) => (Object.keys(state.after || {}).forEach((d) => delays.add(d)), t));
  for (const delay of delays) {
    if (delay.startsWith('$')) await session.query(`SELECT workorder.set_setting(${quote(flow.id)}, ${quote(delay.slice(1))}, 'P3D')`);
    const calendar = delay.split('@')[1];
    if (calendar) {
      await session.query(`INSERT INTO workorder.calendar (name) VALUES (${quote(calendar)}) ON CONFLICT DO NOTHING;
        INSERT INTO workorder.working_hour (calendar, weekday, opens, closes) SELECT ${quote(calendar)}, d, '09:00', '17:00' FROM generate_series(1, 7) d ON CONFLICT DO NOTHING`);
    }
  }
  const types = Object.fromEntries(Object.entries(columns).map(([name, c]) => [name, c.type]));
  await session.query(`CREATE TABLE ${table} (tenant_id bigint NOT NULL DEFAULT 1, id bigint${
    Object.entries(types).map(([name, type]) => `, "${name}" ${type}`).join('')}, PRIMARY KEY (tenant_id, id))`);
  if (!(await publish(flow))) {
    await session.query(`DROP TABLE ${table}`);
    return false;
  }
  await session.query(`SELECT workorder.guard('${table}', '${flow.id}')`);

  const machine = machineOf(copy(mistake ? misread(flow) : flow));
  const walks = [];
  for (let id = 1; id <= nwalks; id++) {
    const one = new Walk(flow, machine, random, columns, actor, id);
    if (!one.create()) continue;
    for (let s = 0; s < nsteps; s++) one.step();
    walks.push(one.steps);
    counts.walks++;
  }
  const steps = [];
  for (let s = 0; s <= nsteps; s++) steps.push(walks.map((w) => w[s]).filter((step) => step !== undefined));
  const result = await session.json(`SELECT walks.play('${table}', ${quote(types)}, ${quote(steps)})`);
  for (const difference of result.differences) differences.push({ flow: flow.id, ...difference });
  counts.flows++;
  await session.query(`DROP TABLE ${table}`);
  return true;
}

const isPerson = ['holder_id', 'mate_id'];
const randomColumns = Object.fromEntries(Object.entries(COLUMNS).map(([name, values]) => [name, {
  type: isPerson.includes(name) ? 'bigint' : { n: 'int', m: 'int', s: 'text', b: 'boolean' }[name],
  values: isPerson.includes(name) ? [null, actor.id, actor.id + 1] : values,
}]));

let number = 0;
for (const document of shipped()) {
  const flow = strip(document, `shipped_${++number}`);
  if (!(await walk(flow, lookedAt(flow), new Random(seed * 7919 + number)))) throw new Error(`flow ${document.id} cannot be published`);
  counts.shipped++;
}
for (number = 0; counts.flows - counts.shipped < nflows; number++) {
  if (number > nflows * 2 + 20) throw new Error('too many random flows cannot be published');
  const random = new Random(seed * 100003 + number);
  const name = `random_${number}`;
  const flow = strip(new FlowMaker(random, name, [{ ...actor, active: true }]).make(), name);
  await walk(flow, randomColumns, random);
}
session.end();
console.log(JSON.stringify({ ...counts, differences: differences.slice(0, 200), ndifferences: differences.length }));
