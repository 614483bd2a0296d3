# SPDX-License-Identifier: Apache-2.0
function __lade_is
    set -l words (commandline -opc | string match -v -- '-*')
    test (count $words) -ge (count $argv); and test "$words[2..(count $argv)]" = "$argv[2..]"
end
function __lade_at
    set -l words (commandline -opc | string match -v -- '-*')
    test (count $words) -eq $argv[1]
end
complete -c lade -n '__lade_at 1' -f -a 'images content snapshots leases namespaces gc version'
complete -c lade -n '__lade_at 2; and __lade_is lade images' -f -a 'pull unpack ls rm inspect'
complete -c lade -n '__lade_at 2; and __lade_is lade content' -f -a 'ls active get rm'
complete -c lade -n '__lade_at 2; and __lade_is lade snapshots' -f -a 'ls tree info usage mounts rm'
complete -c lade -n '__lade_at 2; and __lade_is lade leases' -f -a 'ls create rm'
complete -c lade -n '__lade_at 2; and __lade_is lade namespaces' -f -a 'ls create label rm'
for flag in root namespace sync
    complete -c lade -l $flag -x
end
for flag in help version json quiet
    complete -c lade -l $flag
end
for flag in platform snapshotter label max-concurrent-downloads progress user retries
    complete -c lade -n '__lade_is lade images pull' -l $flag -x
end
for flag in max-size max-entries max-ratio max-path max-depth
    complete -c lade -n '__lade_is lade images pull' -l $flag -x
    complete -c lade -n '__lade_is lade images unpack' -l $flag -x
end
for flag in all-platforms no-unpack print-chainid plain-http skip-verify
    complete -c lade -n '__lade_is lade images pull' -l $flag
end
complete -c lade -n '__lade_is lade images unpack' -l to -r
complete -c lade -n '__lade_is lade images inspect' -l content
complete -c lade -l no-gc
complete -c lade -n '__lade_is lade leases create' -l id -x
complete -c lade -n '__lade_is lade leases create' -l expires -x
complete -c lade -n '__lade_is lade gc' -l dry-run
