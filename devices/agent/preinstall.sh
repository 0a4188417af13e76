#!/bin/sh
# Before the agent's files are replaced: nothing may start it meanwhile. $3 is the volume that is installed to.
PATH=/usr/bin:/bin:/usr/sbin:/sbin
export PATH
label=com.pomona.agent

# Another volume, as when a Mac is set up: its agent is not the one that runs here.
[ "${3:-/}" = / ] || exit 0

launchctl print "system/$label" >/dev/null 2>&1 || exit 0
launchctl bootout "system/$label" >/dev/null 2>&1
# It goes in its own time. A script that it runs goes on, and the next one follows it.
tries=0
while launchctl print "system/$label" >/dev/null 2>&1; do
	tries=$((tries + 1))
	[ "$tries" -lt 60 ] || break
	sleep 1
done
exit 0
