-- Nothing of the extension is for PUBLIC.  Each module revokes what it makes;
-- this comes last and catches what a module might forget.

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA workorder FROM PUBLIC;
