# SPDX-License-Identifier: Apache-2.0
_lade() {
    local word=${COMP_WORDS[COMP_CWORD]} group="" command="" i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            -*) ;;
            *) if [ -z "$group" ]; then group=${COMP_WORDS[i]}; elif [ -z "$command" ]; then command=${COMP_WORDS[i]}; fi ;;
        esac
    done
    local words="--root --namespace --sync --help --version"
    case "$group/$command" in
        /) words+=" images content snapshots leases namespaces gc version" ;;
        images/ | image/ | i/) words+=" pull unpack ls rm inspect" ;;
        content/) words+=" ls active get rm" ;;
        snapshots/ | snapshot/) words+=" ls tree info usage mounts rm --snapshotter" ;;
        leases/ | lease/) words+=" ls create rm" ;;
        namespaces/ | namespace/ | ns/) words+=" ls create label rm" ;;
        */pull) words+=" --platform --all-platforms --snapshotter --no-unpack --print-chainid --label --max-concurrent-downloads --progress --quiet --json --user --plain-http --skip-verify --retries --max-size --max-entries --max-ratio --max-path --max-depth" ;;
        */unpack) words+=" --snapshotter --to --platform --progress --print-chainid --quiet --json --max-size --max-entries --max-ratio --max-path --max-depth" ;;
        leases/create) words+=" --id --expires" ;;
        images/inspect | image/inspect | i/inspect) words+=" --content --json" ;;
        */rm) words+=" --sync --no-gc" ;;
        gc/) words+=" --dry-run --json" ;;
        *) words+=" --json --quiet" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -o default -F _lade lade
