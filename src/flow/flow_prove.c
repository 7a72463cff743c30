/*-------------------------------------------------------------------------
 *
 * flow_prove.c
 *	  Whether every way to a state passes another: the shortest way that does
 *	  not.
 *
 * What counts is where a ticket is and what its history remembers, so the
 * search goes over pairs of the two, moved as a ticket would be (flow.c).
 * Guards are taken to hold or not: an action bubbles from the leaf upwards
 * until a state surely decides it.  A flow has far fewer such pairs than it
 * could have; a limit keeps a monstrous one from taking the server's memory.
 * Works in the current memory context.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "miscadmin.h"

#include "flow/flow.h"

#define MAX_PLACES	1000000

typedef struct Place
{
	int			leaf;
	Jsonb	   *history;
	struct Place *from;			/* NULL at the start */
	const char *step;			/* what led here from there */
	struct Place *next;			/* in the order found */
} Place;

/* A set of places, by leaf and history. */
typedef struct PlaceKey
{
	int			leaf;
	Jsonb	   *history;
} PlaceKey;

static inline uint32
hash_place(PlaceKey key)
{
	uint32		hash = murmurhash32((uint32) key.leaf);

	if (key.history != NULL)
		hash = hash_combine(hash, hash_bytes((unsigned char *) VARDATA(key.history), VARSIZE(key.history) - VARHDRSZ));
	return hash;
}

static inline bool
same_place(PlaceKey a, PlaceKey b)
{
	if (a.leaf != b.leaf || (a.history == NULL) != (b.history == NULL))
		return false;
	return a.history == NULL ||
		(VARSIZE(a.history) == VARSIZE(b.history) &&
		 memcmp(a.history, b.history, VARSIZE(a.history)) == 0);
}

typedef struct PlaceEntry
{
	PlaceKey	key;
	uint32		hash;
	char		status;
} PlaceEntry;

#define SH_PREFIX places
#define SH_ELEMENT_TYPE PlaceEntry
#define SH_KEY_TYPE PlaceKey
#define SH_KEY key
#define SH_HASH_KEY(tb, key) hash_place(key)
#define SH_EQUAL(tb, a, b) same_place(a, b)
#define SH_STORE_HASH
#define SH_GET_HASH(tb, a) (a)->hash
#define SH_SCOPE static inline
#define SH_DEFINE
#define SH_DECLARE
#include "lib/simplehash.h"

typedef struct Search
{
	const WoFlow *flow;
	int			avoid;			/* state, -1 = none */
	const WoCandidateList *skip;	/* transitions that are not taken, NULL = none */
	places_hash *known;
	Place	   *last;			/* of those found */
} Search;

/*
 * find adds a place to those found, if it is new and not to be avoided.
 */
static void
find(Search *search, Place *from, const char *step, int leaf, Jsonb *history)
{
	Place	   *place;
	bool		known;

	if (search->avoid >= 0 && wo_flow_within(search->flow, leaf, search->avoid))
		return;
	(void) places_insert(search->known, (PlaceKey) {leaf, history}, &known);
	if (known)
		return;
	if (search->known->members > MAX_PLACES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("flow \"%s\" is too large to be searched", wo_shown(search->flow->name)),
				 errdetail("A ticket could be in more than %d places, counting what history remembers.", MAX_PLACES),
				 errhint("Ask about a part of it, as a flow of its own.")));
	place = palloc(sizeof(Place));
	*place = (Place) {leaf, history, from, step, NULL};
	search->last->next = place;
	search->last = place;
}

/*
 * follow_list finds where a list of transitions leads, and tells whether one
 * of them surely decides.
 */
static bool
follow_list(Search *search, Place *place, const WoCandidateList *list, const char *step)
{
	const WoState *rest = &search->flow->states[place->leaf];
	bool		decided = false;

	for (int i = 0; i < list->n; i++)
	{
		const WoCandidate *c = &list->item[i];

		/* a flow that is done stays where it is */
		if (c->target >= 0 && rest->done)
			continue;
		/* an empty "allow" shuts the way */
		if (c->target >= 0 && list != search->skip &&
			(c->action < 0 || !c->allow_given || c->everybody || c->roles != NULL || c->relations != NULL))
		{
			Jsonb	   *remembered;
			int			leaf = wo_flow_move(search->flow, c, place->leaf, place->history, &remembered);

			find(search, place, step, leaf, remembered);
		}
		if (c->guard_text == NULL)
			decided = true;
	}
	return decided;
}

/*
 * follow finds all that a place leads to.
 */
static void
follow(Search *search, Place *place)
{
	const WoFlow *flow = search->flow;

	for (int a = 0; a < flow->nactions; a++)
	{
		if (a == flow->action_view || a == flow->action_create)
			continue;
		for (int s = place->leaf; s >= 0; s = flow->states[s].parent)
			if (follow_list(search, place, &flow->states[s].on[a], flow->actions[a]))
				break;
	}
	for (int s = place->leaf; s >= 0; s = flow->states[s].parent)
		for (int d = 0; d < flow->states[s].ndelays; d++)
			(void) follow_list(search, place, &flow->states[s].delays[d].candidates,
							   flow->states[s].delays[d].action);
}

/*
 * begin finds where a ticket may start: in the initial state, or where
 * "create" leads from there.
 */
static void
begin(Search *search)
{
	const WoFlow *flow = search->flow;
	int			start = wo_flow_initial(flow);
	const WoCandidateList *list = NULL;

	for (int s = start; s >= 0 && flow->action_create >= 0 && list == NULL; s = flow->states[s].parent)
		if (flow->states[s].on[flow->action_create].n > 0)
			list = &flow->states[s].on[flow->action_create];
	if (list == NULL)
		find(search, NULL, NULL, start, NULL);
	for (int i = 0; list != NULL && i < list->n; i++)
	{
		Jsonb	   *remembered = NULL;
		int			leaf = list->item[i].target < 0 ? start :
			wo_flow_move(flow, &list->item[i], start, NULL, &remembered);

		find(search, NULL, NULL, leaf, remembered);
	}
}

/*
 * explore begins a search and goes on until it reaches a state: the place
 * there, NULL if none is found.
 */
static Place *
explore(Search *search, Place *head, int to)
{
	search->last = head;
	search->known = places_create(CurrentMemoryContext, 256, NULL);
	begin(search);
	for (Place *place = head->next; place != NULL; place = place->next)
	{
		CHECK_FOR_INTERRUPTS();
		if (wo_flow_within(search->flow, place->leaf, to))
			return place;
		follow(search, place);
	}
	return NULL;
}

/*
 * wo_flow_way finds the shortest way from the start to a state that does not
 * pass another (-1: none to avoid): states, and the steps between them; NIL if
 * there is none.
 */
List *
wo_flow_way(const WoFlow *flow, int to, int avoid)
{
	Place		head = {.leaf = -1};
	Search		search = {.flow = flow, .avoid = avoid};
	Place	   *place = explore(&search, &head, to);
	List	   *way = NIL;

	if (place == NULL)
		return NIL;
	for (; place->from != NULL; place = place->from)
		way = lcons((char *) place->step, lcons((char *) flow->states[place->leaf].path, way));
	return lcons((char *) flow->states[place->leaf].path, way);
}

/*
 * wo_flow_needs tells whether every way to a state takes one of these
 * transitions.
 */
bool
wo_flow_needs(const WoFlow *flow, int to, const WoCandidateList *list)
{
	Place		head = {.leaf = -1};
	Search		search = {.flow = flow, .avoid = -1, .skip = list};

	return explore(&search, &head, to) == NULL;
}
