# gptoss-repair-log NAME: what a repair has written, and goes on to write until it ends.
dir=${XDG_STATE_HOME:-$HOME/.local/state}/gptoss-tui/repairs/$1
[ -f "$dir/log" ] || exit 1
tail -n +1 -f "$dir/log" &
follower=$!
# One that was killed writes no end.
pid=$(cat "$dir/pid" 2>/dev/null)
while tr '\0' ' ' 2>/dev/null <"/proc/${pid:-0}/cmdline" | grep -qF "gptoss-repair-run $dir "; do
    sleep 1
done
sleep 1 # its last lines come by the other way
kill "$follower" 2>/dev/null
