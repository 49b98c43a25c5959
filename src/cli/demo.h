/*
 * cli/demo.h
 *	  walrow demo.
 */
#ifndef WALROW_CLI_DEMO_H
#define WALROW_CLI_DEMO_H

/** Run it; the exit status. */
int demo_main(void);

#endif
