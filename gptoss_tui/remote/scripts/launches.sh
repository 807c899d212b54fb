# gptoss-launches [LAUNCH_ID]: the launches this user's helpers know of, newest first.
#
# For each: a line "@@launch ID ALIVE SIZE", then its log with Docker's progress thinned to the last
# object of each layer and state (a long pull writes megabytes of them), and its ticks to the last one
# before those and the last of all. SIZE is how many bytes of
# the log were read, so that a follower goes on from there.
home=${XDG_STATE_HOME:-$HOME/.local/state}/gptoss-tui/launches
[ -d "$home" ] || exit 0
ls -1t "$home" | while read -r id; do
    [ -z "${1:-}" ] || [ "$1" = "$id" ] || continue
    dir=$home/$id
    [ -f "$dir/log" ] || continue
    alive=no
    pid=$(cat "$dir/pid" 2>/dev/null)
    [ ! -e "$dir/ended" ] && tr '\0' ' ' 2>/dev/null <"/proc/${pid:-0}/cmdline" | grep -q "/$id/helper.sh" && alive=yes
    size=$(wc -c <"$dir/log" | tr -d ' ')
    printf '@@launch %s %s %s\n' "$id" "$alive" "$size"
    head -c "$size" "$dir/log" | awk '
        function flush_layers(  i) {
            if (n && before) print before
            for (i = 1; i <= n; i++) print last[order[i]]
            if (tick && tick != before) print tick
            n = 0; split("", last); tick = before = ""
        }
        /^@[0-9]+ tick$/ { tick = $0; next }
        /^@/ { flush_layers(); print; next }
        {
            key = $0
            if (match($0, /"status":"[^"]*"/)) key = substr($0, RSTART, RLENGTH)
            if (match($0, /"id":"[^"]*"/)) key = key substr($0, RSTART, RLENGTH)
            if (!(key in last)) order[++n] = key
            last[key] = $0
            before = tick
        }
        END { flush_layers() }'
    printf '\n'
done
