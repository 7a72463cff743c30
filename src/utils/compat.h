/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  Every PG_VERSION_NUM test of the extension lives here (15 to 19).
 *
 * Each entry names what changed upstream, so that it can go when the oldest
 * supported major no longer needs it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef WO_COMPAT_H
#define WO_COMPAT_H

#if PG_VERSION_NUM < 150000 || PG_VERSION_NUM >= 200000
#error "workorder supports PostgreSQL 15 to 19"
#endif

#include "catalog/pg_class.h"
#include "utils/acl.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

/* 16 moved the varlena macros out of postgres.h */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#include "nodes/miscnodes.h"
#endif

/* 16 replaced the per-object aclcheck functions by one */
#if PG_VERSION_NUM >= 160000
#define wo_owns_relation(relid, role) object_ownercheck(RelationRelationId, (relid), (role))
#else
#define wo_owns_relation(relid, role) pg_class_ownercheck((relid), (role))
#endif

/* 16 has settings allocated by guc_malloc(), and decoding tell more about an error */
#if PG_VERSION_NUM >= 160000
#define wo_guc_malloc(size) guc_malloc(LOG, (size))
#define wo_guc_free(pointer) guc_free(pointer)
#define wo_decode_date_time(field, ftype, nf, dtype, tm, fsec, tz) \
	DecodeDateTime((field), (ftype), (nf), (dtype), (tm), (fsec), (tz), &(DateTimeErrorExtra) {0})
#else
#define wo_guc_malloc(size) malloc(size)
#define wo_guc_free(pointer) free(pointer)
#define wo_decode_date_time(field, ftype, nf, dtype, tm, fsec, tz) \
	DecodeDateTime((field), (ftype), (nf), (dtype), (tm), (fsec), (tz))
#endif

/* 16 moved the columns of a statement into RTEPermissionInfo, 18 made pruning known here */
#if PG_VERSION_NUM >= 180000
#define wo_init_range_table(estate, rte, columns) \
	do { \
		List *perminfos_ = NIL; \
		addRTEPermissionInfo(&perminfos_, (rte))->updatedCols = (columns); \
		ExecInitRangeTable((estate), list_make1(rte), perminfos_, bms_make_singleton(1)); \
	} while (0)
#elif PG_VERSION_NUM >= 160000
#define wo_init_range_table(estate, rte, columns) \
	do { \
		List *perminfos_ = NIL; \
		addRTEPermissionInfo(&perminfos_, (rte))->updatedCols = (columns); \
		ExecInitRangeTable((estate), list_make1(rte), perminfos_); \
	} while (0)
#else
#define wo_init_range_table(estate, rte, columns) \
	do { \
		(rte)->updatedCols = (columns); \
		ExecInitRangeTable((estate), list_make1(rte)); \
	} while (0)
#endif

/* 18 records name and version in the module magic */
#if PG_VERSION_NUM >= 180000
#define WO_MODULE_MAGIC PG_MODULE_MAGIC_EXT(.name = "workorder", .version = WO_VERSION)
#else
#define WO_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* 18 says noreturn as C11 does, in front */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* 16 tells EvalPlanQual of result relations */
#if PG_VERSION_NUM >= 160000
#define wo_eval_plan_qual_init(epq, estate) EvalPlanQualInit((epq), (estate), NULL, NIL, -1, NIL)
#else
#define wo_eval_plan_qual_init(epq, estate) EvalPlanQualInit((epq), (estate), NULL, NIL, -1)
#endif

/* 17 lets an index keep work over several insertions; it has to be told the end */
#if PG_VERSION_NUM >= 170000
#define wo_index_insert_cleanup(index, info) index_insert_cleanup((index), (info))
#else
#define wo_index_insert_cleanup(index, info) ((void) 0)
#endif

/* 18 counts index searches, and may leave out a deferrable primary key; 19 says what a scan of a table is for */
#if PG_VERSION_NUM >= 190000
#define wo_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan((heap), (index), (snapshot), NULL, (nkeys), 0, SO_NONE)
#define wo_primary_key(rel) RelationGetPrimaryKeyIndex((rel), false)
#elif PG_VERSION_NUM >= 180000
#define wo_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan((heap), (index), (snapshot), NULL, (nkeys), 0)
#define wo_primary_key(rel) RelationGetPrimaryKeyIndex((rel), false)
#else
#define wo_index_beginscan(heap, index, snapshot, nkeys) \
	index_beginscan((heap), (index), (snapshot), (nkeys), 0)
#define wo_primary_key(rel) (RelationGetIndexList(rel), (rel)->rd_pkindex)
#endif

/* 16 replaced the per-object aclcheck functions by one here too, and may refuse SET ROLE to a member */
#if PG_VERSION_NUM >= 160000
#define wo_may_execute(function, role) (object_aclcheck(ProcedureRelationId, (function), (role), ACL_EXECUTE) == ACLCHECK_OK)
#define wo_may_become(member, role) member_can_set_role((member), (role))
#else
#define wo_may_execute(function, role) (pg_proc_aclcheck((function), (role), ACL_EXECUTE) == ACLCHECK_OK)
#define wo_may_become(member, role) is_member_of_role((member), (role))
#endif

/* 18 no longer tells the executor whether a statement is run once */
#if PG_VERSION_NUM >= 180000
#define WO_EXECUTOR_RUN_PARAMETERS QueryDesc *query, ScanDirection direction, uint64 count
#define WO_EXECUTOR_RUN_ARGUMENTS query, direction, count
#else
#define WO_EXECUTOR_RUN_PARAMETERS QueryDesc *query, ScanDirection direction, uint64 count, bool execute_once
#define WO_EXECUTOR_RUN_ARGUMENTS query, direction, count, execute_once
#endif

/* 19 keeps the value that is being built in a struct, and returns nothing */
#if PG_VERSION_NUM >= 190000
typedef JsonbInState WoJsonbState;
#define WO_JSONB_START {0}
static inline JsonbValue *
wo_push_jsonb(WoJsonbState *state, JsonbIteratorToken token, JsonbValue *value)
{
	pushJsonbValue(state, token, value);
	return state->result;
}
#else
typedef JsonbParseState *WoJsonbState;
#define WO_JSONB_START NULL
#define wo_push_jsonb(state, token, value) pushJsonbValue((state), (token), (value))
#endif

/* 19 replaced conversions that tell of an error by ones that save it */
#if PG_VERSION_NUM >= 190000
static inline int32
wo_numeric_int4(Numeric number, bool *failed)
{
	ErrorSaveContext escontext = {T_ErrorSaveContext};
	int32		result = numeric_int4_safe(number, (Node *) &escontext);

	*failed = escontext.error_occurred;
	return result;
}
#else
#define wo_numeric_int4(number, failed) numeric_int4_opt_error((number), (failed))
#endif

/* 19 takes options instead of saying whether the row moves to another partition */
#if PG_VERSION_NUM >= 190000
#define wo_table_tuple_delete(rel, tid, cid, snapshot, failure) \
	table_tuple_delete((rel), (tid), (cid), 0, (snapshot), InvalidSnapshot, false, (failure))
#else
#define wo_table_tuple_delete(rel, tid, cid, snapshot, failure) \
	table_tuple_delete((rel), (tid), (cid), (snapshot), InvalidSnapshot, false, (failure), false)
#endif

/* 19 dropped this encoding of servers */
#if PG_VERSION_NUM >= 190000
#define WO_MULE_INTERNAL (-1)
#else
#define WO_MULE_INTERNAL PG_MULE_INTERNAL
#endif

/* 19 has a word for a case that goes on into the next one */
#if PG_VERSION_NUM < 190000
#define pg_fallthrough __attribute__((fallthrough))
#endif

/* 16 builds modules with hidden visibility; exported entry points are marked by PG_FUNCTION_INFO_V1 */

#endif							/* WO_COMPAT_H */
