# bash completion of bm-sync; in ~/.bashrc: eval "$(bm-sync completion bash)"
_bm_sync() {
    local IFS=$'\n' current=${COMP_WORDS[COMP_CWORD]} line word
    local -a words=()
    for word in "${COMP_WORDS[@]:1:COMP_CWORD}"; do
        [[ $word == = ]] && continue # bash takes --option=value apart
        word=${word#[\"\']}
        words+=("${word//\\/}")
    done
    [[ $current == = ]] && words+=("")
    local joined="${words[*]}"
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :files) compopt -o default 2>/dev/null ;;
            :folders) compopt -o dirnames 2>/dev/null ;;
            *)
                word=${line%%$'\t'*}
                # within a quote bash closes it itself
                [[ $current == [\"\']* ]] || printf -v word %q "$word"
                COMPREPLY+=("$word")
                ;;
        esac
    done < <(BM_SYNC_WORDS=$joined "$1" completion words 2>/dev/null </dev/null)
}
complete -F _bm_sync bm-sync
