# gptoss-launches [LAUNCH_ID|--running|--known STAMP...]: the launches this user's helpers know of, newest
# first; one of them alone, or those whose helper still runs.
#
# For each: a line "@@launch ID ALIVE SIZE KEPT", then its log with Docker's progress thinned to the last
# object of each layer and state (a long pull writes megabytes of them), and its ticks to the last one
# before those and the last of all. SIZE is how many bytes of
# the log were read, so that a follower goes on from there. Of the newest that have ended a line
# "@@server BASE64" follows: the log of the server until then, gzipped; KEPT is how many bytes that is
# (0: there is none, or it is not told). Of one whose STAMP is given, ID:ALIVE:SIZE:KEPT as it was told
# before, "@@known ID" says that it is as it was.
home=${XDG_STATE_HOME:-$HOME/.local/state}/gptoss-tui/launches
[ -d "$home" ] || exit 0
known=
[ "${1:-}" != --known ] || known=" $* "
told=0
ls -1t "$home" | while read -r id; do
    [ -z "${1:-}" ] || [ "$1" = --running ] || [ "$known" ] || [ "$1" = "$id" ] || continue
    dir=$home/$id
    [ -f "$dir/log" ] || continue
    alive=no
    pid=$(cat "$dir/pid" 2>/dev/null)
    [ ! -e "$dir/ended" ] && tr '\0' ' ' 2>/dev/null <"/proc/${pid:-0}/cmdline" | grep -q "/$id/helper.sh" && alive=yes
    [ "${1:-}" != --running ] || [ "$alive" = yes ] || continue
    size=$(wc -c <"$dir/log" | tr -d ' ')
    kept=0
    if [ -s "$dir/server.log.gz" ] && [ "${1:-}" != --running ]; then
        kept=$(wc -c <"$dir/server.log.gz" | tr -d ' ')
        told=$((told + 1))
    fi
    stamp=$id:$alive:$size
    tell=$kept
    [ "$told" -le 8 ] || tell=0 # of the newest ones, for it is long
    case $known in *" $stamp:$kept "* | *" $stamp:$tell "*)
        printf '@@known %s\n' "$id"
        continue
        ;;
    esac
    printf '@@launch %s %s %s %s\n' "$id" "$alive" "$size" "$tell"
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
    if [ "$tell" -gt 0 ]; then
        printf '@@server '
        base64 <"$dir/server.log.gz" | tr -d '\n'
        printf '\n'
    fi
done
