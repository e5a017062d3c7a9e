#compdef bm-sync
# zsh completion of bm-sync; in ~/.zshrc, after compinit: eval "$(bm-sync completion zsh)"
_bm_sync() {
    local line word paths joined
    local -a typed described
    typed=("${(@Q)words[2,CURRENT]}")
    joined="${(pj:\n:)typed}"
    for line in "${(@f)$(BM_SYNC_WORDS=$joined $words[1] completion words 2>/dev/null </dev/null)}"; do
        case $line in
            ('') ;;
            (:files | :folders) paths=$line ;;
            (*)
                word=${line%%$'\t'*}
                [[ $line == *$'\t'* ]] && line=${line#*$'\t'} || line=''
                described+=("${word//:/\\:}${line:+:$line}")
                ;;
        esac
    done
    _describe -t words bm-sync described && return
    case $paths in
        (:files) _files ;;
        (:folders) _files -/ ;;
    esac
}
compdef _bm_sync bm-sync
