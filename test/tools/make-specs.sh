#!/usr/bin/env bash
#
# make-specs.sh: writes test/specs/iso_*.spec, one for each pair of statements
# that compete for a ticket.
#
# Session 1 and session 2 do something to the same ticket, by plain SQL (u) or
# by workorder.act() (a), at each isolation level (rc, rr, sr), in five orders:
#
#   u1 u2 c1 c2        session 2 has to wait for session 1, which commits
#   u1 u2 r1 c2        the same, but session 1 rolls back
#   u2 u1 c2 c1        session 1 has to wait for session 2
#   u1 c1 u2 c2        session 2 comes when session 1 is through
#   look2 u1 c1 u2 c2  the same, but session 2 has looked at the ticket before
#
# The last step shows the ticket, what ann (session 1) and bob (session 2) have
# done to it by its journal, and what verify() finds, which is nothing: "sound".
# condense.sh makes a line of each permutation, which says who won and what the
# other was told.  After a change here, run this, then read what changes in
# expected/iso_*.out.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# What the specs have in common: the flow, three bosses, and ticket 1 in draft.
# In a spec a brace ends the SQL, wherever it stands; so they are written (( ))
# there, and made braces again by the server.
flow='{"id": "doc", "roles": ["boss"], "initial": "draft",
    "on": {"create": {"allow": ["*"]}, "view": {"allow": ["*"]}, "comment": {"allow": ["*"]},
           "delete": {"allow": ["boss"]}},
    "states": {
      "draft": {"on": {"update": {"allow": ["*"]}, "submit": {"target": "review", "allow": ["*"]}}},
      "review": {"on": {"approve": {"target": "approved", "allow": ["boss"]},
                        "reject": {"target": "rejected", "allow": ["boss"]},
                        "sign": {"target": "approved", "allow": ["boss"], "quorum": 2}}},
      "approved": {"type": "final"}, "rejected": {"type": "final"}}}'

document() {
  local text=${1//\{/((}
  printf "replace(replace('%s', '((', chr(123)), '))', chr(125))::jsonb" "${text//\}/))}"
}

# by_sql <action>, by_act <action>: the two ways to take an action
by_sql() { echo "UPDATE doc SET action = '$1' WHERE id = 1 RETURNING state, revision;"; }
by_act() { echo "SELECT * FROM workorder.act('doc', 1, '$1');"; }

# spec <name> <what it is about> <before> <u1> <a1> <u2> <a2>: before is SQL of
# a DO block; a way that there is not is given as an empty word.
spec() {
  local name=$1 about=$2 before=$3 level first second
  declare -A way=([u1]=$4 [a1]=$5 [u2]=$6 [a2]=$7)
  steps() {
    for step; do
      [ -z "${way[$step]}" ] || printf 'step %s  { %s }\n' "$step" "${way[$step]}"
    done
  }
  {
    cat <<SPEC
# $about
# Made by test/tools/make-specs.sh, which explains the orders.

# What all these specs share is made once; every permutation begins anew.
setup
{
  DO \$do\$
  BEGIN
    SET LOCAL client_min_messages = warning;
    IF to_regclass('doc') IS NULL THEN
      CREATE EXTENSION workorder CASCADE;
      PERFORM workorder.install();
      PERFORM workorder.enrol(login, login, ARRAY['boss']) FROM unnest(ARRAY['ann', 'bob', 'cid']) login;
      PERFORM workorder.publish($(document "$flow"));
      CREATE TABLE doc (tenant_id bigint NOT NULL DEFAULT workorder.tenant_id(),
        id bigint GENERATED ALWAYS AS IDENTITY, title text, PRIMARY KEY (tenant_id, id));
      PERFORM workorder.guard('doc', 'doc');
      CREATE VIEW outcome AS
      SELECT (SELECT string_agg(concat_ws(' ', d.id, d.state, d.revision, 'v' || f.version, nullif(d.title, 'first'), d.votes), ', ' ORDER BY d.id)
              FROM doc d JOIN workorder.flow f ON f.id = d.flow_id) AS tickets,
        (SELECT string_agg(concat_ws(' ', h.actor, h.action, nullif(concat_ws(' -> ', nullif(h.from_state, h.to_state), nullif(h.to_state, h.from_state)), '')), ', ' ORDER BY h.ticket_id, h.revision)
         FROM workorder.history h WHERE h.relation = 'doc'::regclass AND h.actor IS DISTINCT FROM 'cid') AS done,
        coalesce((SELECT string_agg(v.code, ', ') FROM workorder.verify() v), 'sound') AS verify;
    END IF;
    SET LOCAL session_replication_role = replica;
    DELETE FROM doc;
    DELETE FROM workorder.journal;
    DELETE FROM workorder.flow WHERE version > 1;
    UPDATE workorder.flow SET life = 'published';
    SET LOCAL session_replication_role = origin;
    PERFORM workorder.refresh_flow('doc');
    ALTER TABLE doc ALTER id RESTART;
    SET LOCAL workorder.actor = 'cid';
    INSERT INTO doc (title) VALUES ('first');
$before  END
  \$do\$;
}

session s1
setup { SET workorder.actor = 'ann'; }
step rc1 { BEGIN ISOLATION LEVEL READ COMMITTED; }
step rr1 { BEGIN ISOLATION LEVEL REPEATABLE READ; }
step sr1 { BEGIN ISOLATION LEVEL SERIALIZABLE; }
$(steps u1 a1)
step c1  { COMMIT; }
step r1  { ROLLBACK; }

session s2
setup { SET workorder.actor = 'bob'; }
step rc2 { BEGIN ISOLATION LEVEL READ COMMITTED; }
step rr2 { BEGIN ISOLATION LEVEL REPEATABLE READ; }
step sr2 { BEGIN ISOLATION LEVEL SERIALIZABLE; }
step look2 { SELECT state, revision FROM doc WHERE id = 1; }
$(steps u2 a2)
step c2  { COMMIT; }

session s3
step show { TABLE outcome; }
SPEC
    for level in rc rr sr; do
      for first in u1 a1; do
        for second in u2 a2; do
          [ -n "${way[$first]}" ] && [ -n "${way[$second]}" ] || continue
          echo
          echo "permutation ${level}1 ${level}2 $first $second c1 c2 show"
          echo "permutation ${level}1 ${level}2 $first $second r1 c2 show"
          echo "permutation ${level}1 ${level}2 $second $first c2 c1 show"
          echo "permutation ${level}1 ${level}2 $first c1 $second c2 show"
          echo "permutation ${level}1 ${level}2 look2 $first c1 $second c2 show"
        done
      done
    done
  } >"test/specs/iso_$name.spec"
}

submitted="    UPDATE doc SET action = 'submit' WHERE id = 1;
"

spec approve_approve 'Two people approve the same ticket: one does, the other comes too late.' "$submitted" \
  "$(by_sql approve)" "$(by_act approve)" "$(by_sql approve)" "$(by_act approve)"

spec approve_reject 'One approves, one rejects: the ticket goes one way.' "$submitted" \
  "$(by_sql approve)" "$(by_act approve)" "$(by_sql reject)" "$(by_act reject)"

spec last_vote 'One of two signatures is given, and two people give the last one: it is given once.' \
  "$submitted    UPDATE doc SET action = 'sign' WHERE id = 1;
" "$(by_sql sign)" "$(by_act sign)" "$(by_sql sign)" "$(by_act sign)"

spec first_votes 'Two people sign, and two signatures are needed: none is lost, and the ticket is not left pending.' \
  "$submitted" "$(by_sql sign)" "$(by_act sign)" "$(by_sql sign)" "$(by_act sign)"

spec edit_act 'One edits while another submits: who submits decides about what they have seen, and what is submitted is not edited.' '' \
  "UPDATE doc SET title = 'edited' WHERE id = 1 RETURNING state, revision;" \
  "SELECT * FROM workorder.act('doc', 1, 'update', changes => jsonb_build_object('title', 'edited'), expect_revision => 1);" \
  "$(by_sql submit)" "SELECT * FROM workorder.act('doc', 1, 'submit', expect_revision => 1);"

spec expect_revision 'Both may do it in any state, but each wants the ticket as they have read it.' '' \
  "UPDATE doc SET action = 'comment', note = 'one' WHERE id = 1 AND revision = 1 RETURNING state, revision;" \
  "SELECT * FROM workorder.act('doc', 1, 'comment', 'one', expect_revision => 1);" \
  "UPDATE doc SET action = 'comment', note = 'two' WHERE id = 1 AND revision = 1 RETURNING state, revision;" \
  "SELECT * FROM workorder.act('doc', 1, 'comment', 'two', expect_revision => 1);"

spec delete_act 'One deletes the ticket that another approves.' "$submitted" \
  "DELETE FROM doc WHERE id = 1 RETURNING id;" '' "$(by_sql approve)" "$(by_act approve)"

# The next version knows no "approve", and only bosses may see its tickets.
publish="SELECT workorder.publish(jsonb_set(definition #- ARRAY['states', 'review', 'on', 'approve'], ARRAY['on', 'view', 'allow'], '[\"boss\"]')) FROM workorder.flow;"

spec act_publish 'A version is published while a ticket of the one before is approved: the ticket stays on its own.' "$submitted" \
  "$(by_sql approve)" "$(by_act approve)" "$publish" ''

spec create_publish 'A version is published while a ticket is created: it is on the one or the other.' '' \
  "INSERT INTO doc (title) VALUES ('second') RETURNING state, revision;" '' "$publish" ''

# The next version calls "review" "check"; the ticket is moved there by the owner.
next="jsonb_set(definition #- ARRAY['states', 'review'], ARRAY['states'], (definition #- ARRAY['states', 'review', 'on', 'sign'] -> 'states') - 'review' || jsonb_build_object('check', definition #> ARRAY['states', 'review'])) #- ARRAY['states', 'draft', 'on', 'submit', 'target']"
next="jsonb_set($next, ARRAY['states', 'draft', 'on', 'submit', 'target'], '\"check\"')"
migrate="SELECT code, state, target, tickets FROM workorder.migrate('doc', (SELECT id FROM workorder.flow WHERE version = 1), (SELECT id FROM workorder.flow WHERE version = 2), jsonb_build_object('review', 'check'), false);"

spec act_migrate 'Tickets go to the next version while one of them is approved: it is moved as it is then, or approved by the new version.' \
  "$submitted    PERFORM workorder.publish($next) FROM workorder.flow;
" "$(by_sql approve)" "$(by_act approve)" "$migrate" ''

spec publish_migrate 'Tickets go to the next version while yet another one is published.' \
  "$submitted    PERFORM workorder.publish($next) FROM workorder.flow;
" "SELECT workorder.publish(jsonb_set(definition, ARRAY['description'], '\"third\"')) > 0 FROM workorder.flow WHERE version = 2;" '' "$migrate" ''
