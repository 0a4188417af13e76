#!/bin/sh
# Pomona's agent: fetches the scripts that its server wants to be run on this Mac, runs each once, and tells how it ended.
#
# launchd starts it. It needs nothing but what every Mac has, and a managed profile that names the server (URL), this Mac
# (Device), its token (Token) and the key that the server signs with (SigningKey). Without the profile it ends quietly.
#
# How a script is run:
#  1. `next` is asked for an order, whose signature, Mac and age are checked. It is written down under $STATE/runs.
#  2. `begin` tells the server, with a number that only this run has. The server lets one begin and nobody else after it.
#  3. That it was started is written down before it is. Whatever happens from then on, it is never started again.
#  4. A process of its own (--run) keeps to the time limit and writes down how it ended, even while the agent is not there.
#  5. `end` is repeated until the server has heard it.
#
# For its tests only: POMONA_AGENT_PROFILE, _STATE, _LOG (paths), _TOOLS (a folder that comes first in PATH), _SHELL,
# _TICKS (how often a second it looks whether the script has ended), _GRACE (seconds between asking it to end and forcing it).

VERSION=1

set -u
umask 077
LC_ALL=C
PATH=${POMONA_AGENT_TOOLS:+$POMONA_AGENT_TOOLS:}/usr/bin:/bin:/usr/sbin:/sbin
export LC_ALL PATH

SELF=$0
SHELL_PATH=${POMONA_AGENT_SHELL:-/bin/sh}
PROFILE=${POMONA_AGENT_PROFILE:-/Library/Managed Preferences/com.pomona.agent.plist}
STATE=${POMONA_AGENT_STATE:-/var/db/pomona-agent}
LOG=${POMONA_AGENT_LOG:-/var/log/pomona-agent.log}
TICKS=${POMONA_AGENT_TICKS:-1}
GRACE=${POMONA_AGENT_GRACE:-10}
TICK=$(awk -v ticks="$TICKS" 'BEGIN { print 1 / ticks }')

KEPT_BYTES=65536     # of what a script prints; the rest is counted
ANSWER_BYTES=33554432
LOG_BYTES=262144
REMEMBERED=5000      # runs that are never run again, whatever the server says
CLOCK_SECONDS=3600   # older orders are refused, and those from the future
REFUSED_SECONDS=900  # how long it is silent when its token is not known any more
UPDATE_SECONDS=3600  # between attempts to replace itself
LONGEST_PAUSE=256    # seconds, while the server cannot be reached
LIVE_SECONDS=3       # between pieces of output while a script runs

url='' token='' device='' signing_key='' scheme='=https'
interval=60 failures=0 refused_token='' refused_at=0 update_at=0 again=no status=000


# --- Small things -----------------------------------------------------------------------------------------------------
log() {
	if [ "$(size_of "$LOG")" -gt "$LOG_BYTES" ]; then
		mv -f "$LOG" "$LOG.old"
	fi
	printf '%s %s\n' "$(date '+%Y-%m-%d %H:%M:%S')" "$*" 2>/dev/null >>"$LOG"
}

size_of() { # FILE: bytes, 0 without one
	if [ -f "$1" ]; then
		echo "$(($(wc -c <"$1")))"
	else
		echo 0
	fi
}

is_number() { # TEXT: of at most nine digits
	case $1 in
	'' | *[!0-9]* | ??????????*) return 1 ;;
	esac
}

is_newer() { # VERSION THAN
	awk -v a="$1" -v b="$2" 'BEGIN {
		n = split(a, x, "."); m = split(b, y, ".")
		for (i = 1; i <= n || i <= m; i++) if (x[i] + 0 != y[i] + 0) exit !(x[i] + 0 > y[i] + 0)
		exit 1
	}'
}

write() { # FILE TEXT: the file is there with all of it, or not at all
	printf '%s\n' "$2" >"$1.new" && mv -f "$1.new" "$1"
}

boot() { # which start of the system this is
	sysctl -n kern.bootsessionuuid 2>/dev/null || sysctl -n kern.boottime 2>/dev/null
}

is_agent() { # PID WORD: the process lives, and is this program
	kill -0 "$1" 2>/dev/null && ps -ww -p "$1" -o command= 2>/dev/null | grep -q -e "$2"
}


# --- The profile ------------------------------------------------------------------------------------------------------
read_profile() {
	xml=$(plutil -convert xml1 -o - "$PROFILE" 2>/dev/null) || return 1
	url=$(preference URL) token=$(preference Token) device=$(preference Device) signing_key=$(preference SigningKey)
	case $token in '' | *[!A-Za-z0-9._~+/=-]*) return 1 ;; esac
	case $signing_key in '' | *[!A-Za-z0-9+/=]*) return 1 ;; esac
	case $device in '' | *[!A-Za-z0-9-]*) return 1 ;; esac
	case $url in *[!][A-Za-z0-9.:/_~%-]*) return 1 ;; esac
	case $url in
	https://?*) scheme='=https' ;;
	http://127.0.0.1[:/]* | http://localhost[:/]*) scheme='=http,https' ;;
	*) return 1 ;;
	esac
}

preference() { # NAME
	printf '%s\n' "$xml" |
		sed -n "/<key>$1<\/key>/{n;s/^[[:space:]]*<string>\(.*\)<\/string>[[:space:]]*\$/\1/p;}" |
		sed -e 's/&lt;/</g' -e 's/&gt;/>/g' -e 's/&quot;/"/g' -e "s/&apos;/'/g" -e 's/&amp;/\&/g' |
		head -n 1
}


# --- Talking with the server ------------------------------------------------------------------------------------------
# The answer's body is in $work/body, its headers in $work/headers, the status in $status, which is 000 when none came.
call() { # METHOD PATH [FILE] [SECONDS]
	: >"$work/body"
	: >"$work/headers"
	# The token goes in by stdin: everybody may read the command lines of others.
	status=$(
		{
			printf 'url = "%s/%s"\nrequest = "%s"\n' "$url" "$2" "$1"
			printf 'header = "Authorization: Bearer %s"\n' "$token"
			printf 'header = "Pomona-Agent-Version: %s"\n' "$VERSION"
			printf 'header = "Content-Type: application/octet-stream"\nheader = "Expect:"\n'
			if [ "$1" = POST ]; then
				# Not `data = ""`: older versions of curl take that for a missing value, and send no length.
				printf 'data-binary = "@%s"\n' "${3:-/dev/null}"
			fi
		} | curl -q --config - --silent --globoff --proto "$scheme" --connect-timeout 15 --max-time "${4:-300}" \
			--max-filesize "$ANSWER_BYTES" --output "$work/body" --dump-header "$work/headers" --write-out '%{http_code}'
	) || status=000
	if [ "$status" = 401 ] && [ "$refused_token" != "$token" ]; then
		log "the server does not know the token of this Mac (any more)"
	fi
	if [ "$status" = 401 ]; then
		refused_token=$token refused_at=$(date +%s)
	fi
}

header() { # NAME in lower case
	awk -v name="$1" '{
		sub(/\r$/, ""); i = index($0, ":")
		if (i && tolower(substr($0, 1, i - 1)) == name) { value = substr($0, i + 1); sub(/^[ \t]+/, "", value) }
	} END { print value }' "$work/headers"
}

is_genuine() { # FILE: the server signed it, as the header of the answer proves
	{
		echo '-----BEGIN PUBLIC KEY-----'
		echo "$signing_key" | fold -w 64
		echo '-----END PUBLIC KEY-----'
	} >"$work/key"
	header pomona-signature | openssl base64 -d -A >"$work/signature" 2>/dev/null
	[ -s "$work/signature" ] || return 1
	openssl dgst -sha256 -verify "$work/key" -signature "$work/signature" "$1" >/dev/null 2>&1
}

is_silenced() { # the token was refused a short while ago, and there is no other one since
	[ "$token" = "$refused_token" ] && [ $(($(date +%s) - refused_at)) -lt "$REFUSED_SECONDS" ]
}


# --- Fetching an order ------------------------------------------------------------------------------------------------
poll() {
	call POST next
	case $status in
	200 | 204) failures=0 ;;
	*)
		failures=$((failures + 1))
		return
		;;
	esac
	seconds=$(header pomona-poll-seconds)
	if is_number "$seconds" && [ "$seconds" -ge 1 ] && [ "$seconds" -le 86400 ]; then
		interval=$seconds
	fi
	if [ "$status" = 200 ]; then
		take
	else
		update "$(header pomona-agent-program)"
	fi
}

take() { # write down the order in $work/body, if it is one for us
	mv "$work/body" "$work/order"
	id=$(field "$work/order" Run)
	case $id in
	'' | *[!0-9a-f-]* | -*)
		log "the server answered with something that is no order"
		return
		;;
	esac
	why=$(objection)
	if [ -n "$why" ]; then
		log "run $id is refused: $why"
		call POST "runs/$id/end?why=$why"
		return
	fi
	# Another process of ours may have it already: only one can make the folder.
	mkdir "$STATE/runs/$id" 2>/dev/null || return
	dir=$STATE/runs/$id
	length=$(field "$work/order" Script-Length)
	openssl rand -hex 16 >"$dir/claim"
	tail -c "$length" "$work/order" >"$dir/script"
	chmod 700 "$dir/script"
	if [ "$(size_of "$dir/claim")" -lt 32 ] || [ "$(size_of "$dir/script")" -ne "$length" ] ||
		! { cp "$work/order" "$dir/order.new" && mv "$dir/order.new" "$dir/order"; }; then
		log "run $id cannot be written down: is the disk full?"
		rm -rf "$dir"
		return
	fi
	attend "$dir"
}

field() { # ORDER NAME: from the lines before the first empty one
	sed -n -e '/^$/q' -e "s/^$2: //p" "$1" | head -n 1
}

objection() { # why the order in $work/order is not carried out, in a word; nothing when it is
	if [ "$(head -n 1 "$work/order")" != 'Pomona-Order: 1' ]; then
		echo unknown
	elif ! is_genuine "$work/order"; then
		echo signature
	elif [ "$(field "$work/order" Device)" != "$device" ]; then
		echo device
	elif ! is_fresh "$(field "$work/order" Issued)"; then
		echo clock
	elif ! is_number "$(field "$work/order" Timeout)" || ! is_number "$(field "$work/order" Script-Length)"; then
		echo unknown
	elif grep -q -x -F -e "$id" "$STATE/history" 2>/dev/null && [ ! -d "$STATE/runs/$id" ]; then
		echo repeat
	else
		case $(field "$work/order" Run-As) in
		root | console_user) ;;
		*) echo unknown ;;
		esac
	fi
}

is_fresh() { # SECONDS since 1970, with ten digits
	case $1 in '' | *[!0-9]* | ????????????*) return 1 ;; esac
	age=$(($(date +%s) - $1))
	[ "$age" -le "$CLOCK_SECONDS" ] && [ "$age" -ge "-$CLOCK_SECONDS" ]
}


# --- One run, from the order to the end -------------------------------------------------------------------------------
attend() { # DIR: go on where it stands. False when the server could not be reached: the folder stays, for the next time.
	dir=$1 id=${1##*/}
	if [ ! -f "$dir/order" ]; then
		# It was cut off while it was written down, and so cannot have begun.
		rm -rf "$dir"
		return 0
	fi
	claim=$(cat "$dir/claim")
	if [ ! -e "$dir/started" ]; then
		begin || return 1
	fi
	if [ -e "$dir/started" ]; then
		follow
		finish || return 1
	fi
}

begin() {
	call POST "runs/$id/begin?claim=$claim"
	case $status in
	2??)
		# Without these two lines on the disk it could be started again.
		echo "$id" >>"$STATE/history" && write "$dir/started" "$(boot)" || return 1
		sync
		log "run $id begins"
		start_group "$SHELL_PATH" "$SELF" --run "$dir" </dev/null >/dev/null 2>&1
		;;
	400 | 404 | 409 | 410)
		log "run $id is not to be run: status $status"
		rm -rf "$dir"
		;;
	*) return 1 ;;
	esac
}

follow() { # until $dir/exit says how it ended
	waited=0 sent=0 live_at=$((LIVE_SECONDS * TICKS))
	while [ ! -e "$dir/exit" ]; do
		if [ "$(cat "$dir/started")" != "$(boot)" ]; then
			give_up reboot
		elif [ ! -e "$dir/pid" ]; then
			# Whoever makes this folder decides: the process that is to run it, or we, who wait for it no longer.
			if [ "$waited" -ge $((10 * TICKS)) ] && mkdir "$dir/going" 2>/dev/null; then
				give_up interrupted
			elif [ "$waited" -ge $((20 * TICKS)) ]; then
				give_up interrupted
			fi
		elif ! is_agent "$(cat "$dir/pid")" --run && [ ! -e "$dir/exit" ]; then
			if [ -s "$dir/child" ] && is_agent "$(cat "$dir/child")" script; then
				end_group "$(cat "$dir/child")"
			fi
			rm -f "$dir/child"
			give_up interrupted
		fi
		if [ "$waited" -ge "$live_at" ]; then
			show
			live_at=$((waited + LIVE_SECONDS * TICKS))
		fi
		sleep "$TICK"
		waited=$((waited + 1))
	done
}

give_up() { # WHY: nobody will write down how it ended
	[ -e "$dir/exit" ] || write "$dir/exit" "- $1 $(size_of "$dir/output")"
	if [ -f "$dir/place" ]; then
		remove_place "$(cat "$dir/place")"
	fi
}

show() { # what it has printed since the last time; the server says how many bytes it has
	[ "$(field "$dir/order" Live)" = yes ] || return 0
	[ "$(size_of "$dir/output")" -gt "$sent" ] || return 0
	tail -c "+$((sent + 1))" "$dir/output" >"$work/part"
	call POST "runs/$id/output?claim=$claim&offset=$sent" "$work/part" 20
	told=$(header pomona-output-bytes)
	if [ "$status" = 204 ] && is_number "$told"; then
		sent=$told
	fi
}

finish() {
	read -r code why total <"$dir/exit"
	[ -f "$dir/output" ] || : >"$dir/output"
	call POST "runs/$id/end?claim=$claim&why=$why&exit=$code&bytes=$total" "$dir/output"
	case $status in
	2?? | 400 | 404 | 409 | 410 | 413)
		log "run $id ended: $why, exit code $code, $total bytes of output; the server answered $status"
		rm -rf "$dir"
		again=yes
		;;
	*)
		return 1
		;;
	esac
}


# --- The process that runs a script (--run DIR) -----------------------------------------------------------------------
run() {
	dir=$1
	mkdir "$dir/going" 2>/dev/null || exit 0
	write "$dir/pid" $$
	: >"$dir/output"
	mkfifo "$dir/pipe" || exit 1
	(
		# A byte at a time: what is printed can be seen at once, and none is lost between the two.
		dd bs=1 count="$KEPT_BYTES" of="$dir/output" 2>/dev/null
		wc -c >"$dir/rest.new" && mv "$dir/rest.new" "$dir/rest"
	) <"$dir/pipe" 2>/dev/null &
	reader=$!
	cd /
	why=exited child=''
	umask 022
	if [ "$(field "$dir/order" Run-As)" = console_user ]; then
		as_console_user
	else
		start_group env -i HOME=/var/root USER=root LOGNAME=root SHELL=/bin/sh PATH="$PATH" \
			"$dir/script" </dev/null >"$dir/pipe" 2>&1
		child=$started
	fi
	umask 077
	if [ -z "$child" ]; then
		kill "$reader" 2>/dev/null
		write "$dir/exit" "- no_user 0"
		exit 0
	fi
	write "$dir/child" "$child"
	watch
	wait "$child"
	code=$?
	# What it left behind may hold the pipe for as long as it likes: it is not waited for.
	waited=0
	while kill -0 "$reader" 2>/dev/null && [ "$waited" -lt $(((GRACE + 1) * TICKS / 2)) ]; do
		sleep "$TICK"
		waited=$((waited + 1))
	done
	total=$(size_of "$dir/output")
	if [ -f "$dir/rest" ]; then
		total=$((total + $(cat "$dir/rest")))
	fi
	[ ! -f "$dir/place" ] || remove_place "$(cat "$dir/place")"
	write "$dir/exit" "$code $why $total"
}

as_console_user() { # whose session owns the screen; nobody's when the login window is there
	user=$(stat -f %Su /dev/console 2>/dev/null)
	case $user in '' | root | loginwindow | _* | -*) return ;; esac
	uid=$(id -u "$user" 2>/dev/null) || return
	# They may not look into our folder.
	place=$(mktemp -d /tmp/pomona-agent.XXXXXX) || return
	write "$dir/place" "$place"
	cp "$dir/script" "$place/script"
	chmod 700 "$place" "$place/script"
	chown "$user" "$place/script" && chown "$user" "$place"
	start_group env -i PATH="$PATH" launchctl asuser "$uid" sudo -H -u "$user" -- \
		"$place/script" </dev/null >"$dir/pipe" 2>&1
	child=$started
}

remove_place() { # FOLDER
	case $1 in
	/tmp/pomona-agent.*/* | *..*) ;;
	/tmp/pomona-agent.*) rm -rf "$1" ;;
	esac
}

watch() { # until it has ended, or its time is over. Counted in ticks: the time in which a Mac sleeps does not count.
	limit=$(($(field "$dir/order" Timeout) * TICKS)) spent=0
	while kill -0 "$child" 2>/dev/null; do
		if [ "$spent" -ge "$limit" ]; then
			why=timeout
			end_group "$child"
			return
		fi
		sleep "$TICK"
		spent=$((spent + 1))
	done
}

# The command runs in the background, in a process group of its own, whose id is in $started.
start_group() { # COMMAND ...
	set -m 2>/dev/null
	case $- in
	*m*)
		"$@" &
		started=$!
		set +m
		;;
	*)
		# Some shells have no job control without a terminal.
		perl -e 'setpgrp(0, 0); exec { $ARGV[0] } @ARGV or exit 127' -- "$@" &
		started=$!
		;;
	esac
}

end_group() { # PID: the process, its group, and whatever they started; those that do not obey are forced to
	# Of those that left the group, only the ones whose parents still live can be found.
	others=$(ps -A -o pid= -o ppid= | awk -v root="$1" '
		{ parent[$1] = $2 }
		END { for (pid in parent) {
			at = pid; steps = 0
			while (at != root && at in parent && at > 1 && steps++ < 1000) at = parent[at]
			if (at == root) print pid
		} }')
	signal TERM "-$1" $others
	left=$((GRACE * TICKS))
	while [ "$left" -gt 0 ] && is_any_alive "-$1" $others; do
		sleep "$TICK"
		left=$((left - 1))
	done
	signal KILL "-$1" $others
}

signal() { # NAME PID ...
	name=$1
	shift
	for pid in "$@"; do
		kill -s "$name" -- "$pid" 2>/dev/null
	done
}

is_any_alive() { # PID ...
	for pid in "$@"; do
		kill -0 -- "$pid" 2>/dev/null && return 0
	done
	return 1
}


# --- A newer program --------------------------------------------------------------------------------------------------
update() { # VERSION that the server has
	case $1 in '' | *[!0-9.]*) return ;; esac
	is_newer "$1" "$VERSION" || return
	[ "$(date +%s)" -ge "$update_at" ] || return
	update_at=$(($(date +%s) + UPDATE_SECONDS))
	call GET program
	[ "$status" = 200 ] || return
	if [ "$(head -n 1 "$work/body")" != '#!/bin/sh' ] || ! is_genuine "$work/body"; then
		log "version $1 is refused: it is not signed by the server of this Mac"
	elif ! grep -q -x -F -e "VERSION=$1" "$work/body" || ! "$SHELL_PATH" -n "$work/body" 2>/dev/null; then
		log "version $1 is refused: it is not what the server said"
	elif ! { cp "$work/body" "$SELF.new" && chmod 755 "$SELF.new" && sync && mv -f "$SELF.new" "$SELF"; } 2>/dev/null; then
		log "version $1 could not be written to $SELF"
	else
		log "version $1 takes the place of version $VERSION"
		rm -rf "$work"
		exec "$SHELL_PATH" "$SELF"
	fi
}


# --- The agent --------------------------------------------------------------------------------------------------------
main() {
	read_profile || exit 0
	mkdir -p "$STATE/runs" && chmod 700 "$STATE" || exit 1
	lock || exit 0
	rm -rf "$STATE"/work.*
	work=$(mktemp -d "$STATE/work.XXXXXX") || exit 1
	trap 'rm -rf "$work"; [ "$(cat "$STATE/lock" 2>/dev/null)" != "$mine" ] || rm -f "$STATE/lock"' EXIT
	log "version $VERSION begins"
	while read_profile; do
		again=no
		is_silenced || serve
		trim_history
		[ "$again" = yes ] || pause
	done
	log "the profile is gone"
}

serve() { # what is unfinished first; one new order at most
	for unfinished in "$STATE"/runs/*; do
		[ -d "$unfinished" ] || continue
		if ! attend "$unfinished"; then
			failures=$((failures + 1))
			return
		fi
	done
	poll
}

pause() { # until the next turn: soon after the first failure, then later and later
	seconds=$interval
	if [ "$failures" -gt 0 ] && ! is_silenced; then
		seconds=1 turn=0
		while [ "$turn" -lt "$failures" ] && [ "$seconds" -lt "$LONGEST_PAUSE" ]; do
			seconds=$((seconds * 2)) turn=$((turn + 1))
		done
	fi
	# Not all Macs at once.
	sleep "$(awk -v seconds="$seconds" -v seed="$$$(date +%S)" 'BEGIN { srand(seed); print seconds * (0.8 + 0.4 * rand()) }')"
}

trim_history() {
	if [ "$(size_of "$STATE/history")" -gt $((REMEMBERED * 100)) ]; then
		tail -n "$REMEMBERED" "$STATE/history" >"$STATE/history.new" && mv -f "$STATE/history.new" "$STATE/history"
	fi
}

# Two at once would do no harm, since each run has one folder and one beginning; but one is enough.
lock() {
	mine="$$ $(boot)"
	printf '%s\n' "$mine" >"$STATE/lock.$$"
	ln "$STATE/lock.$$" "$STATE/lock" 2>/dev/null
	held=$(cat "$STATE/lock" 2>/dev/null)
	if [ "$held" != "$mine" ] && ! { [ "${held#* }" = "$(boot)" ] && is_agent "${held%% *}" pomona-agent; }; then
		# Whoever held it is gone. If somebody else finds that out at the same time, both may go on.
		mv -f "$STATE/lock.$$" "$STATE/lock"
		held=$mine
	fi
	rm -f "$STATE/lock.$$"
	[ "$held" = "$mine" ]
}

case ${1-} in
--run) run "$2" ;;
--version) echo "$VERSION" ;;
*) main ;;
esac
