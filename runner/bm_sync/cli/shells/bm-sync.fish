# fish completion of bm-sync; in config.fish: bm-sync completion fish | source
function __bm_sync_words
    set -l typed (commandline -opc)
    set -l current (commandline -ct | string unescape)
    set -lx BM_SYNC_WORDS ''
    for word in $typed[2..-1]
        set BM_SYNC_WORDS $BM_SYNC_WORDS$word\n
    end
    set BM_SYNC_WORDS $BM_SYNC_WORDS"$current"
    set -l said ($typed[1] completion words 2>/dev/null </dev/null)
    set -l found (string match -v ':*' -- $said)
    if test (count $found) -gt 0
        printf '%s\n' $found
    else if contains -- :files $said
        __fish_complete_path "$current"
    else if contains -- :folders $said
        __fish_complete_directories "$current"
    end
end
complete -c bm-sync -f -a '(__bm_sync_words)'
