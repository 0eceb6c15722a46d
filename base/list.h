/* An intrusive doubly linked list with a sentinel: a queue of structs that embed a node. The list
 * never allocates and never owns. One thread, or the owner's lock. */
#ifndef HR_LIST_H
#define HR_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct hr_list {
    struct hr_list *next;
    struct hr_list *prev;
};

/* The struct of @type that embeds @node as its member @member. */
#define HR_LIST_OWNER(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

/* Makes @node an empty list, or an unlinked node. */
static inline void hr_list_init(struct hr_list *node)
{
    node->next = node;
    node->prev = node;
}

static inline bool hr_list_empty(const struct hr_list *list)
{
    return list->next == list;
}

static inline void hr_list_push_back(struct hr_list *list, struct hr_list *node)
{
    node->prev = list->prev;
    node->next = list;
    list->prev->next = node;
    list->prev = node;
}

/* Unlinks @node; harmless on an unlinked one. */
static inline void hr_list_remove(struct hr_list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    hr_list_init(node);
}

/* Unlinks and returns the first node, or NULL. */
static inline struct hr_list *hr_list_pop_front(struct hr_list *list)
{
    if (hr_list_empty(list)) {
        return NULL;
    }
    struct hr_list *node = list->next;
    hr_list_remove(node);
    return node;
}

/* Moves all nodes of @from to the end of @to. */
static inline void hr_list_move_all(struct hr_list *to, struct hr_list *from)
{
    if (hr_list_empty(from)) {
        return;
    }
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    hr_list_init(from);
}

#endif
