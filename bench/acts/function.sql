\set id random(1, :tickets)
SELECT new_revision, new_state FROM plain.act(1, :id, 'next', NULL, 1);
