# gptoss-cancel LAUNCH_ID: end a launch's helper; it takes back what it made, and says what remains.
dir=${XDG_STATE_HOME:-$HOME/.local/state}/gptoss-tui/launches/$1
[ -d "$dir" ] || { echo "error there is no launch $1 here"; exit 1; }
pid=$(cat "$dir/pid" 2>/dev/null)
# After a reboot the number may be another program's: only the helper itself is ever ended.
if [ -e "$dir/ended" ] || ! tr '\0' ' ' 2>/dev/null <"/proc/${pid:-0}/cmdline" | grep -q "/$1/helper.sh"; then
    echo 'error that launch has already ended'; exit 1
fi
kill -TERM "$pid" || { echo 'error the launch belongs to somebody else'; exit 1; }
tries=0
while [ ! -e "$dir/ended" ] && [ "$tries" -lt 300 ]; do sleep 0.1; tries=$((tries + 1)); done
grep '^@' "$dir/log" | tail -n 6
