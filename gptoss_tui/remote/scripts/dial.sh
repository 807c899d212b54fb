# gptoss-dial HOST PORT: join standard input and output to a TCP port, where sshd forwards none.
#
# It ends with either side: an HTTP client never closes only one half of its connection.
if command -v python3 >/dev/null 2>&1; then
    exec python3 -c '
import os, socket, sys, threading
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])), 10)
peer.settimeout(None)
def send():
    for block in iter(lambda: os.read(0, 65536), b""):
        peer.sendall(block)
    os._exit(0)
threading.Thread(target=send, daemon=True).start()
for block in iter(lambda: peer.recv(65536), b""):
    while block:
        block = block[os.write(1, block):]
' "$1" "$2"
elif command -v nc >/dev/null 2>&1; then
    exec nc "$1" "$2"
else
    # shellcheck disable=SC3025 # bash alone knows /dev/tcp, so bash it is
    exec bash -c 'exec 3<>"/dev/tcp/$1/$2" || exit 1
        cat <&3 & cat >&3
        kill $!' bash "$1" "$2"
fi
