# gptoss-repair-run DIR HOW MARK SCRIPT: run a repair's script to its end, whoever still listens.
#
# A package manager that is ended half-way leaves its database broken: so this is detached, as the
# launch helper is. Its output is the log; lines that begin with "@MARK " are ours: "began",
# "refused" (sudo did not let it begin) and "end STATUS".
dir=$1 mark=$3
echo $$ >"$dir/pid"
# sudo's own words and those of the programs in English, whatever the user speaks.
export LC_ALL=C
# The first program gets the password's pipe as its input, the script nothing.
# shellcheck disable=SC2016 # for the inner shell
inner='printf "@%s began\n" "$1"; exec sh -c "$2" gptoss-repair-script </dev/null'
case $2 in
    user) sh -c "$inner" gptoss-repair-begin "$mark" "$4" ;;
    root) sudo -n sh -c "$inner" gptoss-repair-begin "$mark" "$4" ;;
    # -k: what sudo remembers does not count, so that it reads the password and nobody else can.
    *) sudo -k -S -p '' sh -c "$inner" gptoss-repair-begin "$mark" "$4" ;;
esac
status=$?
grep -q "^@$mark began" "$dir/log" || printf '@%s refused\n' "$mark"
printf '@%s end %s\n' "$mark" "$status"
