'use strict';
// What a flow means, told a second time: this file reads the JSON document as
// it stands and decides by brute force, in the words of docs/flows.md.  It
// shares nothing with the engine: no compiled chart, no bit sets, no SQL.
//
// A ticket here is { leaf, history, votes, creator, cols, log } where leaf is a
// path, history maps the path of a compound state to the leaf it was left
// from, votes is { action: { person: [roles] } } and log is what was done to
// the ticket so far, [{ action, actor }].

const { holds } = require('./guards');

class Chart {
  constructor(document) {
    this.document = document;
    this.byPath = new Map();
    this.byId = new Map();
    this.root = this.read(document, '', null);
    this.byId.set(document.id, this.root);
    this.actions = new Set();
    for (const state of this.states()) for (const action of Object.keys(state.on)) this.actions.add(action);
  }

  read(definition, key, parent) {
    const state = {
      key,
      parent,
      path: parent === null || parent.path === '' ? key : `${parent.path}.${key}`,
      definition,
      children: [],
      on: {},
      after: Object.keys(definition.after || {}),
      type: definition.type || (definition.states ? 'compound' : definition.history ? 'history' : 'atomic'),
    };
    this.byPath.set(state.path, state);
    if (definition.id && parent) this.byId.set(definition.id, state);
    for (const [action, transitions] of Object.entries(definition.on || {})) {
      const list = Array.isArray(transitions) ? transitions : [transitions];
      state.on[action] = list.map((t) => (typeof t === 'string' ? { target: t } : t));
    }
    for (const [name, child] of Object.entries(definition.states || {})) {
      state.children.push(this.read(child, name, state));
    }
    return state;
  }

  states() {
    return [...this.byPath.values()];
  }

  // The state and all that it lies in, innermost first.
  lineage(state) {
    return state === null ? [] : [state, ...this.lineage(state.parent)];
  }

  isBelow(state, ancestor) {
    return this.lineage(state).slice(1).includes(ancestor);
  }

  child(state, path) {
    return path.split('.').reduce((s, key) => s.children.find((c) => c.key === key), state);
  }

  // A target as XState writes it.
  find(source, target) {
    if (target.startsWith('#')) {
      const [id, ...rest] = target.slice(1).split('.');
      return rest.length ? this.child(this.byId.get(id), rest.join('.')) : this.byId.get(id);
    }
    if (target.startsWith('.')) return this.child(source, target.slice(1));
    return this.child(source.parent, target);
  }

  // History replaced by what it stands for.
  recall(state, history) {
    if (state.type !== 'history') return state;
    const leaf = history && history[state.parent.path];
    if (leaf) {
      const line = this.lineage(this.byPath.get(leaf));
      return state.definition.history === 'deep' ? line[0] : line.find((s) => s.parent === state.parent);
    }
    const fallback = state.definition.target;
    return fallback
      ? this.recall(this.find(state, fallback), history)
      : this.child(state.parent, state.parent.definition.initial);
  }

  // The leaf that entering a state ends in.
  enter(state, history) {
    const s = this.recall(state, history);
    return s.type === 'compound' ? this.enter(this.child(s, s.definition.initial), history) : s;
  }

  initialLeaf() {
    return this.enter(this.root, null).path;
  }

  // The states that a transition leaves, given where the ticket is.
  exits(leaf, source, target, reenter, history) {
    const entered = this.recall(target, history);
    const active = this.lineage(leaf);
    if (!reenter && (entered === source || this.isBelow(entered, source))) {
      return active.filter((s) => this.isBelow(s, source));
    }
    const common = this.lineage(entered.parent).find((s) => this.isBelow(source, s));
    if (common) return active.filter((s) => this.isBelow(s, common));
    return reenter ? active : active.filter((s) => s !== this.root);
  }

  delays(path) {
    return this.lineage(this.byPath.get(path)).flatMap((s) => s.after.map((delay) => `${s.path} ${delay}`));
  }
}

const list = (value) => (value === undefined ? [] : Array.isArray(value) ? value : [value]);
const isBlank = (value) => value === null || value === undefined || (typeof value === 'string' && value.trim() === '');

// The people of a world, and one ticket's place among them.
class Judge {
  constructor(chart, people, wrong) {
    this.chart = chart;
    this.people = people; // [{ id, login, name, roles: Set, active }]
    this.wrong = wrong || ''; // a mistake to make, to see whether it is noticed
  }

  column(ticket, name) {
    if (name === 'creator_id') return ticket.creator;
    if (name === 'acted_by') return ticket.acted;
    return ticket.cols[name];
  }

  allows(transition, stored, actor) {
    return list(transition.allow).some((who) => {
      if (who === '*') return true;
      if (who.startsWith('$')) return actor.id !== null && this.column(stored, who.slice(1)) === actor.id;
      return actor.id !== null && actor.roles.has(who);
    });
  }

  excluded(transition, ticket) {
    const people = new Set();
    for (const what of list(transition.exclude)) {
      if (what.startsWith('$')) {
        const person = this.column(ticket, what.slice(1));
        if (person !== null) people.add(person);
      } else if (this.wrong !== 'exclude') {
        for (const line of ticket.log) if (line.action === what && line.actor !== null) people.add(line.actor);
      }
    }
    return people;
  }

  // Which transition an action takes for this actor, and all that is wrong
  // with it.  stored is the ticket as it is (null for a new one), ticket as it
  // would be, order { note, changed: Set of columns }.
  decide(stored, ticket, actor, action, order) {
    const leaf = this.chart.byPath.get(ticket.leaf);
    const done = leaf.type === 'final' && leaf.parent === this.chart.root;
    const reasons = [];
    const refuse = (code, sqlstate, needs) => reasons.push({ code, sqlstate, needs });
    let taken = null;
    let source = null;
    let nearest = null;
    let decided = false;
    let unknown = false;

    if (!this.chart.actions.has(action)) {
      return { reasons: [{ code: 'unknown_action', sqlstate: 'WO404' }], taken };
    }
    for (const state of this.wrong === 'bubbling' ? [leaf] : this.chart.lineage(leaf)) {
      for (const t of state.on[action] || []) {
        if (t.target !== undefined && done) continue;
        const truth = t.guard === undefined ? true : holds(t.guard, this.view(ticket, stored), this.names(actor));
        if (truth === null) unknown = true;
        if (truth === true && !decided) nearest = t;
        if (nearest === null) nearest = t;
        if (truth === true) decided = true;
        if (truth === true && taken === null && this.allows(t, stored || ticket, actor)) {
          taken = t;
          source = state;
        }
        if (this.wrong === 'first' && decided) break;
      }
      if (decided) break;
    }
    if (nearest === null) {
      refuse('state', 'WO409');
      return { reasons, taken };
    }
    if (!decided) refuse('guard', unknown ? 'WO400' : 'WO409');
    if (!taken && !this.allows(nearest, stored || ticket, actor)) refuse('allow', 'WO403');

    const t = taken || nearest;
    const out = this.excluded(t, stored || ticket);
    if (actor.id !== null && out.has(actor.id)) refuse('exclude', 'WO403');
    const require = list(t.require);
    if (require.includes('note') && isBlank(order.note)) refuse('require', 'WO400', 'note');
    for (const column of require) {
      if (column !== 'note' && isBlank(this.column(ticket, column))) refuse('require', 'WO400', column);
    }
    let fields = t.fields === undefined ? null : list(t.fields);
    if (fields === null) fields = action === 'update' || action === 'create' ? ['*'] : require;
    for (const column of order.changed) {
      if (!fields.includes('*') && !fields.includes(column)) refuse('fields', 'WO403');
    }
    let complete = true;
    let votes = null;
    if (t.quorum !== undefined && t.quorum !== 1) {
      const tally = this.tally(t, stored, actor, action, out);
      if (tally.voted) refuse('voted', 'WO409');
      else if (tally.hopeless) refuse('quorum', 'WO409');
      ({ complete, votes } = tally);
    }
    const target = taken && taken.target !== undefined ? this.chart.find(source, taken.target) : null;
    const moved = target && this.move(stored || ticket, source, target, taken.reenter === true);
    return { reasons, taken, target, complete, votes, leaf: moved && moved.leaf, history: moved && moved.history };
  }

  // As XState does it: what is left is found with the history as it was; what
  // is entered, with what was just left in it.
  move(ticket, source, target, reenter) {
    const leaf = this.chart.byPath.get(ticket.leaf);
    let { history } = ticket;
    for (const state of this.chart.exits(leaf, source, target, reenter, history)) {
      if (state.children.some((c) => c.type === 'history') && this.wrong !== 'history') {
        history = { ...history, [state.path]: ticket.leaf };
      }
    }
    return { leaf: this.chart.enter(target, history).path, history };
  }

  tally(t, ticket, actor, action, out) {
    const votes = ticket.votes || {};
    const allowed = list(t.allow).filter((who) => who !== '*' && !who.startsWith('$'));
    const rolesOf = (person) => allowed.filter((role) => person.roles.has(role));
    const me = String(actor.id);
    const here = votes[action] || {};
    const elsewhere = new Set(Object.keys(votes).filter((a) => a !== action).flatMap((a) => Object.keys(votes[a])));
    if (here[me] || elsewhere.has(me)) return { voted: true, complete: false, votes: null };

    const mine = { ...here, [me]: rolesOf(actor) };
    const eligible = {};
    for (const person of this.people) {
      const related = list(t.allow).some((w) => w.startsWith('$') && this.column(ticket, w.slice(1)) === person.id);
      if (person.active && !out.has(person.id) && (related || rolesOf(person).length)) {
        eligible[person.id] = rolesOf(person);
      }
    }
    const still = Object.fromEntries(Object.entries(eligible).filter(([id]) => !elsewhere.has(id)));
    const most = { ...still, ...mine };
    const electors = new Set([...Object.keys(most), ...Object.keys(eligible)]).size;

    let have = Object.keys(mine).length;
    let could = Object.keys(most).length;
    let need;
    if (typeof t.quorum === 'number') need = t.quorum;
    else if (t.quorum === 'all') need = electors;
    else if (typeof t.quorum === 'string') {
      const share = parseInt(t.quorum, 10);
      for (need = 0; need * 100 < share * electors; ) need++;
      if (this.wrong === 'percent') need = Math.round((share * electors) / 100);
    } else {
      need = t.quorum.each.length;
      have = different(t.quorum.each, Object.values(mine));
      could = different(t.quorum.each, Object.values(most));
    }
    return { voted: false, hopeless: could < need, complete: have >= need, votes: { ...votes, [action]: mine } };
  }

  // The ticket after a permitted action.
  take(ticket, actor, action, order, verdict) {
    const after = {
      ...ticket,
      acted: actor.id,
      cols: { ...ticket.cols },
      revision: ticket.revision + 1,
      action,
      note: order.note,
      log: [...ticket.log, { action, actor: actor.id }],
    };
    if (!verdict.complete) {
      after.votes = verdict.votes;
      return after;
    }
    const { taken, target } = verdict;
    for (const [column, value] of Object.entries(taken.set || {})) {
      after.cols[column] = this.value(value, ticket, actor);
    }
    // a count that is complete starts anew
    if (taken.quorum !== undefined && taken.quorum !== 1) after.votes = null;
    if (target) {
      after.leaf = verdict.leaf;
      after.history = verdict.history;
      if (after.leaf !== ticket.leaf || (taken.reenter === true && this.wrong !== 'reenter')) after.votes = null;
    }
    return after;
  }

  value(value, ticket, actor) {
    if (value === '$now') return 'now';
    if (value === '$actor.id') return actor.id;
    if (typeof value === 'string' && value.startsWith('$.')) return this.column(ticket, value.slice(2));
    return value;
  }

  view(ticket, stored) {
    const see = (t) => (t === null ? null : { ...t.cols, creator_id: t.creator, acted_by: t.acted });
    return { row: see(ticket), old: see(stored) };
  }

  names(actor) {
    if (actor.id === null) return { id: null, login: '', name: '', roles: [] };
    return { id: actor.id, login: actor.login, name: actor.name, roles: [...actor.roles].sort() };
  }

  sees(ticket, actor) {
    return this.decide(ticket, ticket, actor, 'view', { note: null, changed: [] }).reasons.length === 0;
  }
}

// How many of the roles can be given to different people: every way is tried.
function different(roles, people) {
  if (roles.length === 0) return 0;
  const [first, ...rest] = roles;
  let best = different(rest, people);
  people.forEach((held, i) => {
    if (held.includes(first)) best = Math.max(best, 1 + different(rest, people.filter((_, j) => j !== i)));
  });
  return best;
}

module.exports = { Chart, Judge };
