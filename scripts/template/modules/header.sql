\echo Use "CREATE EXTENSION workorder_@name@ CASCADE" to load this file. \quit

-- Makes @name@.flow() and @name@.install().
SELECT workorder.define_addon('@name@', $flow$
@flow@
$flow$);
