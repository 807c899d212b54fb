# gptoss-launch LAUNCH_ID: unpack a launch from standard input (a tar) and detach its helper.
#
# Prints "ok" when the helper has reserved what it needs, or "conflict ..." / "error ..." when not.
umask 077
home=${XDG_STATE_HOME:-$HOME/.local/state}/gptoss-tui/launches
dir=$home/$1
mkdir -p "$home" || { echo "error cannot write to $home"; exit 1; }
mkdir "$dir" 2>/dev/null || { echo "error launch $1 is already there"; exit 1; }
tar -xf - -C "$dir" || { rm -rf "$dir"; echo "error cannot unpack into $dir"; exit 1; }
# The twenty newest launches are kept for `status`, the logs of older ones are of no use.
ls -1t "$home" | tail -n +21 | while read -r old; do
    [ -e "$home/$old/ended" ] && rm -rf "${home:?}/$old"
done
mkfifo "$dir/answer" || { echo "error cannot make a pipe in $dir"; exit 1; }
setsid sh "$dir/helper.sh" "$dir" </dev/null >>"$dir/log" 2>&1 &
read -r line <"$dir/answer"
rm -f "$dir/answer"
echo "$line"
