'use strict';
// The part of jsonpath that random guards are made of, with its three values:
// true, false, and null for unknown.
//
//   guard      := and ('||' and)*
//   and        := simple ('&&' simple)*
//   simple     := '!(' guard ')' | '(' guard ')' | operand compare operand
//   operand    := term (('+' | '-' | '*' | '/') term)?
//   term       := number | "text" | true | false | null | variable ('.' key | '[*]')*

function tokens(text) {
  return text.match(/"[^"]*"|\$\w*|\.\w+|\[\*\]|\d+|true|false|null|&&|\|\||[=!<>]=|[()!<>+\-*/]/g);
}

function holds(text, { row, old }, actor) {
  const words = tokens(text);
  let at = 0;
  const next = () => words[at++];
  const peek = () => words[at];
  const variables = { $: row, $old: old, $actor: actor };

  function guard() {
    let value = and();
    while (peek() === '||') {
      next();
      const other = and();
      value = value === true || other === true ? true : value === null || other === null ? null : false;
    }
    return value;
  }
  function and() {
    let value = simple();
    while (peek() === '&&') {
      next();
      const other = simple();
      value = value === false || other === false ? false : value === null || other === null ? null : true;
    }
    return value;
  }
  function simple() {
    const negated = peek() === '!';
    if (negated) next();
    if (peek() === '(') {
      next();
      const value = guard();
      next();
      return negated && value !== null ? !value : value;
    }
    const left = operand();
    const operator = next();
    return compare(operator, left, operand());
  }
  // A list of items, or null after an error.
  function operand() {
    const left = term();
    if (!['+', '-', '*', '/'].includes(peek())) return left;
    const operator = next();
    const right = term();
    const [a, b] = [left, right].map((items) => (items && items.length === 1 ? items[0] : undefined));
    if (typeof a !== 'number' || typeof b !== 'number') return null;
    if (operator === '/') return b === 0 ? null : [a / b];
    return [operator === '+' ? a + b : operator === '-' ? a - b : a * b];
  }
  function term() {
    const word = next();
    if (word[0] === '"') return [word.slice(1, -1)];
    if (word in { true: 1, false: 1, null: 1 }) return [JSON.parse(word)];
    if (word[0] !== '$') return [Number(word)];
    let items = [variables[word]];
    while (peek() && (peek()[0] === '.' || peek() === '[*]')) {
      const step = next();
      if (step === '[*]') items = items.flatMap((i) => i);
      else items = items.flatMap((i) => (i !== null && typeof i === 'object' && step.slice(1) in i ? [i[step.slice(1)]] : []));
    }
    return items;
  }

  return guard();
}

function compare(operator, left, right) {
  if (left === null || right === null) return null;
  let unknown = false;
  for (const a of left) {
    for (const b of right) {
      const truth = compareItems(operator, a, b);
      if (truth === true) return true;
      if (truth === null) unknown = true;
    }
  }
  return unknown ? null : false;
}

function compareItems(operator, a, b) {
  if ((a === null) !== (b === null)) return operator === '!=';
  if (a !== null && typeof a !== typeof b) return null;
  switch (operator) {
    case '==':
      return a === b;
    case '!=':
      return a !== b;
    case '<':
      return a < b;
    case '<=':
      return a <= b;
    case '>':
      return a > b;
    default:
      return a >= b;
  }
}

module.exports = { holds };
