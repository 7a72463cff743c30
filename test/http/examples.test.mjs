// What the pages of docs/systems say to try is tried, by the shell, to the
// letter but for the port; the answer is a success with something in it.

import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { systems } from './contract.mjs';
import { base, root } from './client.mjs';

for (const system of systems) {
  test(`${system}: what its page says to try`, () => {
    const page = readFileSync(`${root}docs/systems/${system}.md`, 'utf8');
    const [, block] = page.match(/^## Try it\n[^]*?^```sh\n([^]*?)^```$/m);
    assert.match(block, /^curl -s /m);
    const script = block.replaceAll('http://127.0.0.1:8080', base.origin).replace('curl -s', 'curl -sf');
    const { status, stdout, stderr } = spawnSync('bash', ['-e'], { input: script, cwd: root, encoding: 'utf8' });
    assert.equal(status, 0, `${script}\n${stdout}${stderr}`);
    // The fixtures hold tickets that this person sees.
    assert.match(JSON.stringify(JSON.parse(stdout)), /"(order_id|id|uuid)":/, stdout);
  });
}
