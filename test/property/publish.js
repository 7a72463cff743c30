'use strict';
// Publishes a random flow: drawn, mended until check_flow() has no findings,
// and drawn anew if today's people cannot meet its quorums.

const { quote } = require('./pg');
const { Chart } = require('./oracle');
const { FlowMaker, repair } = require('./random');

// decorate(flow) may change the document before it is checked.
async function publish(owner, random, name, people, decorate = () => {}) {
  for (let attempt = 0; attempt < 50; attempt++) {
    const flow = new FlowMaker(random, name, people).make();
    decorate(flow);
    let findings = [];
    for (let round = 0; round < 6; round++) {
      findings = await owner.json(`SELECT coalesce(jsonb_agg(to_jsonb(f)), '[]') FROM workorder.check_flow(${quote(flow)}) f WHERE f.blocks`);
      if (findings.length === 0 || !repair(flow, findings)) break;
    }
    if (findings.length) continue;
    try {
      return { id: Number(await owner.value(`SELECT workorder.publish(${quote(flow)})`)), chart: new Chart(flow) };
    } catch (error) {
      if (!/_members/.test(error.detail || '')) throw error;
    }
  }
  throw new Error('no flow in fifty attempts');
}

module.exports = { publish };
