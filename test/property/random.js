'use strict';
// Random flows, people, rows and orders, all from one seed.

class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  // mulberry32
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  below(n) {
    return Math.floor(this.next() * n);
  }

  between(low, high) {
    return low + this.below(high - low + 1);
  }

  chance(p) {
    return this.next() < p;
  }

  pick(items) {
    return items[this.below(items.length)];
  }

  // Between low and high different items.
  some(items, low, high) {
    const rest = [...items];
    const result = [];
    for (let n = Math.min(this.between(low, high), rest.length); n > 0; n--) {
      result.push(rest.splice(this.below(rest.length), 1)[0]);
    }
    return result;
  }
}

const ROLES = ['clerk', 'boss', 'auditor', 'cook'];
const ACTIONS = ['go', 'send', 'sign', 'drop', 'fix', 'talk'];
const RELATIONS = ['$creator_id', '$holder_id', '$mate_id'];
// What every table of the test has, and values to choose from.
const COLUMNS = {
  n: [null, 0, 1, 2, 3, 7],
  m: [null, 0, 1, 2, 5],
  s: [null, '', '  ', 'a', 'b', 'urgent'],
  b: [null, true, false],
  holder_id: 'person',
  mate_id: 'person',
};

function randomPeople(random) {
  const n = random.between(4, 8);
  const people = [];
  for (let i = 0; i < n; i++) {
    people.push({ login: `p${i}`, name: `Person ${i}`, roles: random.some(ROLES, 0, 3), active: true });
  }
  if (random.chance(0.5)) random.pick(people).active = false;
  return people;
}

function randomValue(random, column, people) {
  const values = COLUMNS[column];
  if (values !== 'person') return random.pick(values);
  return random.chance(0.15) ? null : random.pick(people).id;
}

function randomGuard(random, people, depth = 0) {
  const comparison = () =>
    random.pick([
      () => `$.n ${random.pick(['>', '>=', '<', '==', '!='])} ${random.below(4)}`,
      () => `$.n ${random.pick(['>', '<='])} $.m`,
      () => `$.m / $.n > 1`,
      () => `$.n + $.m ${random.pick(['<', '>'])} 3`,
      () => `$.s == "${random.pick(['a', 'b', 'urgent'])}"`,
      () => `$.s != null`,
      () => `$.s > ${random.pick(['"a"', '1'])}`,
      () => `$.b == ${random.pick(['true', 'false'])}`,
      () => `$old.n ${random.pick(['<', '==', '!='])} $.n`,
      () => `$.holder_id ${random.pick(['==', '!='])} $actor.id`,
      () => `$.creator_id != $actor.id`,
      () => `$actor.login == "${random.pick(people).login}"`,
      () => `$actor.roles[*] == "${random.pick(ROLES)}"`,
    ])();
  if (depth < 2 && random.chance(0.3)) {
    const [a, b] = [randomGuard(random, people, depth + 1), randomGuard(random, people, depth + 1)];
    return `(${a}) ${random.pick(['&&', '||'])} (${b})`;
  }
  return random.chance(0.15) ? `!(${comparison()})` : comparison();
}

class FlowMaker {
  constructor(random, name, people) {
    this.random = random;
    this.name = name;
    this.people = people;
    this.states = []; // { path, parent, kind, id }
  }

  make() {
    const random = this.random;
    const flow = { id: this.name, roles: ROLES, ...this.compound('', 0) };
    delete flow.type;
    flow.states.done = { type: 'final' };
    this.states.push({ path: 'done', kind: 'final' });
    if (random.chance(0.4)) {
      flow.states.lost = { type: 'final', on: { talk: { allow: '*' } } };
      this.states.push({ path: 'lost', kind: 'final' });
    }
    this.decorate(flow, '');
    flow.on = {
      create: { allow: random.chance(0.5) ? ['*'] : random.some([...ROLES, '$creator_id'], 2, 3) },
      view: { allow: random.chance(0.5) ? ['*'] : random.some([...ROLES, ...RELATIONS], 2, 4) },
      update: { allow: this.who(), ...(random.chance(0.5) ? { fields: this.columns(1, 3) } : {}) },
      ...(random.chance(0.7) ? { delete: { allow: this.who() } } : {}),
      ...flow.on,
    };
    if (random.chance(0.3)) flow.on.create.require = this.columns(1, 1);
    if (random.chance(0.3)) flow.on.create.fields = random.chance(0.2) ? ['*'] : this.columns(3, 5);
    return flow;
  }

  // The skeleton: which states there are.
  compound(path, depth) {
    const random = this.random;
    const states = {};
    const n = random.between(2, depth === 0 ? 4 : 3);
    for (let i = 0; i < n; i++) {
      const key = 'abcd'[i] + (depth || '');
      const child = path === '' ? key : `${path}.${key}`;
      const deeper = depth < 2 && random.chance(depth === 0 ? 0.5 : 0.35);
      states[key] = deeper ? this.compound(child, depth + 1) : {};
      if (!deeper) this.states.push({ path: child, kind: 'atomic' });
      if (random.chance(0.2)) states[key].id = `id_${child.replace(/\./g, '_')}`;
      if (states[key].id) this.states[this.states.findIndex((s) => s.path === child)].id = states[key].id;
    }
    if (depth > 0 && random.chance(0.3)) {
      states.end = { type: 'final' };
      this.states.push({ path: `${path}.end`, kind: 'final' });
    }
    const initial = 'abcd'[random.below(n)] + (depth || '');
    if (depth > 0 && random.chance(0.65)) {
      const deep = random.chance(0.5);
      states.h = { type: 'history', ...(deep ? { history: 'deep' } : random.chance(0.5) ? { history: 'shallow' } : {}) };
      if (random.chance(0.4)) states.h.target = 'abcd'[random.below(n)] + depth;
      this.states.push({ path: `${path}.h`, kind: 'history' });
    }
    this.states.push({ path, kind: 'compound' });
    return { initial, states };
  }

  // What the states react to.
  decorate(state, path) {
    const random = this.random;
    if (state.type === 'history') return;
    const on = {};
    for (const action of random.some(ACTIONS, path === '' ? 1 : 0, state.states ? 2 : 4)) {
      const n = state.type === 'final' || random.chance(0.6) ? 1 : random.between(2, 3);
      const list = [];
      for (let i = 0; i < n; i++) list.push(this.transition(path, state.type === 'final', i < n - 1));
      on[action] = n === 1 ? list[0] : list;
    }
    if (path !== '' && random.chance(0.2)) {
      on.update = { allow: this.who(), ...(random.chance(0.5) ? { fields: random.chance(0.3) ? ['*'] : this.columns(1, 3) } : {}) };
    }
    if (path !== '' && random.chance(0.08)) on.view = { allow: random.some([...ROLES, ...RELATIONS, '*'], 1, 3) };
    if (path !== '' && random.chance(0.1)) on.update = { allow: [] };
    if (Object.keys(on).length) state.on = on;
    if (path !== '' && state.type !== 'final' && random.chance(0.12)) state.after = { P3D: this.target(path) };
    for (const [key, child] of Object.entries(state.states || {})) {
      this.decorate(child, path === '' ? key : `${path}.${key}`);
    }
  }

  who() {
    const random = this.random;
    const who = random.chance(0.25) ? ['*'] : random.some([...ROLES, ...RELATIONS], 1, 3);
    return who.length === 1 && random.chance(0.3) ? who[0] : who;
  }

  columns(low, high) {
    return this.random.some(Object.keys(COLUMNS), low, high);
  }

  transition(path, final, guarded) {
    const random = this.random;
    const t = { allow: this.who() };
    if (!final && random.chance(0.75)) t.target = this.target(path);
    if (guarded ? random.chance(0.8) : random.chance(0.3)) t.guard = randomGuard(random, this.people);
    if (random.chance(0.2)) t.require = random.some(['note', ...Object.keys(COLUMNS)], 1, 2);
    if (random.chance(0.3)) t.fields = random.chance(0.2) ? ['*'] : this.columns(1, 3);
    if (random.chance(0.2)) t.exclude = random.some([...ACTIONS, '$creator_id', '$holder_id'], 1, 2);
    if (random.chance(0.15)) t.reenter = true;
    if (random.chance(0.25)) t.set = this.assignments();
    if (random.chance(0.22)) this.quorum(t);
    return t;
  }

  assignments() {
    const choices = {
      n: () => this.random.below(9),
      m: () => '$.n',
      s: () => this.random.pick(['set', null]),
      holder_id: () => '$actor.id',
      at: () => '$now',
    };
    return Object.fromEntries(this.random.some(Object.keys(choices), 1, 2).map((c) => [c, choices[c]()]));
  }

  // A quorum that today's people can meet, as publish() wants it.
  quorum(t) {
    const random = this.random;
    const roles = random.some(ROLES, 1, 3).filter((r) => this.holders([r]) > 0);
    if (roles.length === 0) return;
    t.allow = roles;
    const n = this.holders(roles);
    const kinds = ['all', `${random.pick([30, 50, 60, 67, 100])}%`, { each: roles }];
    if (n >= 2) kinds.push(random.between(2, n), 2);
    t.quorum = random.pick(kinds);
    if (t.quorum.each && t.quorum.each.length > n) t.quorum = 'all';
    if (random.chance(0.3)) t.allow = [...roles, random.pick(RELATIONS)];
  }

  holders(roles) {
    return this.people.filter((p) => p.active && p.roles.some((r) => roles.includes(r))).length;
  }

  // Any state, in one of the ways in which it can be written from here.
  target(path) {
    const random = this.random;
    const goal = random.pick(this.states.filter((s) => s.path !== '' && (s.kind !== 'compound' || random.chance(0.5))));
    const ways = [`#${this.name}.${goal.path}`];
    const parent = path.includes('.') ? path.slice(0, path.lastIndexOf('.')) : '';
    const below = (base) => (base === '' ? goal.path : goal.path.startsWith(`${base}.`) ? goal.path.slice(base.length + 1) : null);
    if (below(path)) ways.push(`.${below(path)}`);
    if (path !== '' && below(parent)) ways.push(below(parent));
    if (goal.id) ways.push(`#${goal.id}`);
    return random.pick(ways);
  }
}

// What a finding's path leads to: "states.a.on.go[1]" → holder and key.
function locate(flow, path) {
  const steps = path.match(/[^.[\]]+/g);
  let holder = flow;
  for (const step of steps.slice(0, -1)) holder = holder[step];
  return { holder, key: steps[steps.length - 1] };
}

// Mends what publish() would refuse; false if it does not know how.
function repair(flow, findings) {
  let escapes = 0;
  for (const { code, path } of findings) {
    if (code === 'unreachable_state') {
      const state = path.replace(/states\./g, '');
      flow.on = { ...flow.on, [`to_${state.replace(/\./g, '_')}`]: { target: `#${flow.id}.${state}`, allow: ['*'] } };
    } else if (code === 'dead_end') {
      if (escapes++) continue;
      flow.on = { ...flow.on, finish: { target: '.done', allow: ['*'] } };
    } else if (code === 'ambiguous' || code === 'nobody') {
      const { holder, key } = locate(flow, path);
      if (Array.isArray(holder)) {
        holder[key] = null;
      } else delete holder[key];
    } else if (code === 'timer_unreachable') continue;
    else return false;
  }
  compact(flow);
  return true;
}

function compact(state) {
  for (const [action, list] of Object.entries(state.on || {})) {
    if (!Array.isArray(list)) continue;
    const left = list.filter((t) => t !== null);
    if (left.length) state.on[action] = left;
    else delete state.on[action];
  }
  if (state.on && !Object.keys(state.on).length) delete state.on;
  for (const child of Object.values(state.states || {})) compact(child);
}

module.exports = { Random, FlowMaker, randomPeople, randomValue, repair, ACTIONS, COLUMNS, ROLES };
