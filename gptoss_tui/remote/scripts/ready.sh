# The last part of a launch, read in by the helper: from a container that runs to a model that answers.
# A server that only listens is not ready: it is asked for one token, and for that it may have to fetch
# the model first (`fetch_path`) and to load it (`load_path`).
# shellcheck shell=sh disable=SC2154,SC2034

post() { # PATH BODY_FILE SECONDS: POST to the server; the body to stdout, the status to ./status
    echo 0 >status
    : >headers
    if command -v curl >/dev/null 2>&1; then
        # The key is in a file: an argument list is everybody's to read.
        if [ -s ask.headers ]; then key='-H@ask.headers'; else key='-HAccept: application/json'; fi
        curl -sSN -m "$3" --noproxy '*' -X POST -H 'Content-Type: application/json' -H 'Expect:' "$key" \
            --data-binary "@$2" -D headers "$base_url$1"
        sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p' headers >status 2>/dev/null
    else
        python3 ./http_client.py --post "$base_url$1" "$3" "$2" ask.headers
    fi
}
posted() { # the same, to ./reply, in a way that a cancel can break off
    post "$@" >reply 2>client.err & child=$!
    wait "$child"; child=
    status=$(cat status)
}
health() {
    if command -v curl >/dev/null 2>&1; then curl -sf --noproxy '*' -m 5 -o /dev/null "$base_url$health_path"
    else python3 ./http_client.py --health "$base_url$health_path"; fi
}
on_disk() { # KiB of the model's files; what an earlier download left half-made is not taken up again
    # (A sparse file has fewer blocks than its length says, one with room kept for it has more.)
    find -L "$weights_dir" -type f \( ! -name '*.incomplete' -o -newer pid \) -exec stat -L -c '%b %s' {} + 2>/dev/null |
        awk '{ used = $1 * 512; sum += used < $2 ? used : $2 } END { printf "%d\n", sum / 1024 }'
}
received() { # KiB that the container has received, in whole MiB, for it is asked for its health too
    call GET "/containers/$container/stats?stream=false&one-shot=true"
    [ "$status" = 200 ] || return 0
    # Without the headers of Ethernet, IP and TCP.
    tr ',{' '\n\n' <reply | awk -F: '/"rx_bytes"/ { bytes += $2 } /"rx_packets"/ { packets += $2 }
        END { if (packets) printf " %d\n", int((bytes - 66 * packets) / 1048576) * 1024 }'
}
weigh() { # how much of the model has come, or the time, until all of it has
    [ "$coming" = 1 ] || return 0
    held=$(on_disk)
    [ "${held:-0}" -lt "$((whole / 1024))" ] || coming=0
    held=$held$(received)
    if [ "$held" = "$weighed" ]; then say tick; else weighed=$held; say "weights $held"; fi
}
keep_log() { # what the server has said until now: it tells of its start, or why there was none
    { for lines in 2000 200; do
        client GET "/containers/$container/logs?stdout=1&stderr=1&timestamps=1&tail=$lines" | gzip -c >server.log.gz
        [ "$(wc -c <server.log.gz)" -gt 262144 ] || break
    done; } 2>>client.err
    [ "$(cat status)" = 200 ] || rm -f server.log.gz
}
running() { # ends the launch where the container does not run any more
    call GET "/containers/$container/json"
    case $status in
        404) container=; fail wait "the container $name was removed" ;;
        200) case $(cat reply) in *'"Running":true'*) ;; *)
            code=$(sed -n 's/.*"ExitCode":\([0-9]*\).*/\1/p' reply | head -n 1)
            keep_log
            aside
            say "left the stopped container $name: its log says why"
            say "failed wait exited $code"; finish 1 ;; esac ;;
    esac
}
still_up() { # STEP MESSAGE: the server stays, for its log says why
    keep_log
    aside
    say "left the container $name, $stays: its log says why"
    say "failed $*"; finish 1
}
answered() { # what the server said, on one line
    if [ "$status" = 0 ]; then tail -n 1 client.err; else printf '%s %s' "$status" "$(tr -d '\n\r' <reply | cut -c 1-300)"; fi
}
header() { # the key, from where it was handed over to: nothing else holds it any more
    : >ask.headers
    [ "$has_key" = 1 ] || return 0
    call GET "/containers/$container/archive?path=/run/gptoss-tui/api_key"
    { printf 'Authorization: Bearer '; tar -xOf reply; echo; } >ask.headers
    rm -f reply
}
fetch_once() { # its JSON lines go into the log, as Docker's do
    { post "$fetch_path" fetch.json 0 2>client.err | tee fetched | passed_on; } & child=$!
    wait "$child"; child=
    tail -n 3 fetched | grep -q '"status":"success"'
}
model_present() {
    posted "$model_present_path" model_present.json 30
    [ "$status" = 200 ]
}
fetch() { # a pull call of the server; what has come is kept, so trying again goes on
    say fetch
    tries=0
    until fetch_once; do
        running
        # A registry that cannot be asked is not needed where all of the model is there.
        grep -q '"total"' fetched || ! model_present || break
        why=$(sed -n 's/.*"error":"\(.*\)".*/\1/p' fetched | tail -n 1 | sed 's/\\"/"/g')
        tries=$((tries + 1))
        case $why in *'not exist'* | *'not found'* | *'no space left'*) tries=9 ;; esac
        if [ "$tries" -ge 5 ]; then
            why=${why:-$(tail -n 1 client.err)}
            keep_log
            fail fetch "$why"
        fi
        sleep $((tries * 2)) & child=$!; wait "$child"; child=
    done
    rm -f fetched
}
load() { # the first request would load it too; by itself it has a phase of its own
    say load
    posted "$load_path" load.json 1800
    [ "$status" = 200 ] && return 0
    why=$(answered)
    running
    still_up load "$why"
}
ask() { # one token of an answer
    say ask
    tries=0
    until posted "$ask_path" ask.json 600; [ "$status" = 200 ] && grep -Eq '"completion_tokens": *[1-9]' reply; do
        why=$(answered)
        running
        tries=$((tries + 1))
        [ "$tries" -lt 5 ] || still_up ask "$why"
        sleep 2 & child=$!; wait "$child"; child=
    done
    rm -f ask.headers reply
}

deadline=$(($(date +%s) + 14400)) looks=0 weighed='' coming=0
whole=$(printf '%s' "$begin" | sed -n 's/.*"weights_bytes":\([0-9]*\).*/\1/p')
[ -z "$weights_dir" ] || [ -z "$whole" ] || coming=1
until health 2>/dev/null; do
    running
    [ "$(date +%s)" -lt "$deadline" ] || still_up wait 'not ready after four hours'
    weigh
    looks=$((looks + 1))
    # What is up in a moment is not kept waiting by us: the first looks come quickly.
    if [ "$looks" -lt 15 ]; then pause=0.2; else pause=1; [ $((looks % 5)) != 0 ] || say tick; fi
    sleep "$pause" & child=$!; wait "$child"; child=
done
header
ticking & ticker=$!
[ -z "$fetch_path" ] || fetch
[ -z "$load_path" ] || load
ask
{ kill "$ticker"; wait "$ticker"; } 2>/dev/null
keep_log
