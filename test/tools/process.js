'use strict';
// process.js: for tests that send signals to processes and wait for things to
// happen.  A signal is sent to what was looked at only, and nothing is waited
// for by the clock: a slow machine has all the time it needs.

const fs = require('node:fs');

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Asks until there is something (anything but undefined, null, false and '');
// resolves to it.  It fails after two minutes, as what never comes does.
async function until(what, condition, seconds = 120) {
  const deadline = Date.now() + 1000 * seconds;
  for (;;) {
    const found = await condition();
    if (found !== undefined && found !== null && found !== false && found !== '') return found;
    if (Date.now() > deadline) throw new Error(`waited ${seconds} s in vain: ${what}`);
    await pause(50);
  }
}

// Whether a process works in a directory or below it.
function worksIn(pid, directory) {
  try {
    const where = fs.readlinkSync(`/proc/${pid}/cwd`);
    return where === directory || where.startsWith(`${directory}/`);
  } catch {
    return false;
  }
}

// Sends a signal to a process that works in one of the directories or below it.
// 0 would be our own process group, -1 everybody, and a number that was
// remembered may belong to somebody else by now.
function signal(pid, name, ...directories) {
  const id = Number(pid);
  if (!Number.isInteger(id) || id <= 1) throw new Error(`${name}: ${JSON.stringify(pid)} is no process`);
  if (!directories.some((directory) => directory.length > 1 && worksIn(id, directory))) {
    throw new Error(`${name}: process ${id} does not work in ${directories.join(' or ')}`);
  }
  process.kill(id, name);
}

// Whether a process is there no more, or only its remains.
function isGone(pid) {
  try {
    return /\) Z /.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return true;
  }
}

module.exports = { isGone, pause, signal, until };
