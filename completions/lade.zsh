#compdef lade
# SPDX-License-Identifier: Apache-2.0
_lade() {
    local -a groups images content snapshots leases namespaces
    groups=(images content snapshots leases namespaces gc version)
    images=(pull unpack ls rm inspect)
    content=(ls active get rm)
    snapshots=(ls tree info usage mounts rm)
    leases=(ls create rm)
    namespaces=(ls create label rm)
    local -a flags=(--root --namespace --sync --help --version --json --quiet)
    case $words[2] in
        images|image|i) case $words[3] in
            pull) flags+=(--platform --all-platforms --snapshotter --no-unpack --print-chainid --label --max-concurrent-downloads --progress --user --plain-http --skip-verify --retries --max-size --max-entries --max-ratio --max-path --max-depth) ;;
            unpack) flags+=(--snapshotter --to --platform --progress --print-chainid --max-size --max-entries --max-ratio --max-path --max-depth) ;;
            inspect) flags+=(--content) ;;
            rm) flags+=(--no-gc) ;;
            esac ;;
        snapshots|snapshot) flags+=(--snapshotter) ;;
        leases|lease) flags+=(--id --expires --no-gc) ;;
        gc) flags+=(--dry-run) ;;
    esac
    if (( CURRENT == 2 )); then
        compadd -a groups
    elif (( CURRENT == 3 )); then
        case $words[2] in
            images|image|i) compadd -a images ;;
            content) compadd -a content ;;
            snapshots|snapshot) compadd -a snapshots ;;
            leases|lease) compadd -a leases ;;
            namespaces|namespace|ns) compadd -a namespaces ;;
        esac
    else
        _files
    fi
    compadd -a flags
}
_lade "$@"
