#!/bin/sh
# After the agent's files are in place: owners, permissions, and the start. $3 is the volume that is installed to.
PATH=/usr/bin:/bin:/usr/sbin:/sbin
export PATH
label=com.pomona.agent
volume=${3:-/}
root=${volume%/}
program=$root/usr/local/pomona/pomona-agent
daemon=$root/Library/LaunchDaemons/$label.plist

# launchd refuses a daemon that anybody but root could change.
chown root:wheel "$root/usr/local/pomona" "$program" "$daemon" || exit 1
chmod 755 "$root/usr/local/pomona" "$program" || exit 1
chmod 644 "$daemon" || exit 1

# Another volume: launchd finds the daemon there when the Mac starts from it.
[ "$volume" = / ] || exit 0

launchctl enable "system/$label"
tries=0
until launchctl print "system/$label" >/dev/null 2>&1; do
	if [ "$tries" -ge 30 ]; then
		echo "launchd does not take $daemon" >&2
		exit 1
	fi
	# Not at the first attempt while the one before is still going.
	[ "$tries" -eq 0 ] || sleep 1
	tries=$((tries + 1))
	launchctl bootstrap system "$daemon" 2>/dev/null
done
launchctl kickstart "system/$label" >/dev/null 2>&1
exit 0
