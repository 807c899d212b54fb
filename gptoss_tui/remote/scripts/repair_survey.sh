# gptoss-repair-survey CACHE: what lies in a Hugging Face cache, in KiB. Reads only.
#
# Prints "cache PATH", "model KIB PATH", "incomplete KIB PATH", "unreferenced KIB PATH".
cache=$(cd "$1" 2>/dev/null && pwd -P) || exit 0
printf 'cache %s\n' "$cache"
for folder in "$cache"/models--*; do
    [ -d "$folder" ] && [ ! -L "$folder" ] || continue
    # Files may be links into a store that all models share (huggingface_hub 2).
    size=$(du -skL "$folder/blobs" 2>/dev/null)
    size=${size%%[!0-9]*}
    printf 'model %s %s\n' "${size:-0}" "$folder"
    referred=$(find "$folder/snapshots" -type l -exec readlink {} \; 2>/dev/null | sed 's,.*/,,')
    for blob in "$folder"/blobs/*; do
        [ -f "$blob" ] && [ ! -L "$blob" ] || continue
        # What changed a moment ago is on its way.
        [ -z "$(find "$blob" -mmin -10)" ] || continue
        case $blob in
            *.incomplete) kind=incomplete ;;
            *) printf '%s\n' "$referred" | grep -qxF "${blob##*/}" && continue; kind=unreferenced ;;
        esac
        printf '%s %s\n' "$kind" "$(du -k "$blob" 2>/dev/null | tr '\t' ' ')"
    done
done
