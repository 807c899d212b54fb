# gptoss-watch PROGRAM [ARGS]: run a program until it ends, or until nobody watches it any more.
#
# Standard input is a heartbeat: one byte every few seconds. Its end (the channel was closed) or
# 45 seconds without a byte (the network went away without a word) end the program.
[ "$#" -gt 0 ] || exit 64
exec 3<&0
# A group of its own, so that what the program started ends with it.
if command -v setsid >/dev/null 2>&1; then
    setsid "$@" </dev/null 3<&- &
    child=$! group=-$!
else
    "$@" </dev/null 3<&- &
    child=$! group=$!
fi
(
    # `timeout` is missing on few systems; without it only the end of the channel ends the program.
    if command -v timeout >/dev/null 2>&1; then beat='timeout 45 dd bs=1 count=1'; else beat='dd bs=1 count=1'; fi
    while [ -n "$($beat 2>/dev/null)" ]; do :; done
    kill -TERM "$group" 2>/dev/null
    # What ends by itself leaves no sleep of ours behind.
    nap=
    trap 'kill "$nap" 2>/dev/null; exit' TERM
    sleep 1 &
    nap=$!
    wait "$nap"
    kill -KILL "$group" 2>/dev/null
) <&3 3<&- >/dev/null 2>&1 &
guard=$!
exec 3<&-
trap 'kill -TERM "$group" 2>/dev/null' HUP TERM INT
wait "$child"
status=$?
kill "$guard" 2>/dev/null
exit "$status"
