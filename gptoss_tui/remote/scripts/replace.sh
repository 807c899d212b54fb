# A launch in the place of a server of ours, read in by the helper. The old container is stopped and
# set aside when the new image is there, and removed when the new server has answered. Where that
# fails or is cancelled, the old one is started again: the box does not depend on who is connected.
# `replaces` is the old container (empty: there is none), `replaces_grace` what its requests get.
# shellcheck shell=sh disable=SC2154,SC2034

set_aside=   # the old container has been stopped and renamed
stays='which still runs'
own_name=$name

replaced_alone() { # is what Docker listed into ./reply nothing but the old container?
    [ -n "$replaces" ] || return 1
    [ -z "$(tr ',' '\n' <reply | sed -n 's/.*"Id":"\([0-9a-f]*\)".*/\1/p' | grep -v "^$replaces")" ]
}
take_over() { # the secrets stay on the box: they go from the old container into the new one
    step=replace; say "replace $replaces"
    if [ ! -f secrets.tar ]; then
        call GET "/containers/$replaces/archive?path=/run/gptoss-tui"
        [ "$status" != 200 ] || mv reply kept.tar
    fi
    set_aside=1
    # In the background, so that a cancel need not wait for the drain.
    client POST "/containers/$replaces/stop?t=$replaces_grace" >reply 2>>client.err & child=$!
    wait "$child"; child=
    status=$(cat status)
    case $status in 204|304) ;; *) fail replace "the old server could not be stopped: $(reason)" ;; esac
    call POST "/containers/$replaces/rename?name=$own_name-before-$launch_id"
    [ "$status" = 204 ] || fail replace "the old server could not be set aside: $(reason)"
}
hand_on() { # what the old one had, where nothing newer was given
    [ -f kept.tar ] || return 0
    call PUT "/containers/$container/archive?path=/run" kept.tar application/x-tar
    rm -f kept.tar
    [ "$status" = 200 ] || fail create "the secrets could not be handed on: $(reason)"
}
restore() { # the old one serves again
    [ -n "$set_aside" ] || return 0
    set_aside=
    [ "$step" != replace ] || call POST "/containers/$replaces/stop?t=1" # a stop broken off half-way
    call POST "/containers/$replaces/rename?name=$own_name"
    call POST "/containers/$replaces/start"
    case $status in
        204|304) say "left the server $own_name as it was before, started again" ;;
        *) say "left the server $own_name stopped: it could not be started again ($(reason))" ;;
    esac
}
aside() { # the new one failed: its log stays, under another name, and the old one serves again
    [ -n "$set_aside" ] || return 0
    name=$own_name-$launch_id stays='which was stopped'
    call POST "/containers/$container/stop?t=10"
    call POST "/containers/$container/rename?name=$name"
    restore
}
settle() { # the new one serves: the old one is not needed any more
    [ -n "$set_aside" ] || return 0
    set_aside=
    call DELETE "/containers/$replaces?force=1&v=1"
    case $status in 204|404) ;; *) say "left the old container $own_name-before-$launch_id ($(reason))" ;; esac
}
