/*
 * stream/tally.h
 *	  What goes into a report: changes counted by kind, first and last position, the time between.
 */
#ifndef WALROW_STREAM_TALLY_H
#define WALROW_STREAM_TALLY_H

#include <walrow.h>

/** Count a change set that was delivered. */
void walrow__tally_changes(walrow_report *report, const walrow_changes *changes);
uint64_t walrow__peak_rss(void);

#endif
