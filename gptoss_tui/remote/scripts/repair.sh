# gptoss-repair NAME HOW MARK RUNNER SCRIPT: detach a repair, or join the one that runs already.
#
# HOW is "user", "root" (by `sudo -n`) or "password" (by `sudo -S`). Standard input is the password,
# if any: sudo reads it from there, and nothing else does. Prints "ok MARK", "joined MARK" (of the
# one that runs), "refused TEXT" (by sudo) or "error TEXT".
umask 077
home=${XDG_STATE_HOME:-$HOME/.local/state}/gptoss-tui/repairs
dir=$home/$1 how=$2 mark=$3
mkdir -p "$dir" || { echo "error cannot write to $home"; exit 1; }
pid=$(cat "$dir/pid" 2>/dev/null)
if tr '\0' ' ' 2>/dev/null <"/proc/${pid:-0}/cmdline" | grep -qF "gptoss-repair-run $dir "; then
    echo "joined $(cat "$dir/mark")"
    exit 0
fi
[ "$(id -u)" != 0 ] || how=user
if [ "$how" != user ] && ! command -v sudo >/dev/null 2>&1; then
    echo 'error it has to run as root, and there is no sudo here'
    exit 1
fi
rm -f "$dir/pid" "$dir/log"
printf '%s\n' "$mark" >"$dir/mark"
: >"$dir/log"
exec 3<&0 # what runs in the background would get /dev/null otherwise
setsid sh -c "$4" gptoss-repair-run "$dir" "$how" "$mark" "$5" <&3 >>"$dir/log" 2>&1 3<&- &
exec 3<&- </dev/null
tries=0
until grep -q "^@$mark " "$dir/log"; do
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || { echo 'error sudo does not answer'; exit 1; }
    sleep 0.1
done
if grep -q "^@$mark refused" "$dir/log"; then
    printf 'refused %s\n' "$(grep -v '^@' "$dir/log" | tr '\n' ' ' | cut -c 1-600)"
else
    echo "ok $mark"
fi
