// Reporter for node --test: one flat line of TAP per test, which is what
// scripts/test counts.  Whoever runs it numbers the lines and writes the plan.

const comment = (text) => String(text).split('\n').map((line) => `# ${line}`).join('\n');

export default async function* report(source) {
  const groups = [];
  for await (const { type, data } of source) {
    if (type === 'test:start') {
      groups[data.nesting] = data.name;
      groups.length = data.nesting + 1;
    } else if (type === 'test:diagnostic' && !/^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) /.test(data.message)) {
      yield `${comment(data.message)}\n`;
    } else if (type === 'test:pass' || type === 'test:fail') {
      const name = [...groups.slice(0, data.nesting), data.name].join(': ').replace(/[\n#]+/g, ' ');
      const cause = data.details?.error?.cause ?? data.details?.error;
      // Older versions of node report a file as a test, too, and a test that
      // has tests of its own fails along with them.
      const isFile = name.endsWith('.mjs');
      const onlyInside = data.details?.error?.failureType === 'subtestsFailed';
      if (data.skip !== undefined || data.todo !== undefined) {
        yield `not ok - ${name} (skipped)\n`;
      } else if (type === 'test:pass') {
        yield isFile ? '' : `ok - ${name}\n`;
      } else if (!onlyInside) {
        yield `not ok - ${name}\n${comment(cause?.stack ?? cause?.message ?? cause)}\n`;
      }
    }
  }
}
