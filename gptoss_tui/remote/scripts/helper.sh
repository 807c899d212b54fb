# The launch helper: carries a pull, a create and a start on the box itself, because Docker drops a
# pull when the client that asked for it goes away. Its standard output is the launch's log: raw
# progress objects of Docker, and event lines "@UNIX_SECONDS EVENT [REST]". It ends with the launch.
#
# Argument: the launch's folder, with `vars` (shell assignments), `create.json`, the bodies of the
# calls to the server (`ask.json`, and for some `fetch.json`, `model_present.json`,
# `load.json`), `secrets.tar` for secrets.
set -u
dir=$1
cd "$dir" || exit 1
# What `vars` sets, for here; it sets besides what ready.sh reads.
launch_id='' name='' image='' image_path='' pull_query='' cache_dir='' claim_keys=''
restart='' docker_socket='' begin='' replaces=''
# shellcheck source=/dev/null
. ./vars
echo $$ >pid
claims=/var/tmp/gptoss-tui
container=
child=
sudo=
[ -r "$docker_socket" ] && [ -w "$docker_socket" ] || sudo='sudo -n'

exec 3>&1 # a cancel may come while a call has its output in a file: what is said goes into the log
say() { printf '@%s %s\n' "$(date +%s)" "$*" >&3; }
answer() { [ -p answer ] && printf '%s\n' "$*" >answer; }

# --- the Docker Engine API, by whatever can speak HTTP to a socket ------------------------------
client() { # METHOD PATH [BODY_FILE [CONTENT_TYPE]]: the body to stdout, the status to ./status
    # A question is answered soon or never; a start may take minutes, and a pull what it takes.
    case "$1 $2" in GET*) limit=30 ;; *'/images/create'*) limit=0 ;; *) limit=600 ;; esac
    echo 0 >status
    : >headers # ours, and so readable, also where sudo writes it
    if command -v curl >/dev/null 2>&1; then
        if [ -n "${3:-}" ]; then set -- "$1" "$2" --data-binary "@$3" -H "Content-Type: ${4:-application/json}"; fi
        method=$1 path=$2; shift 2
        $sudo curl -sSN -m "$limit" --noproxy '*' --unix-socket "$docker_socket" -X "$method" -D headers -H 'Expect:' "$@" "http://docker$path"
        sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' headers >status 2>/dev/null
    else
        $sudo python3 ./http_client.py "$docker_socket" "$limit" "$@"
    fi
}
call() { client "$@" >reply 2>>client.err; status=$(cat status); }
# shellcheck source=/dev/null
. ./replace.sh
reason() { # What Docker's error body says, on one line.
    sed -n 's/.*"message":"\(.*\)".*/\1/p' reply | head -n 1 | cut -c 1-600
}

# --- claims: two operators cannot take the same GPU, port or name unnoticed ---------------------
began() { # PID: when that process began, by which it is told from a later one of the same number
    sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20
}
put() { # make $file, with all that it says, in one step; fails where it is there
    # (set -C: never through a link that somebody laid there.)
    (set -C; printf '%s %s %s %s\n' "$$" "$(began $$)" "$launch_id" "$(id -un)" >"$file.$$") 2>/dev/null || return 1
    ln "$file.$$" "$file" 2>/dev/null
    set -- "$?"
    rm -f "$file.$$"
    return "$1"
}
claim() { # KEY: make its file, or say who has it
    file=$claims/$1 pid='' since='' other='' user=somebody
    put && return 0
    read -r pid since other user 2>/dev/null <"$file"
    [ "$other" = "$launch_id" ] && return 0
    if [ -n "$since" ] && [ "$(began "$pid")" = "$since" ]; then
        taken="$user is launching $other with $1"; return 1
    fi
    rm -f "$file" 2>/dev/null && put && return 0
    taken="a launch of $user that died left $file behind"; return 1
}
release() { for key in $claim_keys; do
    read -r _ _ mine _ 2>/dev/null <"$claims/$key" && [ "$mine" = "$launch_id" ] && rm -f "$claims/$key"
done; }
trusted() { # is the folder of claims one in which nobody can replace another one's file?
    [ -d "$claims" ] && [ ! -L "$claims" ] && [ -k "$claims" ] || return 1
    # shellcheck disable=SC2012 # one name, and it is ours
    case $(ls -ldn "$claims" | awk '{print $3}') in 0 | "$(id -u)") ;; *) return 1 ;; esac
}
claim_all() {
    [ -d "$claims" ] || mkdir -m 1777 "$claims" 2>/dev/null
    [ -w "$claims" ] || return 0
    trusted || { taken="$claims belongs to somebody else, or is not sticky: remove it, or chmod 1777 it"; return 1; }
    umask 022
    for key in $claim_keys; do claim "$key" || { umask 077; return 1; }; done
    umask 077
    # A container of ours that already runs on one of these GPUs holds it for as long as it runs.
    for key in $claim_keys; do
        case $key in gpu-*) ;; *) continue ;; esac
        call GET "/containers/json?filters=%7B%22label%22%3A%5B%22io.gptoss-tui.$key%22%5D%7D"
        [ "$status" = 200 ] || continue
        replaced_alone && continue
        case $(cat reply) in "[]"*) ;; *) taken="a running server has $key"; return 1 ;; esac
    done
}

# --- endings ------------------------------------------------------------------------------------
finish() { rm -f secrets.tar kept.tar ask.headers; release; say end; : >ended; exit "$1"; }
drop_container() {
    # Ended in the middle of the create: only its label tells whether there is one.
    if [ -z "$container" ] && [ "$step" = create ]; then
        call GET "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22io.gptoss-tui.launch%3D$launch_id%22%5D%7D"
        container=$(sed -n 's/.*"Id":"\([0-9a-f]*\)".*/\1/p' reply | head -n 1)
    fi
    [ -n "$container" ] || return 0
    call DELETE "/containers/$container?force=1&v=1"
    case $status in 204|404) ;; *) say "left the container $name ($(reason))" ;; esac
}
fail() { # STEP MESSAGE: nothing half-made stays
    drop_container; restore; say "failed $*"; finish 1 # what is left is told before the end is
}
# shellcheck disable=SC2317 # the trap calls it
cancelled() {
    trap '' TERM HUP INT
    # Our own group: the client that pulls, with its parents. (dash's kill knows no `--`.)
    $sudo sh -c 'kill -TERM "-$1"' kill "$$" 2>/dev/null
    [ -z "$child" ] || wait "$child"
    [ "$step" != pull ] || echo >&3 # what the client wrote last may be half a line
    drop_container; restore
    case $step in
        pull) pulled ;;
        replace|create) say "left the image $image" ;;
        start|wait) say "left the image $image${cache_dir:+ and what was downloaded to $cache_dir}" ;;
    esac
    say cancelled; finish 1
}
pulled() { # what stays of an image that was not pulled to its end: in Docker's own store, nothing
    grep -Eq '"status":"(Pull|Download) complete"' log || return 0
    call GET /info
    case $(cat reply) in
        *'"BuildahVersion"'*) say 'left the layers of the image that were complete: the next pull takes them up' ;;
        *io.containerd.snapshotter*) say 'left the layers of the image that were complete, until Docker clears them away' ;;
    esac
}
step=reserve
trap cancelled TERM INT
trap '' HUP

# --- the pull -----------------------------------------------------------------------------------
passed_on() { # what Docker streams, line by line, so that no event stands inside a line
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in *'"message":"'*) printf '%s\n' "$line" >pull.err ;; esac
        printf '%s\n' "$line"
    done
}
ticking() { # the time each second: what comes in between has a rate; ends with the helper
    while sleep 1; do
        read -r _ _ _ parent _ </proc/self/stat
        [ "$parent" = "$$" ] || exit
        say tick
    done
}
manifest() { # REFERENCE: the registry's answer to ./manifest, its status as the result
    curl -sL -m 15 -D manifest.head -o manifest -w '%{http_code}' ${token:+-H "Authorization: Bearer $token"} \
        -H 'Accept: application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json' \
        -H 'Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json' \
        "${base%/}/v2/$repository/manifests/$1"
}
granted() { # ask for the token that a registry wants of those who have no login
    challenge=$(tr -d '\r' <manifest.head | sed -n 's/^[Ww][Ww][Ww]-[Aa]uthenticate: *[Bb]earer *//p' | tail -n 1)
    of() { printf '%s' "$challenge" | sed -n "s/.*$1=\"\([^\"]*\)\".*/\1/p"; }
    token=$(curl -sL -m 15 -G --data-urlencode "service=$(of service)" --data-urlencode "scope=$(of scope)" "$(of realm)" |
        sed -n 's/.*"\(access_\)\{0,1\}token" *: *"\([^"]*\)".*/\2/p' | head -n 1)
    [ -n "$token" ]
}
layers() { # "ID:BYTES ..." from ./manifest, the base first; nothing where it is not one
    sed 's/.*"layers":\[//; s/\].*//' manifest | tr '{' '\n' |
        sed -n -e 's/.*"digest":"sha256:\([0-9a-f]\{12\}\).*"size":\([0-9]*\).*/\1:\2/p;t' \
            -e 's/.*"size":\([0-9]*\).*"digest":"sha256:\([0-9a-f]\{12\}\).*/\2:\1/p' | tr '\n' ' '
}
sizes() { # tell the sizes of all layers: Docker itself tells each when it begins to load
    command -v curl >/dev/null 2>&1 || return 0
    case $(uname -m) in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; *) return 0 ;; esac
    repository=${image%%@*} reference=latest
    case ${repository##*/} in *:*) reference=${repository##*:} repository=${repository%:*} ;; esac
    case $image in *@*) reference=${image#*@} ;; esac
    host=${repository%%/*}
    case $host in
        docker.io | index.docker.io) repository=${repository#*/} host= ;;
        *.* | *:* | localhost) repository=${repository#*/} bases="https://$host http://$host" ;;
        *) host= ;;
    esac
    [ -n "$host" ] || bases="$mirrors https://registry-1.docker.io"
    case $repository in */*) ;; *) [ -n "$host" ] || repository=library/$repository ;; esac
    for base in $bases; do
        token=
        code=$(manifest "$reference") || continue
        [ "$code" != 401 ] || { granted && code=$(manifest "$reference"); }
        [ "$code" = 200 ] || continue
        tr -d ' \n\t\r' <manifest >manifest.one && mv manifest.one manifest
        if grep -q '"manifests":\[' manifest; then
            one=$(sed 's/},{/|/g' manifest | tr '|' '\n' | grep "\"architecture\":\"$arch\"" | grep '"os":"linux"' |
                sed -n 's/.*"digest":"\(sha256:[0-9a-f]*\)".*/\1/p' | head -n 1)
            [ -n "$one" ] && [ "$(manifest "$one")" = 200 ] || continue
            tr -d ' \n\t\r' <manifest >manifest.one && mv manifest.one manifest
        fi
        found=$(layers)
        [ -z "$found" ] || { say "layers $found"; return 0; }
    done
}
pull_once() {
    : >pull.err
    { client POST "/images/create?$pull_query" 2>client.err | passed_on; } &
    child=$!
    wait "$child"; child=
    call GET "/images/$image_path/json"
    [ "$status" = 200 ]
}
pull_error() { # the last error that Docker wrote into the pull's stream, else the client's own
    sed -n 's/.*"message":"\([^"]*\)".*/\1/p' pull.err | tail -n 1 | grep . || tail -n 1 client.err
}
tries_for() { # WHY: how often a pull that broke so is tried again; 0 where it cannot pass
    case $1 in
        *'manifest unknown'* | *denied* | *unauthorized* | *'no space left'* | *toomanyrequests*) echo 0 ;;
        *'connection refused'* | *'no such host'* | *'network is unreachable'* | *'no route to host'* | \
            *'server misbehaving'* | *'emporary failure in name resolution'*)
            if grep -q '"Downloading"' log; then echo 6; else echo 2; fi ;;
        *EOF* | *'connection reset'* | *[Tt]imeout* | *'deadline exceeded'* | *'request canceled'* | *'broken pipe'* | \
            *'short read'* | *'closed network connection'* | *'stream error'* | *GOAWAY* | *'verification failed'* | \
            *'500 Internal'* | *'502 Bad'* | *'503 Serv'* | *'504 Gate'* | *'HTTP status: 5'* | \
            'curl: (7)'* | 'curl: (18)'* | 'curl: (52)'* | 'curl: (56)'* | *IncompleteRead*) echo 6 ;;
        *) echo 0 ;;
    esac
}
pull() { # until the image is there, with growing pauses where what broke it may pass
    tries=0 mirrors=
    case ${image%%/*} in *.* | *:*) ;; *)
        mirrors=$(client GET /info 2>/dev/null | sed -n 's/.*"Mirrors":\[\([^]]*\)\].*/\1/p' | tr -d '"' | tr ',' ' ') ;;
    esac
    ticking & ticker=$!
    { sizes 2>/dev/null; : >asked; } & asking=$!
    until pull_once; do
        why=$(pull_error)
        [ "$tries" -lt "$(tries_for "$why")" ] || { enough; fail pull "$why"; }
        tries=$((tries + 1)) pause=$((1 << tries))
        [ "$pause" -le 30 ] || pause=30
        say "retry $pause $why"
        sleep "$pause" & child=$!; wait "$child"; child=
    done
    enough
}
enough() { # the helpers of the pull end with it
    [ -e asked ] || kill "$asking" 2>/dev/null
    { kill "$ticker"; wait "$ticker"; } 2>/dev/null
}

# --- the launch ---------------------------------------------------------------------------------
say "begin $begin"
say reserve
if ! claim_all; then
    say "failed reserve $taken"; answer "conflict $taken"; release; : >ended; rm -f secrets.tar; exit 1
fi
call GET /version
if [ "$status" != 200 ]; then
    why="Docker does not answer on $docker_socket: $(reason) $(tail -n 1 client.err 2>/dev/null)"
    say "failed reserve $why"; answer "error $why"; finish 1
fi
answer ok

call GET "/images/$image_path/json"
if [ "$status" = 200 ]; then
    say pull-skipped
else
    step=pull; say pull
    pull
    say pulled
fi

[ -z "$replaces" ] || take_over
step=create; say create
[ -z "$cache_dir" ] || mkdir -p "$cache_dir" 2>/dev/null
call POST "/containers/create?name=$name" create.json
[ "$status" = 201 ] || fail create "$(reason)"
container=$(sed -n 's/.*"Id":"\([0-9a-f]*\)".*/\1/p' reply | head -n 1)
if [ -f secrets.tar ]; then
    call PUT "/containers/$container/archive?path=/" secrets.tar application/x-tar
    [ "$status" = 200 ] || fail create "the secrets could not be handed over: $(reason)"
    rm -f secrets.tar
fi
hand_on
say "created $container"

step=start; say start
call POST "/containers/$container/start"
case $status in 204|304) ;; *) fail start "$(reason)" ;; esac
say started

# The model loads now; only a server that was ready once is worth restarting after a crash.
step='wait'; say wait
# shellcheck source=/dev/null
. ./ready.sh
if [ "$restart" = 1 ]; then
    printf '{"RestartPolicy":{"Name":"unless-stopped"}}' >update.json
    call POST "/containers/$container/update" update.json
fi
settle
say ready
finish 0
