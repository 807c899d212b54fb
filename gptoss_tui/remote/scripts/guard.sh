# gptoss-guard: end this connection's sshd when nobody is heard any more.
#
# A stream that a command carries (docker system dial-stdio, dial.sh) has no room for a heartbeat: all
# of its input is data. When the network goes away without a word, sshd would keep such commands for
# hours. So one session has the heartbeat for all of them: when 45 seconds bring no byte, it ends the
# sshd process that serves this one connection, and with it the input of every command. The launch
# helper is detached and goes on.
sshd=$PPID
# Between sshd and us may be the user's shell.
for _ in 1 2 3; do
    case $(cat "/proc/$sshd/comm" 2>/dev/null || ps -o comm= -p "$sshd" 2>/dev/null) in
        *sshd*|*dropbear*) break ;;
    esac
    sshd=$(ps -o ppid= -p "$sshd" 2>/dev/null | tr -d ' ')
    [ "${sshd:-1}" -gt 1 ] || exit 0
done
command -v timeout >/dev/null 2>&1 || exit 0
while :; do
    beat=$(timeout 45 dd bs=1 count=1 2>/dev/null)
    case $? in
        124 | 137 | 143) kill "$sshd" 2>/dev/null; exit 0 ;;
        *) [ -n "$beat" ] || exit 0 ;;
    esac
done
